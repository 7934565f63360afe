//! A layer that is taken away is noticed: a required one stops the start, another
//! shows in the status.

use mcp_conductor::{Config, ExecuteRequest, Runtime};

fn config() -> Config {
    Config::default()
        .with_executable(env!("CARGO_BIN_EXE_mcp-conductor"))
        .with_workspace(concat!(env!("CARGO_TARGET_TMPDIR"), "/workspace"))
        .with_standby(0)
}

async fn refusal(layer: &str) -> String {
    match Runtime::new(config().without_layer(layer)).await {
        Ok(_) => panic!("started without {layer}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn every_layer_is_enforced_for_root() {
    if !super::gives_every_layer() {
        return;
    }
    let runtime = Runtime::new(config()).await.unwrap();
    let missing: Vec<_> = runtime.sandbox().layers.iter().filter(|l| !l.enforced).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(runtime.sandbox().layers.len(), 8);
}

#[tokio::test]
async fn without_seccomp_the_runtime_does_not_start() {
    assert_eq!(
        refusal("seccomp").await,
        "The sandbox is incomplete: seccomp (listed system calls only)"
    );
}

#[tokio::test]
async fn without_limits_the_runtime_does_not_start() {
    assert_eq!(
        refusal("rlimits").await,
        "The sandbox is incomplete: rlimits is not enforced: Max core file size is unlimited"
    );
}

#[tokio::test]
async fn a_worker_that_can_be_traced_stops_the_start() {
    let message = refusal("non_dumpable").await;
    assert!(message.contains("non_dumpable"), "{message}");
}

#[tokio::test]
async fn a_worker_that_is_root_stops_the_start() {
    let message = refusal("unprivileged").await;
    assert!(message.contains("unprivileged"), "{message}");
}

#[tokio::test]
async fn without_an_optional_layer_programs_run_and_the_status_says_so() {
    for layer in ["namespaces", "empty_root", "landlock"] {
        let runtime = Runtime::new(config().without_layer(layer)).await.unwrap();
        assert!(!runtime.sandbox().enforces(layer), "{layer}");
        assert!(runtime.sandbox().enforces("seccomp"));
        let execution = runtime.execute(ExecuteRequest::new("1 + 1")).await.unwrap();
        assert_eq!(execution.return_value, 2, "{layer}");
    }
}

#[tokio::test]
async fn a_fresh_isolate_runs_the_same_programs() {
    let fresh = config().with_isolate(mcp_conductor::Isolate::Fresh);
    let runtime = Runtime::new(fresh).await.unwrap();
    let source = "const r = await crypto.subtle.digest('SHA-256', new Uint8Array(3));\n\
        [r.byteLength, Math.random() < 1, new URL('http://a/b').pathname]";
    let execution = runtime.execute(ExecuteRequest::new(source)).await.unwrap();
    assert_eq!(execution.return_value, serde_json::json!([32, true, "/b"]), "{execution:?}");
}
