//! The two ways to a zygote: the embedding program's own executable, and an
//! installed `mcp-conductor`.

use std::path::PathBuf;
use std::process::Command;

use mcp_conductor::{Config, ExecuteRequest, Runtime, StartError};

use crate::processes::alone;

/// The example that embeds the library and calls the hook, built with the tests.
fn embed() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().parent().unwrap().join("examples/embed")
}

#[test]
fn a_program_that_calls_the_hook_is_its_own_zygote() {
    let _turn = alone();
    let output = Command::new(embed())
        .env_clear()
        .env("PATH", "")
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.is_empty());
}

/// This binary does not call the hook; the child has `mcp-conductor` in PATH or not.
fn without_hook(path: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "embedding::child", "--ignored", "--nocapture"])
        .env("PATH", path)
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_program_without_the_hook_uses_the_installed_binary() {
    let _turn = alone();
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_mcp-conductor"));
    let found = without_hook(binary.parent().unwrap().to_str().unwrap());
    assert!(found.contains("value 42"), "{found}");
}

#[test]
fn a_program_without_hook_and_binary_is_told_what_to_do() {
    let _turn = alone();
    let found = without_hook("/nonexistent");
    assert!(
        found.contains(
            "No zygote executable: call mcp_conductor::zygote_hook() first in main, install \
             mcp-conductor in PATH, or set Config::with_executable"
        ),
        "{found}"
    );
}

#[tokio::test]
#[ignore = "started by the other tests, with a PATH of its own"]
async fn child() {
    match Runtime::new(Config::default()).await {
        Ok(runtime) => {
            let execution = runtime.execute(ExecuteRequest::new("20 + 22")).await.unwrap();
            println!("value {}", execution.return_value);
        }
        Err(error @ StartError::NoExecutable) => println!("{error}"),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_executable_that_is_no_zygote_stops_the_start_with_the_reason() {
    let _turn = alone();
    let error = Runtime::new(
        Config::default().with_executable("/bin/true").with_workspace(env!("CARGO_TARGET_TMPDIR")),
    )
    .await
    .err()
    .unwrap();
    assert_eq!(
        error.to_string(),
        "The zygote failed to start: it ended before it was ready. Does /bin/true call \
         mcp_conductor::zygote_hook() first in main?"
    );
}
