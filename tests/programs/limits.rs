//! Limits: each ends the run with an error that names value and variable.

use std::time::{Duration, Instant};

use mcp_conductor::{Config, ErrorKind, ExecuteRequest, ExecutionError};

use super::runtimes::{config, error_of, run, run_request, run_with};

fn kind_and_message(error: ExecutionError) -> (ErrorKind, String) {
    (error.kind, error.message)
}

#[track_caller]
fn error_with(config: Config, source: &str) -> (ErrorKind, String) {
    kind_and_message(error_of(run_with(config, ExecuteRequest::new(source))))
}

#[test]
fn wall_time_is_limited_while_the_program_sleeps() {
    let source = "console.log('a'); await new Promise((r) => setTimeout(r, 100_000))";
    let request = ExecuteRequest::new(source).with_timeout(Duration::from_secs(2));
    // The first run starts the zygote, which takes time of its own.
    run("1");
    let started = Instant::now();
    let execution = run_request(request);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(execution.output, ["a"]);
    let error = error_of(execution);
    assert_eq!(error.message, "Execution timed out after 2000ms");
    assert_eq!(
        error.detail.message,
        "The program ran 2000 ms of wall time. Do less in one run, or pass a larger timeout: up to \
         300000 ms (MCP_CONDUCTOR_MAX_TIMEOUT). Output so far is kept"
    );
}

#[test]
fn a_timeout_shows_where_the_program_was() {
    let source = "interface A { a: 1 }\nfunction spin(): never {\n  for (;;) {}\n}\n\nspin();";
    // On a busy machine a short time is over before the program spins.
    let stack = [200, 1000, 5000].into_iter().find_map(|millis| {
        let request = ExecuteRequest::new(source).with_timeout(Duration::from_millis(millis));
        error_of(run_request(request)).detail.stack.filter(|stack| stack.contains("spin"))
    });
    let stack = stack.expect("a stack");
    let lines: Vec<_> = stack.lines().collect();
    assert!(lines[0].starts_with("    at spin (file:///main.ts:"), "{stack}");
    assert_eq!(lines[1..], ["    at file:///main.ts:6:1"], "{stack}");
}

#[test]
fn cpu_time_is_limited_whatever_the_wall_time() {
    let config = config().with_max_cpu_time(Duration::from_millis(300));
    assert_eq!(
        error_with(config, "for (;;) {}"),
        (
            ErrorKind::Cpu,
            "CPU time limit exceeded: 300 ms (MCP_CONDUCTOR_MAX_CPU_TIME). Look for an endless \
             loop, or split the work over several runs"
                .to_owned()
        )
    );
}

const MEMORY_64: &str = "Memory limit exceeded: 64 MiB, heap and buffers together \
    (MCP_CONDUCTOR_MAX_MEMORY). Keep less in memory: process the data in smaller pieces";

#[test]
fn heap_memory_is_limited() {
    for source in [
        "const a: any[] = []\nwhile (true) { a.push(new Array(10000).fill(1.5)) }\n0",
        "let s = 'x'; for (;;) s += s + 'y';",
        "const m = new Map(); for (let i = 0;; i++) m.set(i, { i })",
        "const f = (n: number): any => [f, new Array(1e6).fill(n), n && f(n - 1)]; f(1e4)",
    ] {
        let (kind, message) = error_with(config().with_max_memory(64 << 20), source);
        // A string has a greatest length of its own.
        if message != "RangeError: Invalid string length" {
            assert_eq!((kind, message.as_str()), (ErrorKind::Memory, MEMORY_64), "{source}");
        }
    }
}

#[test]
fn memory_off_the_heap_is_limited() {
    for source in [
        "const h: any[] = []; for (;;) h.push(new Uint8Array(1 << 20).fill(1))",
        "const h: any[] = []; for (;;) h.push(new Blob([new Uint8Array(1 << 20).fill(1)]))",
        "new WebAssembly.Memory({ initial: 16384 })",
        "new ArrayBuffer(2 ** 32)",
    ] {
        assert_eq!(
            error_with(config().with_max_memory(64 << 20), source),
            (ErrorKind::Memory, MEMORY_64.to_owned()),
            "{source}"
        );
    }
}

