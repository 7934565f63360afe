//! Programs that mean harm, in two suites. [`profiles`](crate::profiles) runs both again
//! where the server has less than root.

use std::process::Command;

mod grants;
mod isolation;
mod python;

/// Set in a process that runs these suites and nothing else.
pub const APART: &str = "MCP_CONDUCTOR_SUITES_APART";

/// Runs a test in a process of its own, unless this is one: it counts the processes below
/// its own and its descriptors, and other tests need not wait for that. Whether this is
/// that process.
#[track_caller]
fn is_apart<T>(_test: T) -> bool {
    if std::env::var_os(APART).is_some() {
        return true;
    }
    let (_, name) = std::any::type_name::<T>().split_once("::").expect("a path in this crate");
    let output = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", name, "--nocapture"])
        .env(APART, "1")
        .output()
        .expect("this binary can be executed");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    print!("{text}");
    false
}
