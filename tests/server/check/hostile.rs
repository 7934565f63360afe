//! Programs and declarations that are there to hurt the checker. A check that fails costs the
//! check, and never the run.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{checked, codes, server};

/// A check ends after 1 s of CPU time, or after 5 s: what takes longer has no end.
const BOUND: Duration = Duration::from_secs(40);

#[test]
fn a_type_that_never_ends_leaves_its_program_unchecked() {
    let Some(mut server) = server() else { return };
    let source = "type Grow<N extends number, A extends unknown[] = []> = \
                  A['length'] extends N ? A : Grow<N, [...A, A, A]>;\n\
                  type Deep<T, D extends number> = { [K in keyof T]: Deep<T[K] & { [P in D]: T }, D> };\n\
                  type U = 1|2|3|4|5|6|7|8|9|10; type P<A, B, C, D, E, F> = [A, B, C, D, E, F];\n\
                  type X = P<U, U, U, U, U, U> extends infer R ? `${U}${U}${U}${U}` : never;\n\
                  let x: X = '1111' as any; const y: Grow<9999> = [] as any; 7";
    let started = Instant::now();
    let execution = checked(&mut server, source, "error");
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    assert!(execution["returnValue"] == 7 || execution["errorType"] == "type", "{execution}");
}

#[test]
fn six_thousand_parentheses_cost_the_check_at_most() {
    let Some(mut server) = server() else { return };
    let source = format!("{}1{}", "(".repeat(6000), ")".repeat(6000));
    let started = Instant::now();
    let arguments = json!({ "deno_code": source, "check": "error" });
    let result = server.call(crate::support::snippets::RUN, arguments);
    assert!(started.elapsed() < BOUND);
    let execution = &result["structuredContent"];
    assert_ne!(execution["errorType"], "type", "{execution}");
}

#[test]
fn a_program_that_is_too_long_is_run_unchecked() {
    let Some(mut server) = server() else { return };
    let source = format!("{}\n1 + 1", " ".repeat(200_000));
    let execution = checked(&mut server, &source, "error");
    assert_eq!(execution["returnValue"], 2);
    let reason = execution["unchecked"].as_str().unwrap_or_default();
    assert!(reason.contains("are checked"), "{reason}");
}

#[test]
fn declarations_of_a_hostile_server_hurt_nobody() {
    let Some(mut server) = server() else { return };
    let source = "import * as hostile from 'mcp:hostile';\nconst n: number = 1;\n\
                  callMCPTool; n.toFixd();";
    let execution = checked(&mut server, source, "only");
    assert_eq!(codes(&execution), ["TS2551"], "{execution}");
}

#[test]
fn a_program_cannot_reach_the_checker_by_what_it_names() {
    let Some(mut server) = server() else { return };
    for source in ["ts.sys", "conductorChecker", "module.exports = 1; require('fs')"] {
        let execution = checked(&mut server, source, "only");
        assert!(execution["returnValue"].is_null(), "{execution}");
    }
    assert_eq!(checked(&mut server, "1 + 1", "error")["returnValue"], 2);
}
