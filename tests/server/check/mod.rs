//! The check of types as a client sees it. Its zygote takes some seconds to load, so that most
//! tests here share one server, and take turns.

mod cases;
mod hostile;
mod modes;
mod without;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::support::checker::install_directory;
use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::snippets::RUN;
use crate::support::upstreams::upstream;

/// With the shop of the cases above it. None where the checker is not installed.
static SHARED: LazyLock<Option<Mutex<Server>>> =
    LazyLock::new(|| started(Home::kept("check"), &[]).map(Mutex::new));

/// A server whose checker is loaded: a call that is to be checked alone waits for that.
pub fn started(home: Home, environment: &[(&str, &str)]) -> Option<Server> {
    let directory = install_directory()?;
    home.configure(&json!({
        "shop": upstream(&["catalogue"]),
        "stub": upstream(&["stub"]),
        "hostile": upstream(&["hostile"]),
    }));
    let directory = directory.to_string_lossy();
    let mut all = vec![("MCP_CONDUCTOR_INSTALL_DIR", &*directory)];
    all.extend_from_slice(environment);
    let mut server = Server::at(home, &all);
    for name in ["shop", "stub", "hostile"] {
        server.listed(name);
    }
    // Each waits for as long as one call does: on a busy machine it takes several.
    let is_loaded = (0..20)
        .any(|_| server.call(RUN, json!({ "deno_code": "1", "check": "only" }))["isError"] != true);
    assert!(is_loaded, "no checker is loaded");
    Some(server)
}

/// The shared server.
#[track_caller]
pub fn server() -> Option<MutexGuard<'static, Server>> {
    let Some(shared) = SHARED.as_ref() else {
        // Says once more why.
        assert_eq!(install_directory(), None);
        return None;
    };
    Some(shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The result of a program with a check.
#[track_caller]
pub fn checked(server: &mut Server, code: &str, check: &str) -> Value {
    let result = server.call(RUN, json!({ "deno_code": code, "check": check }));
    assert_eq!(result["isError"], false, "{code}\n{result:#}");
    result["structuredContent"].clone()
}

/// The codes of all diagnostics.
pub fn codes(execution: &Value) -> Vec<String> {
    let all = execution["diagnostics"].as_array().cloned().unwrap_or_default();
    all.iter().map(|found| found["code"].as_str().unwrap_or_default().to_owned()).collect()
}
