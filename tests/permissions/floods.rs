//! Many requests at once, and what is asked for while much is under way: everything is
//! answered, in its order, and nobody else waits.

use std::time::Duration;

use mcp_conductor::ExecuteRequest;
use serde_json::{Value, json};

use crate::support::waiting::eventually;
use crate::{EVENT_LOOP, Host, WORKSPACE};

/// What the programs here wait for takes 100 s and more, and the default timeout is
/// 30 s; tests run side by side.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Runs a program that asks for a lot, and at the same time another one, which is
/// to be answered all the same; then a third.
#[track_caller]
fn assert_answers_beside(host: &Host, flood: &str, expected: &Value) {
    let quiet = "await Deno.readTextFile('hello.txt')";
    let request = |source: &str| ExecuteRequest::new(host.files.text(source));
    let runtime = host.runtime();
    let both =
        futures::future::try_join(runtime.execute(request(flood)), runtime.execute(request(quiet)));
    let (flooded, beside) = EVENT_LOOP.block_on(both).expect("both are valid");
    assert_eq!((&flooded.error, &flooded.return_value), (&None, expected), "{flood}");
    assert_eq!((&beside.error, &beside.return_value), (&None, &json!("hello")), "{flood}");
    assert!(beside.execution_time < AT_ONCE, "{flood}: {beside:#?}");
    assert_eq!(host.value(quiet), "hello", "{flood}");
}

#[test]
fn a_flood_of_reads_is_answered_and_stops_nobody() {
    let host = Host::of_the_workspace();
    let reads = "for (let i = 0; i < 5000; i++) Deno.readTextFile('hello.txt').catch(() => 0);";
    assert_answers_beside(&host, &format!("{reads} 'ended'"), &json!("ended"));
    assert_answers_beside(&host, &format!("{reads} Deno.exit(0)"), &Value::Null);
    let awaited = "
        const all = Array.from({ length: 5000 }, () => Deno.readTextFile('hello.txt'));
        new Set(await Promise.all(all)).size";
    assert_answers_beside(&host, awaited, &json!(1));
}

/// A socket that is full in one direction is read from, so that the other end goes on;
/// what was read like that is an answer too.
#[test]
fn what_is_asked_for_before_a_lot_is_printed_arrives() {
    let host = Host::of_the_workspace();
    // 900 kB: what is printed beyond 1 MiB is not sent.
    let program = "
        await new Promise((done) => setTimeout(done, 5));
        const text = Deno.readTextFile('hello.txt');
        for (let i = 0; i < 9000; i++) console.log('x'.repeat(99));
        [await text, 'done']";
    for _ in 0..20 {
        assert_eq!(host.value(program), json!(["hello", "done"]));
    }
}

#[test]
fn what_is_read_before_a_change_of_directory_is_of_the_old_one() {
    let host = Host::of_the_workspace();
    for (file, text) in [("ws/who.txt", "outer"), ("ws/x/who.txt", "inner")] {
        std::fs::write(host.files.path(file), text).unwrap();
    }
    let program = "
        const seen = new Set<string>();
        for (let i = 0; i < 100; i++) {
          const reads = Array.from({ length: 40 }, () => Deno.readTextFile('who.txt'));
          Deno.chdir('x');
          for (const text of await Promise.all(reads)) seen.add(text);
          Deno.chdir('..');
        }
        [...seen]";
    assert_eq!(host.value(program), json!(["outer"]));
}

#[test]
fn a_flood_of_reads_that_are_cancelled_stops_nobody() {
    let host = Host::of_the_workspace();
    for abort in ["", "await new Promise((done) => setTimeout(done, 5));"] {
        let program = format!(
            "let settled = 0;
            const count = () => {{ settled++ }};
            const controllers = Array.from({{ length: 5000 }}, () => {{
              const controller = new AbortController(), signal = controller.signal;
              Deno.readTextFile('hello.txt', {{ signal }}).then(count, count);
              return controller;
            }});
            {abort}
            controllers.forEach((controller) => controller.abort());
            while (settled < 5000) await new Promise((done) => setTimeout(done, 1));
            settled"
        );
        assert_answers_beside(&host, &program, &json!(5000));
    }
}

/// A request that was cancelled counts until its answer was taken: the worker has
/// to count it as long.
#[test]
fn requests_after_many_that_were_cancelled_are_made() {
    let (host, server) = Host::with_server(&format!("{WORKSPACE},allow-net=127.0.0.1:@OWN@"));
    let program = format!(
        "const controller = new AbortController(), signal = controller.signal;
        let settled = 0;
        const count = () => {{ settled++ }};
        for (let i = 0; i < 1000; i++) {{
          fetch('http://127.0.0.1:{}/hang', {{ signal }}).then(count, count);
        }}
        await new Promise((done) => setTimeout(done, 100));
        controller.abort();
        const read = Array.from({{ length: 1000 }}, () => Deno.readTextFile('hello.txt'));
        [new Set(await Promise.all(read)).size, settled]",
        server.port
    );
    assert_answers_beside(&host, &program, &json!([1, 1000]));
    assert!(eventually(|| server.open() == 0));
}

/// What is closed is not waited for, and has no place among the requests that are.
#[test]
fn files_are_closed_while_many_requests_wait() {
    let (host, server) = Host::with_server(&format!("{WORKSPACE},allow-net=127.0.0.1:@OWN@"));
    let program = format!(
        "const controller = new AbortController(), signal = controller.signal;
        for (let i = 0; i < 1024; i++) {{
          fetch('http://127.0.0.1:{}/hang', {{ signal }}).catch(() => 0);
        }}
        await new Promise((done) => setTimeout(done, 100));
        for (let i = 0; i < 200; i++) Deno.openSync('hello.txt').close();
        const files = Array.from({{ length: 100 }}, () => Deno.openSync('hello.txt'));
        for (const file of files) file.close();
        const {{ size }} = Deno.statSync('hello.txt');
        controller.abort();
        size",
        server.port
    );
    assert_answers_beside(&host, &program, &json!(5));
}
