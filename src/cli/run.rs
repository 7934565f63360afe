//! `mcp-conductor run`: one program from the shell.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use mcp_conductor::{
    Check, CheckSetting, Config, Diagnostic, ErrorDetail, ExecuteError, ExecuteRequest, Execution,
    ExecutionError, ExecutionJson, Image, Language, MAX_GLOBALS_BYTES, MAX_SOURCE_BYTES,
    OutputEvents, OutputStream, Runtime, Status, UnfinishedWork, mended, with_all_digits,
};
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;

use super::{flush_log, unusable};

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The program; - reads it from standard input. FILE.py is in Python, any other in TypeScript.
    file: PathBuf,
    /// The program's language, whatever the file's name is.
    #[arg(long, value_enum)]
    language: Option<ProgramLanguage>,
    /// A JSON file with an object whose members become globals.
    #[arg(long, value_name = "FILE")]
    globals: Option<PathBuf>,
    /// Wall time in milliseconds.
    #[arg(long, value_name = "MS")]
    timeout: Option<u64>,
    /// Check the program's types: before it runs, which errors prevent, or as MODE says.
    #[arg(long, value_enum, value_name = "MODE", num_args = 0..=1, require_equals = true,
          default_missing_value = "error")]
    check: Option<CheckMode>,
    /// Print the whole result as JSON instead of the value.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProgramLanguage {
    #[value(name = "typescript")]
    TypeScript,
    Python,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CheckMode {
    /// Not at all.
    Off,
    /// While it runs.
    Warn,
    /// Before it runs.
    Error,
    /// And do not run it.
    Only,
}

impl From<CheckMode> for Check {
    fn from(mode: CheckMode) -> Self {
        match mode {
            CheckMode::Off => Self::Off,
            CheckMode::Warn => Self::Warn,
            CheckMode::Error => Self::Error,
            CheckMode::Only => Self::Only,
        }
    }
}

impl RunArguments {
    fn language(&self) -> Language {
        match self.language {
            Some(ProgramLanguage::TypeScript) => Language::TypeScript,
            Some(ProgramLanguage::Python) => Language::Python,
            None if self.file.extension().is_some_and(|it| it == "py") => Language::Python,
            None => Language::TypeScript,
        }
    }
}

pub(super) async fn run(config: Config, arguments: RunArguments) -> ExitCode {
    let request = match request(&arguments) {
        Ok(request) => request,
        Err(message) => return unusable(&message),
    };
    let has_log = config.audit_log().is_some();
    let config = config.with_standby(0).with_packages_auto(false).without_preload();
    // To load the checker takes longer than most programs.
    let config = match (arguments.check, config.type_check()) {
        (None, CheckSetting::Auto) => config.with_type_check(CheckSetting::Off),
        (Some(_), _) | (None, CheckSetting::Off | CheckSetting::Warn | CheckSetting::Error) => {
            config
        }
    };
    let runtime = match Runtime::new(config).await {
        Ok(runtime) => runtime,
        Err(error) => return unusable(&error.to_string()),
    };
    let (execution, events) = runtime.stream(request);
    let json = arguments.json;
    let ran = async {
        let printed = spawn_blocking(move || print_output(events, json));
        let (execution, _) = tokio::join!(execution, printed);
        let code = spawn_blocking(move || report(execution, json)).await;
        if has_log {
            until_reaped(&runtime).await;
        }
        code.unwrap_or(ExitCode::FAILURE)
    };
    tokio::select! {
        code = ran => code,
        // Dropping it ends the program and what it has started.
        code = stopped() => code,
    }
}

/// A killed process is gone within milliseconds.
const REAPED: Duration = Duration::from_millis(500);

