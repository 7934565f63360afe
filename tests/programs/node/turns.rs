//! The order of ticks, microtasks, immediates and timers, and what waits for them:
//! `node:events`, `node:stream`, `node:async_hooks`, `node:timers`.

use serde_json::json;

use crate::runtimes::value;

#[test]
fn ticks_come_before_immediates_and_timers_come_too() {
    let source = r#"
        const order: string[] = [];
        const timeout = new Promise((done) => setTimeout(done, 1));
        const immediate = new Promise<void>((done) => setImmediate(() => { order.push("immediate"); done(); }));
        process.nextTick((name: string) => order.push(name), "tick");
        await Promise.all([timeout, immediate]);
        order"#;
    assert_eq!(value(source), json!(["tick", "immediate"]));
}

#[test]
fn a_program_that_waits_for_a_tick_or_an_immediate_goes_on() {
    let source = r#"
        const tick = await new Promise((done) => process.nextTick(done, "tick"));
        const immediate = await new Promise((done) => setImmediate(done, "immediate"));
        [tick, immediate]"#;
    assert_eq!(value(source), json!(["tick", "immediate"]));
}

#[test]
fn more_ticks_than_a_list_holds_come_in_their_order() {
    let source = r#"
        const seen: number[] = [];
        for (let i = 0; i < 5000; i++) process.nextTick(() => seen.push(i));
        await new Promise((done) => setImmediate(done));
        [seen.length, seen.every((n, i) => n === i)]"#;
    assert_eq!(value(source), json!([5000, true]));
}

#[test]
fn a_rejection_beside_ticks_is_told_once() {
    let source = r#"
        let told = 0;
        const first = new Promise<void>((done) => {
          addEventListener("unhandledrejection", (event) => { told++; event.preventDefault(); done(); });
        });
        process.nextTick(() => { Promise.reject(new Error("nobody's")); });
        await first;
        for (let turn = 0; turn < 3; turn++) await new Promise((done) => setImmediate(done));
        told"#;
    assert_eq!(value(source), json!(1));
}

#[test]
fn streams_are_piped_and_read() {
    let source = r#"
        import { Readable, Transform, Writable } from "node:stream";
        import { pipeline } from "node:stream/promises";
        import readline from "node:readline";
        const upper = new Transform({ transform(piece, _, done) { done(null, `${piece}`.toUpperCase()); } });
        const written: string[] = [];
        const end = new Writable({ write(piece, _, done) { written.push(`${piece}`); done(); } });
        await pipeline(Readable.from(["a", "b"]), upper, end);
        const lines: string[] = [];
        for await (const line of readline.createInterface({ input: Readable.from(["x\ny\n"]) })) lines.push(line);
        ({ written, lines })"#;
    assert_eq!(value(source), json!({ "written": ["A", "B"], "lines": ["x", "y"] }));
}

#[test]
fn a_store_follows_what_is_awaited() {
    let source = r#"
        import { AsyncLocalStorage } from "node:async_hooks";
        import { EventEmitter, once } from "node:events";
        import { setTimeout as after } from "node:timers/promises";
        const store = new AsyncLocalStorage<number>();
        const emitter = new EventEmitter();
        const [inner, event] = await Promise.all([
          store.run(5, async () => { await after(1); return store.getStore(); }),
          once(emitter, "done"),
          process.nextTick(() => emitter.emit("done", "yes")),
        ]);
        ({ inner, event, outer: store.getStore() ?? null })"#;
    assert_eq!(value(source), json!({ "inner": 5, "event": ["yes"], "outer": null }));
}

#[test]
fn a_timer_that_is_not_needed_keeps_no_program() {
    let source = r#"
        import timers from "node:timers";
        const timer = timers.setTimeout(() => {}, 600_000);
        timer.unref();
        [timer.hasRef(), typeof timer[Symbol.toPrimitive]()]"#;
    assert_eq!(value(source), json!([false, "number"]));
}
