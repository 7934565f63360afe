//! `node:process`, `node:os` and timers: constants, output, and the order of turns.

use serde_json::json;

use crate::runtimes::{output, value};

#[test]
fn nothing_is_told_of_the_machine() {
    let source = r#"
        const os = require("node:os");
        [os.hostname(), os.homedir(), os.userInfo().username, os.networkInterfaces(), os.loadavg(),
          process.getuid(), process.ppid, process.execPath, os.platform(), os.cpus()[0].model]"#;
    let expected = json!([
        "localhost",
        "/",
        "nobody",
        {},
        [0, 0, 0],
        65534,
        1,
        "/usr/bin/node",
        "linux",
        "cpu"
    ]);
    assert_eq!(value(source), expected);
}

#[test]
fn memory_is_that_of_the_run() {
    let source = r#"
        const os = require("node:os");
        const { rss, heapTotal, heapUsed } = process.memoryUsage();
        [rss >= heapTotal, heapTotal >= heapUsed, heapUsed > 0, os.totalmem() > heapUsed]"#;
    assert_eq!(value(source), json!(vec![true; 4]));
}

#[test]
fn output_is_the_programs_output_and_input_is_at_its_end() {
    let source = r#"
        process.stdout.write("written\n");
        require("node:fs").writeSync(1, "by descriptor\n");
        let input = "";
        for await (const chunk of process.stdin) input += chunk;
        console.log(input === "");"#;
    assert_eq!(output(source), ["written", "by descriptor", "true"]);
}

#[test]
fn ticks_come_before_microtasks_of_later_and_immediates() {
    let source = r#"
        await new Promise((done) => {
          const order: string[] = [];
          setImmediate(() => { order.push("immediate"); done(order); });
          process.nextTick((word: string) => order.push(word), "tick");
        })"#;
    assert_eq!(value(source), json!(["tick", "immediate"]));
}

#[test]
fn timers_are_objects_that_do_not_keep_a_run_alive() {
    let source = r#"
        const { setTimeout, setInterval } = require("node:timers");
        const timer = setTimeout(() => {}, 1e6), interval = setInterval(() => {}, 1e6);
        timer.unref(); interval.unref();
        [timer.hasRef(), typeof timer[Symbol.toPrimitive](), typeof timer.refresh]"#;
    assert_eq!(value(source), json!([false, "number", "function"]));
}

#[test]
fn signals_and_users_are_the_servers() {
    let source = r#"
        const failure = (action: () => unknown) => {
          try { action(); return null; } catch (e: any) { return e.code; }
        };
        [failure(() => process.kill(1)), failure(() => process.kill(process.pid, 0)), failure(() => process.setuid(0))]"#;
    assert_eq!(value(source), json!(["EPERM", null, "EPERM"]));
}

#[test]
fn a_program_is_told_of_its_end_and_of_errors_that_nobody_caught() {
    let source = r#"
        process.on("exit", (code: number) => console.log("exit", code));
        const told = new Promise<void>((done) => {
          process.on("uncaughtException", (error: Error) => { console.log("uncaught", error.message); done(); });
        });
        process.on("unhandledRejection", (reason: unknown) => {
          console.log("unhandled", reason);
          setTimeout(() => { throw new Error("late"); }, 1);
        });
        Promise.reject("nobody");
        await told;"#;
    assert_eq!(output(source), ["unhandled nobody", "uncaught late", "exit 0"]);
}

#[test]
fn the_number_of_the_process_is_its_own() {
    assert_eq!(value("process.pid === Deno.pid"), json!(true));
}