/// Waits until the process of the program is gone: what it has used, for the audit log, is
/// known then.
async fn until_reaped(runtime: &Runtime) {
    let gone = async {
        while runtime.active() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // What was measured is in the log otherwise.
    let _ = tokio::time::timeout(REAPED, gone).await;
}

/// Waits for whoever reads standard error, as commands do; the program's time and a
/// signal that ends this process do not wait for it.
fn print_output(mut events: OutputEvents, json: bool) {
    flush_log();
    while let Some(event) = tokio::runtime::Handle::current().block_on(events.next()) {
        let is_for_it = match event.stream {
            OutputStream::Stdout | OutputStream::Stderr | OutputStream::Progress => true,
            // Whoever keeps what a program prints does not want it.
            OutputStream::Waiting => std::io::stderr().is_terminal(),
        };
        if is_for_it && !json {
            print_error(&event.line);
        }
    }
}

/// To a reader that may have gone away, which is not ours to report.
fn print_error(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Waits for a signal that ends the process; 128 and its number, as in a shell.
pub(super) async fn stopped() -> ExitCode {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => ExitCode::from(128 + 15),
        _ = interrupt.recv() => ExitCode::from(128 + 2),
    }
}

fn request(arguments: &RunArguments) -> Result<ExecuteRequest, String> {
    let source = read(&arguments.file, MAX_SOURCE_BYTES)?;
    let mut request = ExecuteRequest::new(source).with_language(arguments.language());
    if let Some(path) = &arguments.globals {
        let text = read(path, MAX_GLOBALS_BYTES)?;
        let text = mended(&text);
        let all = with_all_digits(text.as_bytes());
        let text = all.as_deref().unwrap_or(text.as_bytes());
        let globals: Map<String, Value> = serde_json::from_slice(text).map_err(|error| {
            format!("{} does not contain a JSON object: {error}", path.display())
        })?;
        request = request.with_globals(globals);
    }
    if let Some(check) = arguments.check {
        request = request.with_check(check.into());
    }
    if let Some(timeout) = arguments.timeout {
        request = request.with_timeout(Duration::from_millis(timeout));
    }
    Ok(request)
}

/// A file's text, or standard input's for `-`.
fn read(path: &Path, limit: usize) -> Result<String, String> {
    let describe = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    // One byte more than the limit tells that there is more.
    let limit = limit as u64 + 1;
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(describe)?;
    } else {
        let file = std::fs::File::open(path).map_err(describe)?;
        file.take(limit).read_to_end(&mut bytes).map_err(describe)?;
    }
    if bytes.len() as u64 == limit {
        return Err(format!(
            "{} is too large: at most {} bytes are accepted",
            path.display(),
            limit - 1
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        format!("{} is not UTF-8: invalid byte at offset {offset}", path.display())
    })
}

fn report(execution: Result<Execution, ExecuteError>, json: bool) -> ExitCode {
    let execution = match execution {
        Ok(execution) => execution,
        Err(error) => return unusable(&error.to_string()),
    };
    let code = match execution.status {
        Status::Success => ExitCode::SUCCESS,
        Status::Error => ExitCode::FAILURE,
    };
    if json {
        print(&ExecutionJson::from(execution));
        return code;
    }
    for work in &execution.unfinished {
        print_error(&describe_unfinished(work));
    }
    for image in &execution.images {
        print_error(&describe_image(image));
    }
    for note in &execution.notes {
        print_error(&format!("note: {note}"));
    }
    for diagnostic in &execution.diagnostics {
        print_error(&describe_diagnostic(diagnostic));
    }
    if let Some(reason) = &execution.unchecked {
        print_error(&format!("not checked: {reason}"));
    }
    match &execution.error {
        Some(error) => print_error(&describe(error)),
        None => print(&execution.return_value),
    }
    code
}

/// The value, or the end of the process that reads it: not ours to report.
fn print<T: serde::Serialize>(value: &T) {
    let text = serde_json::to_string_pretty(value).expect("JSON values serialize");
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn describe_image(image: &Image) -> String {
    format!("picture: {}, {} bytes (--json has it in base64)", image.mime_type, image.bytes.len())
}

fn describe_unfinished(work: &UnfinishedWork) -> String {
    let mut text = format!("unfinished: {}", work.what);
    if let (Some(line), Some(column)) = (work.line, work.column) {
        text.push_str(&format!(" of line {line}, column {column}"));
    }
    if work.count > 1 {
        text.push_str(&format!(" ({} times)", work.count));
    }
    text
}

fn describe_diagnostic(diagnostic: &Diagnostic) -> String {
    let Diagnostic { code, category, message, line, column, frame, .. } = diagnostic;
    let kind = category.name();
    let mut text = format!("{kind}: {message} ({code})\n  at line {line}, column {column}");
    if let Some(frame) = frame {
        text.push_str(&format!("\n{frame}"));
    }
    text
}

fn describe(error: &ExecutionError) -> String {
    let ErrorDetail { message, line, column, frame, stack, .. } = &error.detail;
    let mut text = format!("error: {}", error.message);
    if !error.message.contains(message.as_str()) {
        text.push_str(&format!("\n{message}"));
    }
    if let (Some(line), Some(column)) = (line, column) {
        text.push_str(&format!("\n  at line {line}, column {column}"));
    }
    for part in [frame, stack].into_iter().flatten() {
        text.push_str(&format!("\n{part}"));
    }
    text
}
