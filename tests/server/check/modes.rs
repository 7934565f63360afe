//! `off`, `warn`, `error` and `only`, and the least that the administrator wants.

use serde_json::{Value, json};

use super::{checked, codes, server, started};
use crate::support::home::{AUDIT_LOG, Home};
use crate::support::pipes::Server;
use crate::support::snippets::RUN;

/// Wrong in its last line, which never runs in `error`.
const WRONG: &str = "await Deno.writeTextFile('ran.txt', 'yes');\n\
                     const name: string = 'a';\nname.toUpperCas();";

fn has_run(server: &mut Server) -> bool {
    let run = server.run(
        "try { Deno.statSync('ran.txt'); Deno.removeSync('ran.txt'); return true } \
         catch { return false }",
    );
    run["returnValue"] == true
}

#[test]
fn a_program_with_an_error_does_not_run_where_errors_prevent_it() {
    let Some(mut server) = server() else { return };
    let execution = checked(&mut server, WRONG, "error");
    assert_eq!((&execution["status"], &execution["errorType"]), (&json!("error"), &json!("type")));
    assert_eq!(codes(&execution), ["TS2551"]);
    let first = &execution["diagnostics"][0];
    assert_eq!((&first["line"], &first["category"]), (&json!(3), &json!("error")));
    assert_eq!(first["suggestion"], "toUpperCase", "{first}");
    let frame = execution["errorDetail"]["frame"].as_str().unwrap_or_default();
    assert!(frame.contains("> 3 | name.toUpperCas();"), "{frame}");
    assert!(!has_run(&mut server));
}

#[test]
fn a_program_that_is_only_checked_does_not_run_and_has_no_value() {
    let Some(mut server) = server() else { return };
    let right = "await Deno.writeTextFile('ran.txt', 'yes'); 1";
    let execution = checked(&mut server, right, "only");
    assert_eq!(execution["status"], "success", "{execution}");
    assert_eq!(execution["returnValue"], Value::Null);
    assert_eq!(checked(&mut server, WRONG, "only")["errorType"], "type");
    assert!(!has_run(&mut server));
}

/// The first run of a program whose verdict was there at its end: a verdict that is late is left
/// out, and on a busy machine some are.
fn told(server: &mut Server, source: &str) -> Value {
    let mut runs = (0..60).map(|_| checked(server, source, "warn"));
    runs.find(|execution| execution.get("diagnostics").is_some()).expect("a verdict in time")
}

#[test]
fn a_program_runs_to_its_value_beside_a_check_that_warns() {
    let Some(mut server) = server() else { return };
    let source = "const n: number = 'a' as any; await new Promise((r) => setTimeout(r, 1000)); \
                  const s: number = 'text'; n";
    let execution = told(&mut server, source);
    assert_eq!((&execution["status"], &execution["returnValue"]), (&json!("success"), &json!("a")));
    assert_eq!(codes(&execution), ["TS2322"], "{execution}");
}

#[test]
fn a_run_that_fails_has_what_was_found_in_the_same_line() {
    let Some(mut server) = server() else { return };
    let source = "const unused: number = 'text';\nawait new Promise((r) => setTimeout(r, 1000));\n\
                  const name: string = 'a';\nname.toUpperCas();";
    let execution = told(&mut server, source);
    assert_eq!(execution["errorType"], "runtime");
    let lines: Vec<_> = execution["diagnostics"].as_array().into_iter().flatten().collect();
    assert_eq!(lines.len(), 1, "{execution}");
    assert_eq!(lines[0]["line"], execution["errorDetail"]["line"]);
}

#[test]
fn a_program_that_turns_the_check_off_has_no_diagnostics() {
    let Some(mut server) = server() else { return };
    let execution = checked(&mut server, "const n: number = 'text' as any; n", "off");
    assert_eq!(execution.get("diagnostics"), None);
    assert_eq!(execution.get("unchecked"), None);
}

#[test]
fn a_call_cannot_ask_for_less_than_the_administrator() {
    let environment = [("MCP_CONDUCTOR_CHECK", "error")];
    let Some(mut server) = started(Home::empty(), &environment) else { return };
    for check in ["off", "warn", "error"] {
        assert_eq!(checked(&mut server, WRONG, check)["errorType"], "type", "{check}");
    }
    let result = server.call(RUN, json!({ "deno_code": WRONG }));
    assert_eq!(result["structuredContent"]["errorType"], "type");
    assert!(!has_run(&mut server));
}

#[test]
fn globals_of_a_call_are_any() {
    let Some(mut server) = server() else { return };
    let arguments = json!({
        "deno_code": "rows.anything.at.all + WORKSPACE_DIR.length", "check": "only",
        "globals": { "rows": [1] }
    });
    let execution = server.call(RUN, arguments)["structuredContent"].take();
    assert_eq!(execution["status"], "success", "{execution}");
}

#[test]
fn verdicts_are_in_the_audit_log() {
    let home = Home::empty();
    let log = home.name(AUDIT_LOG);
    let Some(mut server) = started(home, &[("MCP_CONDUCTOR_AUDIT_LOG", &log)]) else { return };
    checked(&mut server, WRONG, "only");
    server.close();
    let lines = server.home().audit();
    assert!(lines.iter().any(|line| line["check"] == "error"), "{lines:?}");
}
