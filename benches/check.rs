//! What a check of types takes, and how much more it is with 3,000 tools and eight at once:
//! `cargo bench --bench check`. It needs the type checker (`.setup/checker`, or an install
//! directory in `MCP_CONDUCTOR_TEST_CHECKER_DIR`) and the fixture of the tests
//! (`cargo build --release --example upstream_fixture`). With `CONDUCTOR_BENCH_DENO` naming a
//! `deno`, `deno check` of the same text stands beside it.

mod common;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{PEER_VARIABLE, percentile};
use futures::future::join_all;
use mcp_conductor::{Check, Config, ExecuteRequest, Runtime, Status};
use serde_json::json;

/// Checks of each kind.
const ROUNDS: usize = 200;

/// Runs of `deno check`, each of which takes some 600 ms.
const PEER_ROUNDS: usize = 10;

/// Before each check: a standby worker that was used is replaced within that.
const PAUSE: Duration = Duration::from_millis(30);

/// Checks at once.
const AT_ONCE: usize = 8;

/// What issue 17 asks for.
const P50: Duration = Duration::from_millis(15);
const P95: Duration = Duration::from_millis(40);
const MORE_WITH_TOOLS: Duration = Duration::from_millis(5);
const TIMES_OF_PEER: f64 = 30.0;

/// Ten lines that name eight tools.
const PROGRAM: &str = r#"import * as shop from "mcp:shop";
const { products } = await shop.searchProducts({ query: "lamp", limit: 5 });
const { orders } = await shop.listOrders({ status: "open" });
const names: string[] = products.map((product) => product.name);
const byStatus = new Map<string, number>();
for (const order of orders) byStatus.set(order.status, (byStatus.get(order.status) ?? 0) + 1);
const known = [shop.getProduct, shop.getOrder, shop.getCustomer, shop.updateStock];
const total: number = known.length + names.length;
if (total === 0) throw new Error("nothing");
// With callMCPTool tools of all servers can be called.
return { names, statuses: [...byStatus], total };"#;

fn main() {
    let event_loop = tokio::runtime::Runtime::new().expect("an event loop");
    let Some(missed) = event_loop.block_on(measure()) else { return };
    assert!(!missed, "MISSED: a bound of issue 17");
}

/// Whether a bound was missed. None where there is no checker.
async fn measure() -> Option<bool> {
    let few = runtime(json!({ "shop": fixture("catalogue") })).await?;
    let mut alone = samples(&few).await;
    let (p50, p95) = (percentile(&mut alone, 0.5), percentile(&mut alone, 0.95));
    let mut missed = said("ten lines, few tools: p50", p50, p50 <= P50);
    missed |= said("ten lines, few tools: p95", p95, p95 <= P95);

    let together = at_once(&few).await;
    said("eight at once: all of them", together, true);
    drop(few);

    let mut list = json!({ "shop": fixture("catalogue") });
    for name in ["one", "two", "three"] {
        // 1,000 tools each.
        list[name] = fixture("many");
    }
    let many = runtime(list).await?;
    let more = percentile(&mut samples(&many).await, 0.5).saturating_sub(p50);
    missed |= said("more with 3,000 tools: p50", more, more <= MORE_WITH_TOOLS);
    if let Some(peer) = peer() {
        let times = peer.as_secs_f64() / p50.as_secs_f64();
        missed |=
            said(&format!("deno check, {times:.0} times as long"), peer, times >= TIMES_OF_PEER);
    }
    Some(missed)
}

/// Prints a figure. Whether its bound was missed.
fn said(what: &str, time: Duration, is_kept: bool) -> bool {
    let mark = if is_kept { "" } else { "  MISSED" };
    println!("check {what:<40} {:8.2} ms{mark}", time.as_secs_f64() * 1e3);
    !is_kept
}

/// A runtime whose checker is loaded and whose servers are connected.
async fn runtime(servers: serde_json::Value) -> Option<Runtime> {
    let Some(directory) = installed() else {
        eprintln!("skipped: NOTHING WAS MEASURED, the type checker is not installed");
        return None;
    };
    let list = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("check-servers.json");
    let text = json!({ "mcpServers": servers }).to_string();
    std::fs::write(&list, text).expect("the target directory is writable");
    let config = Config::default()
        .with_executable(env!("CARGO_BIN_EXE_mcp-conductor"))
        .with_workspace(concat!(env!("CARGO_TARGET_TMPDIR"), "/workspace"))
        .with_install_dir(directory)
        .with_mcp_config(list);
    let runtime = Runtime::new(config).await.expect("the runtime starts");
    let found = runtime.servers().await;
    assert!(found.iter().all(|server| server.error.is_none()), "{found:?}");
    // The first is made when the checker is loaded, and waits for that.
    check(&runtime).await;
    Some(runtime)
}

fn installed() -> Option<PathBuf> {
    let named = std::env::var_os("MCP_CONDUCTOR_TEST_CHECKER_DIR").map(PathBuf::from);
    let own = || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("checker-store");
    let directory = named.unwrap_or_else(own);
    directory.join("components/checker").is_dir().then_some(directory)
}

fn fixture(mode: &str) -> serde_json::Value {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_mcp-conductor"));
    json!({ "command": built.with_file_name("examples").join("upstream_fixture"), "args": [mode] })
}

async fn check(runtime: &Runtime) -> Duration {
    let start = Instant::now();
    let request = ExecuteRequest::new(PROGRAM).with_check(Check::Only);
    let execution = runtime.execute(request).await.expect("a verdict");
    assert_eq!(execution.status, Status::Success, "{execution:?}");
    start.elapsed()
}

async fn samples(runtime: &Runtime) -> Vec<Duration> {
    let mut samples = Vec::new();
    for _ in 0..ROUNDS {
        tokio::time::sleep(PAUSE).await;
        samples.push(check(runtime).await);
    }
    samples
}

/// The median time of so many checks together.
async fn at_once(runtime: &Runtime) -> Duration {
    let mut samples = Vec::new();
    for _ in 0..ROUNDS / AT_ONCE {
        tokio::time::sleep(PAUSE).await;
        let start = Instant::now();
        join_all((0..AT_ONCE).map(|_| check(runtime))).await;
        samples.push(start.elapsed());
    }
    percentile(&mut samples, 0.5)
}

/// The median of `deno check`, of the text without its import, which Deno does not have.
fn peer() -> Option<Duration> {
    let deno = PathBuf::from(std::env::var_os(PEER_VARIABLE)?);
    let name = format!("conductor-check-{}.ts", std::process::id());
    let file = std::env::temp_dir().join(name);
    let text = PROGRAM.replace("import * as shop from \"mcp:shop\";", "declare const shop: any;");
    let text = text.replace("return {", "export default {");
    std::fs::write(&file, text).expect("the temporary directory is writable");
    let mut samples: Vec<Duration> = (0..PEER_ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let mut command = Command::new(&deno);
            command.args(["check", "--no-config", "--no-lock", "--no-remote"]).arg(&file);
            command.env("DENO_NO_UPDATE_CHECK", "1").stdin(Stdio::null()).stderr(Stdio::null());
            let _ = command.status().expect("deno starts");
            start.elapsed()
        })
        .collect();
    let _ = std::fs::remove_file(file);
    Some(percentile(&mut samples, 0.5))
}
