//! `mcp-conductor doctor`: what is enforced here, and the configuration.

use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mcp_conductor::{
    Capabilities, Config, EngineStatus, ExecuteRequest, Installation, Runtime, StoreStatus,
};

use super::{print, unusable};

/// Packages of which a line has all: five of them, with their versions, are 100 columns.
const MAX_IN_A_LINE: usize = 5;

/// Licences that are shown: a hundred packages have about ten.
const MAX_LICENSES: usize = 20;

pub(super) async fn doctor(config: Config) -> ExitCode {
    let start = Instant::now();
    let runtime = match Runtime::new(config.clone().with_packages_auto(false)).await {
        Ok(runtime) => runtime,
        Err(error) => return unusable(&error.to_string()),
    };
    let started = start.elapsed();
    print(&format!("Sandbox:\n{}\n", runtime.sandbox()));
    if let Ok(capabilities) = Capabilities::of_this_process() {
        print(&format!("The server's capabilities:\n{capabilities}\n"));
    }

    let start = Instant::now();
    match runtime.execute(ExecuteRequest::new("1 + 1")).await {
        Ok(execution) if execution.return_value == 2 => print(&format!(
            "Runtime:\n  started in {:.1} ms, first program in {:.1} ms\n\n",
            started.as_secs_f64() * 1e3,
            start.elapsed().as_secs_f64() * 1e3
        )),
        Ok(execution) => return unusable(&format!("A trivial program failed: {execution:?}")),
        Err(error) => return unusable(&error.to_string()),
    }
    print(&format!("Engines:\n{}\n", engines(&runtime).await));
    print(&format!("Python:\n  {}\n\n", mcp_conductor::python_described(&config)));
    print(&format!("Type checker:\n  {}\n\n", mcp_conductor::checker_described(&config)));
    print(&format!("Search:\n{}\n", search(&config, &runtime).await));
    print(&format!("Packages:\n{}\n", packages(&config, &runtime)));
    print(&format!("Store:\n{}\n", store(&config, &runtime).await));
    print(&format!("Configuration:\n{}", describe(&config, &runtime)));
    print(&format!("MCP servers:\n{}", servers(&runtime).await));
    ExitCode::SUCCESS
}

async fn engines(runtime: &Runtime) -> String {
    let line = |engine: &EngineStatus| {
        let state = match &engine.error {
            None => "Available".to_owned(),
            Some(error) => format!("Not available: {error}"),
        };
        let notes = engine.notes.iter().map(|note| format!("  {:<16}   {note}\n", ""));
        format!("  {:<16} {state}\n{}", engine.name, notes.collect::<String>())
    };
    runtime.engines().await.iter().map(line).collect()
}

/// Which store is in force, whether it answers, and who else can have it.
async fn store(config: &Config, runtime: &Runtime) -> String {
    let shown = |(name, value): (&str, String)| format!("  {name:<16} {value}\n");
    let mut lines: String = match runtime.store_status().await {
        Ok(status) => rows_of(status).into_iter().map(shown).collect(),
        Err(error) => format!("  Not available: {error}\n"),
    };
    let shared = match config.store_is_shared() {
        true => "by all servers with this store and prefix",
        false => "no (MCP_CONDUCTOR_STORE=redis://… for several replicas)",
    };
    lines.extend([("replica", config.replica()), ("shared", shared.to_owned())].map(shown));
    lines
}

fn rows_of(status: StoreStatus) -> Vec<(&'static str, String)> {
    let mut rows = vec![("kept", format!("{}, {}", status.kind.name(), status.place))];
    rows.extend(status.version.map(|version| ("version", version)));
    rows.extend(status.entries.map(|entries| ("entries", entries.to_string())));
    let limit = status.limit.map_or(String::new(), |limit| format!(" of {limit}"));
    rows.extend(status.bytes.map(|bytes| ("bytes", format!("{bytes}{limit}"))));
    rows.push(("answered in", format!("{:.1} ms", status.took.as_secs_f64() * 1e3)));
    rows
}

/// What ranks tools, and which model is installed.
async fn search(config: &Config, runtime: &Runtime) -> String {
    let (ranks, model) = (runtime.search().await, mcp_conductor::search_model_described(config));
    format!("  {:<16} {ranks}\n  {:<16} {model}\n", "tools are ranked", "model")
}

