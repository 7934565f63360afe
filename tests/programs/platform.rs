//! The web platform and the `Deno` namespace: everything that is promised is
//! there and works.

use serde_json::json;

use super::common::{config, run_with, value, value_of};

#[test]
fn text_is_encoded_and_decoded() {
    assert_eq!(
        value(
            "[[...new TextEncoder().encode('hé')], new TextDecoder().decode(new Uint8Array([104, 195, 169])),
              new TextDecoder('latin1').decode(new Uint8Array([233])),
              new TextDecoder('utf-16le').decode(new Uint8Array([104, 0]))]"
        ),
        json!([[104, 195, 169], "hé", "é", "h"])
    );
}

#[test]
fn text_streams_encode_and_decode() {
    assert_eq!(
        value(
            "const out = []; for await (const chunk of ReadableStream.from(['hé', 'llo'])
               .pipeThrough(new TextEncoderStream()).pipeThrough(new TextDecoderStream())) out.push(chunk); out"
        ),
        json!(["hé", "llo"])
    );
}

#[test]
fn compression_streams_go_there_and_back() {
    assert_eq!(
        value(
            "const out: any = {};
             for (const format of ['gzip', 'deflate', 'deflate-raw'] as const) {
               const packed = new Blob(['hello '.repeat(1000)]).stream().pipeThrough(new CompressionStream(format));
               let text = '', size = 0;
               const [a, b] = packed.tee();
               for await (const chunk of a) size += chunk.length;
               for await (const chunk of b.pipeThrough(new DecompressionStream(format))
                 .pipeThrough(new TextDecoderStream())) text += chunk;
               out[format] = [size < 100, text === 'hello '.repeat(1000)];
             }
             out"
        ),
        json!({ "gzip": [true, true], "deflate": [true, true], "deflate-raw": [true, true] })
    );
}

#[test]
fn streams_transform_count_and_read_bytes() {
    assert_eq!(
        value(
            "const double = new TransformStream<number, number>({ transform(n, c) { c.enqueue(n * 2) } });
             const source = new ReadableStream<number>({ start(c) { c.enqueue(1); c.enqueue(2); c.close() } });
             const doubled = []; for await (const n of source.pipeThrough(double)) doubled.push(n);
             const bytes = new ReadableStream({ type: 'bytes', pull(c) { c.enqueue(new Uint8Array([1, 2, 3])); c.close() } });
             const { value } = await bytes.getReader({ mode: 'byob' }).read(new Uint8Array(2));
             const written: string[] = [];
             const sink = new WritableStream<string>({ write(s) { written.push(s) } }, new CountQueuingStrategy({ highWaterMark: 2 }));
             const writer = sink.getWriter(); await writer.write('w'); await writer.close();
             [doubled, value, written]"
        ),
        json!([[2, 4], [1, 2], ["w"]])
    );
}

#[test]
fn urls_are_parsed() {
    assert_eq!(
        value(
            "const u = new URL('../b?x=1#h', 'https://u:p@ex.com:8080/a/c');
             u.searchParams.append('y', 'ä ö');
             [u.href, u.host, [...u.searchParams], URL.canParse('nope'), URL.parse('nope')]"
        ),
        json!([
            "https://u:p@ex.com:8080/b?x=1&y=%C3%A4+%C3%B6#h",
            "ex.com:8080",
            [["x", "1"], ["y", "ä ö"]],
            false,
            null,
        ])
    );
}

#[test]
fn url_patterns_match() {
    assert_eq!(
        value(
            "new URLPattern({ pathname: '/users/:id' }).exec('https://a.b/users/7')!.pathname.groups"
        ),
        json!({ "id": "7" })
    );
}

#[test]
fn signals_abort() {
    assert_eq!(
        value(
            "const c = new AbortController(), seen: any[] = [];
             c.signal.addEventListener('abort', () => seen.push('aborted'));
             c.abort('why'); seen.push(c.signal.reason);
             try { AbortSignal.abort().throwIfAborted() } catch (e) { seen.push((e as Error).name) }
             const t = AbortSignal.timeout(5); await new Promise((r) => t.onabort = r);
             seen.push(t.reason.name, AbortSignal.any([t]).aborted); seen"
        ),
        json!(["aborted", "why", "AbortError", "TimeoutError", true])
    );
}

#[test]
fn events_are_dispatched() {
    assert_eq!(
        value(
            "const t = new EventTarget(); let detail;
             t.addEventListener('x', (e: any) => { detail = e.detail; e.preventDefault() }, { once: true });
             const event = () => new CustomEvent('x', { detail: 5, cancelable: true });
             [t.dispatchEvent(event()), detail, t.dispatchEvent(event())]"
        ),
        json!([false, 5, true])
    );
}

