//! A server without a checker: nothing is different unless it is asked for.

use serde_json::json;

use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::snippets::RUN;

/// A server that has nothing installed.
fn bare(check: Option<&str>) -> Server {
    let home = Home::empty();
    let directory = home.name("nothing-installed");
    let mut environment = vec![("MCP_CONDUCTOR_INSTALL_DIR", &*directory)];
    environment.extend(check.map(|check| ("MCP_CONDUCTOR_CHECK", check)));
    Server::at(home, &environment)
}

#[test]
fn a_run_is_as_it_ever_was() {
    let mut server = bare(None);
    let execution = server.run("const n: number = 'text' as any; n");
    assert_eq!(execution["returnValue"], "text");
    assert_eq!((execution.get("diagnostics"), execution.get("unchecked")), (None, None));
}

#[test]
fn a_check_that_is_asked_for_is_told_how_to_get_one() {
    let mut server = bare(None);
    let text = server.refusal(RUN, json!({ "deno_code": "1", "check": "only" }));
    assert!(text.contains("run `mcp-conductor install checker`"), "{text}");
    let result = server.call(RUN, json!({ "deno_code": "1", "check": "error" }));
    let execution = &result["structuredContent"];
    assert_eq!(execution["returnValue"], 1);
    let reason = execution["unchecked"].as_str().unwrap_or_default();
    assert!(reason.contains("install checker"), "{reason}");
}

#[test]
fn a_server_whose_check_is_off_says_so() {
    let mut server = bare(Some("off"));
    let text = server.refusal(RUN, json!({ "deno_code": "1", "check": "only" }));
    assert!(text.contains("MCP_CONDUCTOR_CHECK=off"), "{text}");
}