#[test]
fn small_bodies_that_are_kept_take_no_more_than_they_hold() {
    let source = "
        const kept: Uint8Array[] = [];
        for (let i = 0; i < 2000; i++) kept.push(await (await fetch('data:,hello')).bytes());
        kept.length";
    let execution = run_with(config().with_max_memory(64 << 20), ExecuteRequest::new(source));
    assert_eq!(execution.error, None);
    assert_eq!(execution.return_value, 2000);
}

#[test]
fn an_allocation_of_v8_itself_that_fails_is_no_crash() {
    let source = "const s = '['.repeat(5e6); try { JSON.parse(s) } catch (e) { (e as Error).name }";
    assert_eq!(error_with(config(), source).0, ErrorKind::Memory);
}

#[test]
fn memory_that_is_given_back_can_be_used_again() {
    let source =
        "let n = 0; for (let i = 0; i < 40; i++) n += new Uint8Array(8 << 20).fill(1)[i]; n";
    let config = config().with_max_memory(64 << 20);
    let execution = run_with(config, ExecuteRequest::new(source));
    assert_eq!(execution.error, None);
    assert_eq!(execution.return_value, 40);
}

#[test]
fn a_flood_of_output_ends_the_run_and_its_beginning_is_kept() {
    let config = config().with_max_output(1000);
    let request = ExecuteRequest::new("for (;;) console.log('y'.repeat(99))");
    let execution = run_with(config, request);
    assert_eq!(execution.output, vec!["y".repeat(99); 10]);
    assert_eq!(
        kind_and_message(error_of(execution)),
        (
            ErrorKind::Output,
            "Output limit exceeded: 256000 bytes printed, of which the first 1000 are kept \
             (MCP_CONDUCTOR_MAX_OUTPUT_SIZE). Print less"
                .to_owned()
        )
    );
}

#[test]
fn the_result_of_a_flood_is_bounded_with_the_default_limits() {
    // On a busy machine no mebibyte is printed in a short time.
    let truncated = [1000, 3000, 9000].into_iter().any(|millis| {
        let request = ExecuteRequest::new("while (true) { console.log('y'.repeat(100)) }\n0")
            .with_timeout(Duration::from_millis(millis));
        let execution = run_request(request);
        assert!(execution.output.join("\n").len() <= 1 << 20);
        let truncated = execution.truncated.is_some();
        let kind = error_of(execution).kind;
        assert!(matches!(kind, ErrorKind::Timeout | ErrorKind::Output), "{kind:?}");
        truncated
    });
    assert!(truncated);
}

#[test]
fn a_getter_of_the_value_runs_inside_the_limits() {
    let config = config().with_max_cpu_time(Duration::from_millis(300));
    let (kind, _) = error_with(config, "({ get a() { for (;;) {} } })");
    assert_eq!(kind, ErrorKind::Cpu);
}

#[test]
fn a_program_of_one_mebibyte_runs() {
    let source = format!("{}7", "1;\n".repeat((1 << 20) / 3 - 1));
    assert_eq!(run_request(ExecuteRequest::new(source)).return_value, 7);
}

#[test]
fn a_deeply_nested_source_costs_one_worker() {
    for source in [
        format!("{}1{}", "(".repeat(200_000), ")".repeat(200_000)),
        format!("{}{}", "[".repeat(200_000), "]".repeat(200_000)),
        format!("{}1", "-".repeat(200_001).replace("--", "- ")),
        format!("{}1{}", "{".repeat(200_000), "}".repeat(200_000)),
        format!("{}1", "a=>".repeat(200_000)),
        format!("`{}{}`", "${`".repeat(100_000), "`}".repeat(100_000)),
    ] {
        let begin = source[..20].to_owned();
        let error = error_of(run_request(ExecuteRequest::new(source)));
        assert!(
            matches!(error.kind, ErrorKind::Syntax | ErrorKind::Runtime | ErrorKind::Memory),
            "{begin}: {error:?}"
        );
        assert_eq!(run_request(ExecuteRequest::new("1 + 1")).return_value, 2);
    }
}