#[test]
fn the_global_object_is_an_event_target() {
    assert_eq!(
        value(
            "const seen: any[] = []; addEventListener('x', (e) => seen.push(e.type, e.target === globalThis));
             dispatchEvent(new Event('x')); [...seen, self === globalThis]"
        ),
        json!(["x", true, true])
    );
}

#[test]
fn reported_errors_reach_their_listener() {
    assert_eq!(
        value(
            "const seen: any[] = [];
             addEventListener('error', (e: any) => { e.preventDefault(); seen.push(e.error.message) });
             reportError(new Error('reported')); seen"
        ),
        json!(["reported"])
    );
}

#[test]
fn blobs_files_and_forms_hold_data() {
    assert_eq!(
        value(
            "const form = new FormData(); form.set('a', '1');
             form.set('f', new File(['x', new Uint8Array([121])], 'x.txt', { type: 'text/plain' }));
             const blob = new Blob(['héllo'], { type: 'text/plain' }), file = form.get('f') as File;
             [blob.size, blob.type, await blob.text(), [...new Uint8Array(await blob.slice(0, 1).arrayBuffer())],
              [...form.keys()], file.name, await file.text()]"
        ),
        json!([6, "text/plain", "héllo", [104], ["a", "f"], "x.txt", "xy"])
    );
}

#[test]
fn structured_clone_keeps_types_and_cycles() {
    assert_eq!(
        value(
            "const m: any = new Map<any, any>([['d', new Date(0)], ['s', new Set([1n])]]); m.set('self', m);
             const c = structuredClone(m), b = new ArrayBuffer(8), moved = structuredClone(b, { transfer: [b] });
             [c !== m, c.get('self') === c, c.get('d') instanceof Date, c.get('s').has(1n), b.detached, moved.byteLength]"
        ),
        json!([true, true, true, true, true, 8])
    );
}

#[test]
fn message_channels_carry_messages() {
    assert_eq!(
        value(
            "const { port1, port2 } = new MessageChannel();
             const got = new Promise((r) => port2.onmessage = (e) => r(e.data));
             port1.postMessage({ a: [1, new Map([['k', 1]])] });
             const data = await got; port1.close(); port2.close(); data"
        ),
        json!({ "a": [1, { "k": 1 }] })
    );
}

#[test]
fn timers_and_microtasks_run_in_order() {
    assert_eq!(
        value(
            "const seen: string[] = [];
             await new Promise<void>((done) => {
               setTimeout((x: string) => { seen.push(x); done() }, 5, 'late');
               setTimeout(() => seen.push('soon'), 0);
               clearTimeout(setTimeout(() => seen.push('never'), 1));
               queueMicrotask(() => seen.push('microtask'));
               seen.push('first');
             });
             let n = 0;
             await new Promise<void>((done) => {
               const id = setInterval(() => { if (++n === 3) { clearInterval(id); done() } }, 1);
             });
             [...seen, n]"
        ),
        json!(["first", "microtask", "soon", "late", 3])
    );
}

#[test]
fn a_timer_that_is_unrefed_does_not_hold_the_run() {
    assert_eq!(value("Deno.unrefTimer(setInterval(() => {}, 1000)); 5"), 5);
}

#[test]
fn base64_is_encoded_and_decoded() {
    assert_eq!(value("[btoa('hi'), atob('aGk=')]"), json!(["aGk=", "hi"]));
}

#[test]
fn the_clock_starts_with_the_run() {
    assert_eq!(
        value(
            "const start = performance.now(); performance.mark('m');
             while (performance.now() - start < 3);
             const { duration } = performance.measure('x', 'm');
             [start < 500, duration > 2, performance.getEntriesByName('m').length,
              Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000]"
        ),
        json!([true, true, 1, true])
    );
}

#[test]
fn webassembly_runs() {
    assert_eq!(
        value(
            "const add = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1,
               0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
             const { instance } = await WebAssembly.instantiate(add);
             const again = new WebAssembly.Instance(new WebAssembly.Module(add));
             [(instance.exports as any).add(40, 2), (again.exports as any).add(-1, 1), WebAssembly.validate(add)]"
        ),
        json!([42, 0, true])
    );
}

#[test]
fn intl_knows_languages_time_zones_and_regions() {
    assert_eq!(
        value(
            "[new Intl.NumberFormat('de-DE').format(1234567.891),
              new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Tokyo', dateStyle: 'full', timeStyle: 'short' }).format(new Date(0)),
              new Intl.PluralRules('ar').select(3), new Intl.ListFormat('fr').format(['a', 'b']),
              new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(-1, 'day'),
              ['ä', 'z', 'a'].sort(new Intl.Collator('de').compare),
              [...new Intl.Segmenter('ja', { granularity: 'word' }).segment('今日は')].map((s) => s.segment),
              new Intl.DisplayNames('en', { type: 'region' }).of('DE'), 'ǅ'.toLocaleLowerCase('hr')]"
        ),
        json!([
            "1.234.567,891",
            "Thursday, 1 January 1970 at 09:00",
            "few",
            "a et b",
            "yesterday",
            ["a", "ä", "z"],
            ["今日", "は"],
            "Germany",
            "ǆ",
        ])
    );
}

