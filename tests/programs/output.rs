//! What programs print.

use mcp_conductor::{ExecuteRequest, OutputStream};

use super::runtimes::{config, error, output, run, run_with, stream, value_of};

#[test]
fn the_console_formats_as_deno_does() {
    assert_eq!(
        output("console.log('a', 1, { b: [1, 'x'] }, new Map([[1, 2]]), undefined, -0, 1n)"),
        ["a 1 { b: [ 1, \"x\" ] } Map(1) { 1 => 2 } undefined -0 1n"]
    );
    assert_eq!(output("console.log('%s is %d and %o', 'x', 5, {})"), ["x is 5 and {}"]);
    assert_eq!(output("console.log('%cstyled', 'color: red')"), ["styled"]);
}

#[test]
fn all_streams_are_kept_in_the_order_of_printing() {
    let source = "console.log('log'); console.error('error'); console.info('info');\n\
        console.warn('warn'); console.debug('debug')";
    assert_eq!(output(source), ["log", "error", "info", "warn", "debug"]);
}

#[test]
fn a_table_is_drawn() {
    assert_eq!(
        output("console.table([{ a: 1, b: 2 }])"),
        [
            "┌───────┬───┬───┐",
            "│ (idx) │ a │ b │",
            "├───────┼───┼───┤",
            "│     0 │ 1 │ 2 │",
            "└───────┴───┴───┘",
        ]
    );
}

#[test]
fn dir_shows_deep_objects() {
    assert_eq!(
        output("console.dir({ x: { y: { z: { q: 1 } } } })"),
        ["{", "  x: { y: { z: { q: 1 } } }", "}"]
    );
}

#[test]
fn groups_indent_and_counts_count() {
    let source = "console.group('g'); console.log('in'); console.groupEnd(); console.log('out');\n\
        console.count(); console.count('c'); console.assert(false, 'asserted')";
    assert_eq!(
        output(source),
        ["g", "  in", "out", "default: 1", "c: 1", "Assertion failed: asserted"]
    );
}

#[test]
fn an_error_is_printed_with_its_place_in_the_program() {
    assert_eq!(
        output("type A = 1;\nconsole.log(new TypeError('bad'))"),
        ["TypeError: bad", "    at file:///main.ts:2:13"]
    );
}

#[test]
fn lines_are_split_and_empty_ones_kept() {
    assert_eq!(
        output("console.log('two\\nlines'); console.log(); console.log('')"),
        ["two", "lines", "", ""]
    );
}

#[test]
fn parts_of_a_line_are_joined_until_it_ends() {
    let source = "const { stdout } = Deno;\n\
        const write = (s: string) => stdout.writeSync(new TextEncoder().encode(s));\n\
        write('ab'); write('c\\nd'); console.error('between'); write('e')";
    assert_eq!(output(source), ["abc", "between", "de"]);
}

#[test]
fn write_tells_how_many_bytes_were_written() {
    let execution = run("[Deno.stdout.writeSync(new Uint8Array([104, 105])),
        await Deno.stderr.write(new Uint8Array(0))]");
    assert_eq!(execution.output, ["hi"]);
    assert_eq!(value_of(execution), serde_json::json!([2, 0]));
}

#[test]
fn a_stream_can_be_piped_to_stdout() {
    let source = "await ReadableStream.from(['x\\n', 'y']).pipeThrough(new TextEncoderStream())\n\
        .pipeTo(Deno.stdout.writable)";
    assert_eq!(output(source), ["x", "y"]);
}

#[test]
fn bytes_that_are_no_utf8_are_replaced() {
    let source = "Deno.stdout.writeSync(new Uint8Array([0xff, 0x41, 0xc3])); \n\
        Deno.stdout.writeSync(new Uint8Array([0xa4, 10])); console.log('\\ud800')";
    assert_eq!(output(source), ["\u{fffd}Aä", "\u{fffd}"]);
}

#[test]
fn only_bytes_can_be_written() {
    assert_eq!(error("Deno.stdout.writeSync('text' as any)").detail.name, "TypeError");
}

#[test]
fn control_characters_stay_data() {
    let source =
        r"console.log('\x1b]0;owned\x07\x1b[2J'); console.log('\u0000\u0000\u0000\u0005HELLO')";
    assert_eq!(output(source), ["\u{1b}]0;owned\u{7}\u{1b}[2J", "\0\0\0\u{5}HELLO"]);
}

#[test]
fn output_beyond_the_limit_is_cut_off_and_the_value_kept() {
    let config = config().with_max_output(1000);
    let source = "for (let i = 0; i < 1000; i++) console.log('x'.repeat(99)); 7";
    let execution = run_with(config, ExecuteRequest::new(source));
    assert_eq!(execution.output, vec!["x".repeat(99); 10]);
    assert_eq!(
        execution.truncated.as_ref().map(|cut| cut.output.as_str()),
        Some("after 1000 bytes (MCP_CONDUCTOR_MAX_OUTPUT_SIZE)")
    );
    assert_eq!(value_of(execution), 7);
}

#[test]
fn lines_arrive_while_the_program_runs_each_with_its_stream() {
    let (execution, events) = stream(
        "console.log('one'); console.error('two');
        await new Promise((r) => setTimeout(r, 20)); console.log('three'); 3",
    );
    let events: Vec<_> = events.iter().map(|e| (e.stream, e.line.as_str())).collect();
    assert_eq!(
        events,
        [
            (OutputStream::Stdout, "one"),
            (OutputStream::Stderr, "two"),
            (OutputStream::Stdout, "three"),
        ]
    );
    assert_eq!(value_of(execution), 3);
}
