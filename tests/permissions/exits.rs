//! `Deno.exit()` in the middle of something: the run ends at once, and what it did before is
//! told.

use std::time::Duration;

use mcp_conductor::ErrorKind;
use serde_json::Value;

use crate::commands;
use crate::fixture::Fixture;
use crate::support::waiting::eventually;
use crate::{Host, WORKSPACE, audit};

/// What the programs here wait for takes 100 s and more, and the default timeout is
/// 30 s; tests run side by side.
const AT_ONCE: Duration = Duration::from_secs(20);

fn lines(host: &Host) -> Vec<Value> {
    audit::read(&host.files.path("audit.jsonl"))
}

#[test]
fn refusals_before_an_exit_are_in_the_audit_log() {
    for program in [
        "await Deno.readTextFile('/etc/one').catch(() => 0);
        await Deno.readTextFile('/etc/two').catch(() => 0);
        Deno.exit(0)",
        "const reads = ['/etc/one', '/etc/two'].map((path) => Deno.readTextFile(path));
        await Promise.allSettled(reads);
        Deno.exit(0)",
        "for (const path of ['/etc/one', '/etc/two']) {
          try { Deno.readTextFileSync(path) } catch { /* goes on */ }
        }
        Deno.exit(0)",
    ] {
        let files = Fixture::new();
        let log = files.path("audit.jsonl");
        let host = Host::over(files, WORKSPACE, |config| config.with_audit_log(log));
        assert_eq!(host.run(program).error, None, "{program}");
        let complete = eventually(|| lines(&host).len() == 3);
        let lines = lines(&host);
        assert!(complete, "{program}: {lines:#?}");
        let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
        let mut targets: Vec<_> =
            of("refusal").into_iter().map(|line| line["target"].as_str().unwrap()).collect();
        targets.sort_unstable();
        assert_eq!(targets, ["/etc/one", "/etc/two"], "{program}");
        assert_eq!(of("execution")[0]["refusals"], 2, "{program}");
    }
}

#[test]
fn an_exit_ends_the_run_whatever_is_under_way() {
    let (host, server) = Host::with_server("allow-net=127.0.0.1:@OWN@");
    let hang = format!("fetch('http://127.0.0.1:{}/hang')", server.port);
    let soon = "setTimeout(() => Deno.exit(0), 100);";
    for program in [
        format!("{hang}.catch(() => 0); Deno.exit(0)"),
        format!("{soon} await {hang}"),
        format!("{soon} {hang}.then(() => console.log('late')); 'value'"),
        format!("{soon} await (await fetch('http://127.0.0.1:{}/slow')).text()", server.port),
        format!(
            "{soon} await new Promise((done) => setTimeout(done, 100_000)); console.log('late')"
        ),
        "setTimeout(() => console.log('late'), 100_000); Deno.exit(0)".to_owned(),
    ] {
        let execution = host.run(&program);
        assert_eq!(execution.error, None, "{program}");
        assert!(execution.output.is_empty(), "{program}: {execution:#?}");
        assert!(execution.execution_time < AT_ONCE, "{program}: {execution:#?}");
    }
    let execution = host.run(&format!("setTimeout(() => Deno.exit(3), 100); await {hang}"));
    let error = execution.error.expect("3 is no success");
    assert_eq!((error.kind, &*error.message), (ErrorKind::Runtime, "Process exited with code 3"));
    assert!(execution.execution_time < AT_ONCE, "{:?}", execution.execution_time);
    assert!(eventually(|| server.open() == 0), "{} are open", server.open());
}

#[test]
fn an_exit_ends_a_run_whose_command_is_under_way() {
    let Some(host) = commands::host("") else { return };
    let execution = host.run(
        "setTimeout(() => Deno.exit(0), 200);
        await new Deno.Command('sleep', { args: ['100'] }).spawn().status",
    );
    assert_eq!(execution.error, None);
    assert!(execution.execution_time < AT_ONCE, "{:?}", execution.execution_time);
    assert!(commands::nothing_is_left(&host), "{:?}", host.files.strays());
}
