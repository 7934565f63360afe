//! Calls that do without some of what is granted: each in a pair with one that does not.

use mcp_conductor::{ExecuteRequest, Grant};
use serde_json::{Value, json};

use crate::Host;

const GRANTS: &str =
    "allow-read=.,allow-write=.,allow-env=HOME,allow-net=127.0.0.1:49151,allow-run=true";

/// What became of one access of each kind. An import that is denied is a `TypeError`, so that the
/// text tells.
const ACCESSES: &str = r#"
const became = async (act) => {
  try { await act(); return "ok" } catch (e) {
    return e.message.includes("the caller runs this program without it") ? "denied" : e.name;
  }
};
return {
  read: await became(() => Deno.readTextFile("kept.txt")),
  stat: await became(() => Deno.statSync("kept.txt")),
  open: await became(() => Deno.openSync("kept.txt").close()),
  import: await became(() => import("./kept.json", { with: { type: "json" } })),
  write: await became(() => Deno.writeTextFile("new.txt", "")),
  create: await became(() => Deno.openSync("new.txt", { write: true, create: true }).close()),
  temp: await became(() => Deno.makeTempFileSync({ dir: "." })),
  rename: await became(() => Deno.renameSync("new.txt", "newer.txt")),
  env: await became(() => Deno.env.get("HOME")),
  // Nobody need listen there: fetch itself refuses some of the lower ports.
  net: await became(() => fetch("http://127.0.0.1:49151/")),
  run: await became(() => new Deno.Command("true").output()),
};"#;

fn host() -> Host {
    let path = ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
    let host = Host::with(GRANTS, |config| config.with_environment([path]));
    let files = "Deno.writeTextFileSync('kept.txt', 'x'); Deno.writeTextFileSync('kept.json', '1')";
    host.value(files);
    host
}

/// The kinds of access that were denied.
fn denied(host: &Host, without: &[Grant]) -> Vec<String> {
    let request = ExecuteRequest::new(ACCESSES).without(without.iter().copied());
    let execution = host.execute(request);
    let Value::Object(became) = execution.return_value else { panic!("{:?}", execution.error) };
    let is_denied = |(_, how): &(String, Value)| how == "denied";
    became.into_iter().filter(is_denied).map(|(kind, _)| kind).collect()
}

#[test]
fn a_call_has_all_that_is_granted_but_what_it_does_without() {
    let host = host();
    for (without, expected) in [
        (&[][..], &[][..]),
        (&[Grant::Read], &["read", "stat", "open", "import", "rename", "run"]),
        (&[Grant::Write], &["write", "create", "temp", "rename", "run"]),
        (&[Grant::Env], &["env", "run"]),
        (&[Grant::Net], &["net", "run"]),
        (&[Grant::Run], &["run"]),
    ] {
        assert_eq!(denied(&host, without), expected, "{without:?}");
    }
}

#[test]
fn a_program_is_told_what_its_call_does_without() {
    let host = host();
    let code = "[PERMISSIONS.slice(-2), Deno.permissions.querySync({ name: 'net' }).state,
        Deno.permissions.querySync({ name: 'write', path: '.' }).state]";
    let execution = host.execute(ExecuteRequest::new(code).without([Grant::Net]));
    assert_eq!(execution.return_value, json!([["--deny-net", "--deny-run"], "denied", "granted"]));
    let next = host.value("[PERMISSIONS.includes('--deny-net'), Deno.statSync('kept.txt').isFile]");
    assert_eq!(next, json!([false, true]));
}

#[test]
fn what_a_call_does_without_is_said_in_the_error() {
    let request = ExecuteRequest::new("Deno.readTextFileSync('kept.txt')").without([Grant::Read]);
    let message = host().execute(request).error.map(|error| error.message).unwrap_or_default();
    assert!(message.contains("the caller runs this program without it"), "{message}");
}