#[test]
fn the_time_zone_is_utc_and_the_language_english() {
    assert_eq!(
        value(
            "const { timeZone, locale } = Intl.DateTimeFormat().resolvedOptions();
             [timeZone, locale, new Date(0).getTimezoneOffset(), navigator.language]"
        ),
        json!(["UTC", "en-US", 0, "en-US"])
    );
}

#[test]
fn temporal_works_where_v8_has_it() {
    let found = value(
        "typeof Temporal === 'undefined' ? 'none'
           : Temporal.PlainDate.from('2024-01-31').add({ months: 1 }).toString()",
    );
    assert!(found == "2024-02-29" || found == "none", "{found}");
}

#[test]
fn the_navigator_names_no_machine() {
    assert_eq!(
        value(
            "[/^Deno\\/\\d+\\.\\d+\\.\\d+$/.test(navigator.userAgent), navigator.hardwareConcurrency >= 1,
              navigator.languages, navigator.platform.startsWith('Linux')]"
        ),
        json!([true, true, ["en-US"], true])
    );
}

#[test]
fn deno_describes_the_run() {
    let config = config().with_workspace("/srv/work");
    assert_eq!(
        value_of(run_with(
            config,
            mcp_conductor::ExecuteRequest::new(
                "[Object.keys(Deno.version), Deno.build.os, Deno.args, typeof Deno.pid, Deno.cwd(),
                  Deno.noColor, Deno.mainModule]"
            )
        )),
        json!([
            ["deno", "v8", "typescript"],
            "linux",
            [],
            "number",
            "/srv/work",
            true,
            "file:///main.ts",
        ])
    );
}

#[test]
fn deno_inspect_formats() {
    assert_eq!(value("Deno.inspect({ a: [1, { b: 'x' }] })"), "{ a: [ 1, { b: \"x\" } ] }");
}

#[test]
fn deno_errors_are_classes() {
    assert_eq!(
        value(
            "const e = new Deno.errors.NotFound('gone');
             [e instanceof Error, e.name, e.message, Object.keys(Deno.errors).includes('NotCapable'),
              await fetch('http://x/').catch((e) => e instanceof Deno.errors.NotCapable)]"
        ),
        json!([true, "NotFound", "gone", true, true])
    );
}

#[test]
fn deno_permissions_answer_without_asking() {
    assert_eq!(
        value(
            "const states = [];
             for (const name of ['read', 'write', 'net', 'env', 'sys', 'run', 'ffi', 'import'] as const)
               states.push(Deno.permissions.querySync({ name }).state, Deno.permissions.requestSync({ name }).state);
             const wrong = await Deno.permissions.query({ name: 'x' } as any).catch((e) => e.name);
             [[...new Set(states)], wrong]"
        ),
        json!([["prompt", "denied"], "TypeError"])
    );
}

#[test]
fn stdin_is_empty() {
    assert_eq!(
        value(
            "const chunks = []; for await (const chunk of Deno.stdin.readable) chunks.push(chunk);
             [await Deno.stdin.read(new Uint8Array(4)), Deno.stdin.readSync(new Uint8Array(4)), chunks,
              Deno.stdin.isTerminal()]"
        ),
        json!([null, null, [], false])
    );
}

#[test]
fn files_environment_and_commands_are_denied_in_denos_words() {
    assert_eq!(
        value(
            "const seen: any = {};
             const tries: Record<string, () => unknown> = {
               read: () => Deno.readTextFileSync('/etc/passwd'), write: () => Deno.writeTextFileSync('x', 'y'),
               env: () => Deno.env.get('HOME'), all: () => Deno.env.toObject(), run: () => new Deno.Command('ls').outputSync(),
             };
             for (const [name, f] of Object.entries(tries)) try { f() } catch (e) { seen[name] = `${e}` }
             seen"
        ),
        json!({
            "read": "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read flag",
            "write": "NotCapable: Requires write access to \"x\", run again with the --allow-write flag",
            "env": "NotCapable: Requires env access to \"HOME\", run again with the --allow-env flag",
            "all": "NotCapable: Requires env access, run again with the --allow-env flag",
            "run": "NotCapable: Requires run access to \"ls\", run again with the --allow-run flag",
        })
    );
}