/// What of the allowed packages is installed, and what installs them.
fn packages(config: &Config, runtime: &Runtime) -> String {
    let status = runtime.packages();
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(format!("  {name:<16} {value}\n"));
    row("allowed", list(&status.allowed));
    if !status.allowed.is_empty() {
        let versions = status.installed.iter().map(|(name, version)| format!("{name} {version}"));
        row("installed", list(&versions.collect::<Vec<_>>()));
        row("missing", list(&status.missing));
        let directory = config.install_dir();
        row("directory", directory.map_or("none".into(), |path| path.display().to_string()));
        let known = directory.and_then(mcp_conductor::installation);
        if let Some(known) = known {
            if !known.packages.is_empty() {
                row("age", age(known.installed_at));
                row("licences", licenses(&known));
            }
            if let Some(pypi) = &known.pypi {
                let own = pypi.packages.iter();
                let own = own.map(|package| format!("{} {}", package.specifier, package.version));
                row("of PyPI", list(&own.collect::<Vec<_>>()));
                row("age of these", age(pypi.installed_at));
                row("licences", licenses(pypi));
            }
        }
        for (specifier, reason) in &status.failed {
            row("not available", format!("{specifier}: {reason}"));
        }
        if let Some(problem) = &status.problem {
            row("problem", problem.clone());
        }
    }
    match mcp_conductor::installer() {
        Ok(path) => row("installer", path.display().to_string()),
        Err(error) => row("installer", format!("Not available: {error}")),
    }
    rows.concat()
}

/// Texts in a line, or, where they are many, each in its own below their number.
fn list(texts: &[String]) -> String {
    match texts {
        [] => "none".to_owned(),
        _ if texts.len() <= MAX_IN_A_LINE => texts.join(", "),
        _ => {
            let below = texts.iter().map(|text| format!("\n  {:<16}   {text}", ""));
            format!("{}{}", texts.len(), below.collect::<String>())
        }
    }
}

/// The licences of all that is installed, with how many packages have each.
fn licenses(known: &Installation) -> String {
    let all = known.licenses();
    let rest = all.len().saturating_sub(MAX_LICENSES);
    let shown = all.into_iter().take(MAX_LICENSES).map(|(name, count)| format!("{name} {count}"));
    let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
    format!("{}{more}", shown.collect::<Vec<_>>().join(", "))
}

/// Whole minutes, hours, or days.
fn age(since: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match now.saturating_sub(since) / 60 {
        0 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        minutes @ 2..120 => format!("{minutes} minutes"),
        minutes @ 120..2880 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / 1440),
    }
}

async fn servers(runtime: &Runtime) -> String {
    let servers = runtime.servers().await;
    if servers.is_empty() {
        return "  none\n".to_owned();
    }
    let line = |server: &mcp_conductor::ServerStatus| {
        let state = match (&server.error, server.tools) {
            (Some(error), _) => error.clone(),
            (None, Some(tools)) => format!("{tools} tools"),
            (None, None) => "has not answered yet".to_owned(),
        };
        let notes = server.notes.iter().map(|note| format!("  {:<16}   {note}\n", ""));
        format!("  {:<16} {state}\n{}", server.name, notes.collect::<String>())
    };
    servers.iter().map(line).collect()
}

fn describe(config: &Config, runtime: &Runtime) -> String {
    let millis = |duration: std::time::Duration| format!("{} ms", duration.as_millis());
    let rows = [
        ("grants", runtime.grants().join(" ")),
        ("default timeout", millis(config.default_timeout())),
        ("maximum timeout", millis(config.max_timeout())),
        ("unfinished grace", millis(config.unfinished_grace())),
        ("CPU time", millis(config.max_cpu_time())),
        ("memory", format!("{} MiB", config.max_memory() >> 20)),
        ("output", format!("{} bytes", config.max_output())),
        ("return value", format!("{} bytes", config.max_return_size())),
        ("return depth", config.max_return_depth().to_string()),
        ("concurrent runs", config.max_concurrent().to_string()),
        ("queue", config.max_queue().to_string()),
        ("queue wait", millis(config.max_queue_wait())),
        ("standby workers", config.standby().to_string()),
        ("isolate", format!("{:?}", config.isolate()).to_lowercase()),
        ("file writes", format!("{} MiB", config.max_write_size() >> 20)),
        ("new files", config.max_new_files().to_string()),
        ("open files", config.max_open_files().to_string()),
        ("fetched", format!("{} MiB", config.max_fetch_size() >> 20)),
        ("connections", config.max_connections().to_string()),
        ("command output", format!("{} MiB", config.max_command_output() >> 20)),
        (
            "MCP servers",
            config.mcp_config().map_or("none".into(), |file| file.display().to_string()),
        ),
        ("tool calls", config.max_tool_calls().to_string()),
        ("tool result", format!("{} KiB", config.max_tool_result() >> 10)),
        ("audit log", config.audit_log().map_or("none".into(), |log| log.display().to_string())),
        ("workspace", config.workspace().display().to_string()),
    ];
    rows.map(|(name, value)| format!("  {name:<16} {value}\n")).concat()
}
