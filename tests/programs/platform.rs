//! The web platform: everything that is promised is there and works.

use mcp_conductor::{ExecuteRequest, Isolate};
use serde_json::json;

use super::runtimes::{config, run_with, value, value_of};

#[test]
fn text_is_encoded_and_decoded() {
    let source = "
        const decode = (label: string, bytes: number[]) =>
          new TextDecoder(label).decode(new Uint8Array(bytes));
        [[...new TextEncoder().encode('hé')], decode('utf-8', [104, 195, 169]),
          decode('latin1', [233]), decode('utf-16le', [104, 0])]";
    assert_eq!(value(source), json!([[104, 195, 169], "hé", "é", "h"]));
}

#[test]
fn urls_are_parsed() {
    let source = "
        const u = new URL('../b?x=1#h', 'https://u:p@ex.com:8080/a/c');
        u.searchParams.append('y', 'ä ö');
        ({
          href: u.href, host: u.host, search: [...u.searchParams],
          canParse: URL.canParse('nope'), parse: URL.parse('nope'),
        })";
    assert_eq!(
        value(source),
        json!({
            "href": "https://u:p@ex.com:8080/b?x=1&y=%C3%A4+%C3%B6#h",
            "host": "ex.com:8080",
            "search": [["x", "1"], ["y", "ä ö"]],
            "canParse": false,
            "parse": null,
        })
    );
}

#[test]
fn url_patterns_match() {
    let source = "
        const pattern = new URLPattern({ pathname: '/users/:id' });
        [pattern.test('https://a.b/'), pattern.exec('https://a.b/users/7')!.pathname.groups]";
    assert_eq!(value(source), json!([false, { "id": "7" }]));
}

#[test]
fn signals_abort() {
    let source = "
        const controller = new AbortController(), seen: any[] = [];
        controller.signal.addEventListener('abort', () => seen.push('aborted'));
        controller.abort('why');
        seen.push(controller.signal.reason);
        try { AbortSignal.abort().throwIfAborted() } catch (e) { seen.push((e as Error).name) }
        seen";
    assert_eq!(value(source), json!(["aborted", "why", "AbortError"]));
}

#[test]
fn signals_time_out() {
    let source = "
        const signal = AbortSignal.timeout(5);
        await new Promise((r) => signal.onabort = r);
        [signal.reason.name, AbortSignal.any([signal]).aborted]";
    assert_eq!(value(source), json!(["TimeoutError", true]));
}

#[test]
fn events_are_dispatched() {
    let source = "
        const target = new EventTarget();
        let detail;
        target.addEventListener('x', (e: any) => {
          detail = e.detail;
          e.preventDefault();
        }, { once: true });
        const dispatch = () =>
          target.dispatchEvent(new CustomEvent('x', { detail: 5, cancelable: true }));
        [dispatch(), detail, dispatch()]";
    assert_eq!(value(source), json!([false, 5, true]));
}

#[test]
fn the_global_object_is_an_event_target() {
    let source = "
        const seen: any[] = [];
        addEventListener('x', (e) => seen.push(e.type, e.target === globalThis));
        dispatchEvent(new Event('x'));
        [...seen, self === globalThis]";
    assert_eq!(value(source), json!(["x", true, true]));
}

#[test]
fn reported_errors_reach_their_listener() {
    let source = "
        const seen: any[] = [];
        addEventListener('error', (e: any) => { e.preventDefault(); seen.push(e.error.message) });
        reportError(new Error('reported'));
        seen";
    assert_eq!(value(source), json!(["reported"]));
}

#[test]
fn blobs_hold_bytes() {
    let source = "
        const blob = new Blob(['héllo', new Uint8Array([33])], { type: 'text/plain' });
        [blob.size, blob.type, await blob.text(),
          [...new Uint8Array(await blob.slice(0, 1).arrayBuffer())]]";
    assert_eq!(value(source), json!([7, "text/plain", "héllo!", [104]]));
}

#[test]
fn forms_hold_fields_and_files() {
    let source = "
        const form = new FormData();
        form.set('a', '1');
        form.set('f', new File(['x'], 'x.txt', { type: 'text/plain' }));
        const file = form.get('f') as File;
        ({
          keys: [...form.keys()], a: form.get('a'), name: file.name, type: file.type,
          text: await file.text(),
        })";
    assert_eq!(
        value(source),
        json!({
            "keys": ["a", "f"], "a": "1", "name": "x.txt", "type": "text/plain", "text": "x",
        })
    );
}

#[test]
fn files_are_read_by_a_reader() {
    let source = "
        const reader = new FileReader();
        const loaded = new Promise((r) => reader.onload = r);
        reader.readAsDataURL(new Blob(['x'], { type: 'text/plain' }));
        await loaded;
        reader.result";
    assert_eq!(value(source), "data:text/plain;base64,eA==");
}

#[test]
fn structured_clone_keeps_types_and_cycles() {
    let source = "
        const map: any = new Map<any, any>([['d', new Date(0)], ['s', new Set([1n])]]);
        map.set('self', map);
        const copy = structuredClone(map);
        [copy !== map, copy.get('self') === copy, copy.get('d') instanceof Date,
          copy.get('s').has(1n)]";
    assert_eq!(value(source), json!([true, true, true, true]));
}

#[test]
fn structured_clone_moves_what_is_transferred() {
    let source = "
        const buffer = new ArrayBuffer(8);
        const moved = structuredClone(buffer, { transfer: [buffer] });
        [moved.byteLength, buffer.byteLength, (buffer as any).detached]";
    assert_eq!(value(source), json!([8, 0, true]));
}

#[test]
fn message_channels_carry_messages() {
    let source = "
        const { port1, port2 } = new MessageChannel();
        const got = new Promise((r) => port2.onmessage = (e) => r(e.data));
        port1.postMessage({ a: [1, new Map([['k', 1]])] });
        const data = await got;
        port1.close();
        data";
    assert_eq!(value(source), json!({ "a": [1, { "k": 1 }] }));
}

#[test]
fn timers_and_microtasks_run_in_order() {
    let source = "
        const seen: string[] = [];
        await new Promise<void>((done) => {
          const last = setTimeout(() => seen.push('last'), 60_000);
          setTimeout(() => seen.push('soon'), 0);
          setTimeout((x: string) => { seen.push(x); clearTimeout(last); done() }, 5, 'late');
          clearTimeout(setTimeout(() => seen.push('never'), 1));
          queueMicrotask(() => seen.push('microtask'));
          seen.push('first');
        });
        seen";
    assert_eq!(value(source), json!(["first", "microtask", "soon", "late"]));
}

#[test]
fn an_interval_repeats_until_it_is_cleared() {
    let source = "
        let n = 0;
        await new Promise<void>((done) => {
          const id = setInterval(() => { if (++n === 3) { clearInterval(id); done() } }, 1);
        });
        n";
    assert_eq!(value(source), 3);
}

#[test]
fn base64_is_encoded_and_decoded() {
    assert_eq!(value("[btoa('hi'), atob('aGk=')]"), json!(["aGk=", "hi"]));
}

#[test]
fn the_clock_starts_with_the_run() {
    let source = "
        const start = performance.mark('m').startTime;
        while (performance.now() - start < 3);
        const { duration } = performance.measure('x', 'm');
        const drift = performance.timeOrigin + performance.now() - Date.now();
        [start >= 0 && start < 60_000, duration > 2, performance.getEntriesByName('m').length,
          Math.abs(drift) < 500]";
    assert_eq!(value(source), json!([true, true, 1, true]));
}

#[test]
fn webassembly_runs() {
    let source = "
        const add = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127,
          3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
        const { instance } = await WebAssembly.instantiate(add);
        const again = new WebAssembly.Instance(new WebAssembly.Module(add));
        [(instance.exports as any).add(40, 2), (again.exports as any).add(-1, 1)]";
    assert_eq!(value(source), json!([42, 0]));
}

#[test]
fn intl_formats_numbers_dates_and_lists() {
    let source = "
        const date = { timeZone: 'Asia/Tokyo', dateStyle: 'full', timeStyle: 'short' } as const;
        [new Intl.NumberFormat('de-DE').format(1234567.891),
          new Intl.DateTimeFormat('en-GB', date).format(new Date(0)),
          new Intl.ListFormat('fr').format(['a', 'b']),
          new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(-1, 'day')]";
    assert_eq!(
        value(source),
        json!(["1.234.567,891", "Thursday, 1 January 1970 at 09:00", "a et b", "yesterday"])
    );
}

#[test]
fn intl_knows_plurals_order_words_and_names() {
    let source = "
        const words = new Intl.Segmenter('ja', { granularity: 'word' }).segment('今日は');
        const order = new Intl.Collator('de').compare;
        [new Intl.PluralRules('ar').select(3), ['ä', 'z', 'a'].sort(order),
          [...words].map((s) => s.segment),
          new Intl.DisplayNames('en', { type: 'region' }).of('DE')]";
    assert_eq!(value(source), json!(["few", ["a", "ä", "z"], ["今日", "は"], "Germany"]));
}

#[test]
fn the_time_zone_is_utc_and_the_language_english() {
    let source = "
        const { timeZone, locale } = Intl.DateTimeFormat().resolvedOptions();
        [timeZone, locale, new Date(0).getTimezoneOffset(), navigator.language]";
    assert_eq!(value(source), json!(["UTC", "en-US", 0, "en-US"]));
}

const ZONE: &str = "
    const summer = new Date('2026-07-01T00:00:00Z');
    ({
      zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      offset: summer.getTimezoneOffset(), hours: summer.getHours(),
      midnight: new Date(2026, 0, 1).toISOString(),
      temporal: typeof Temporal === 'undefined' ? null : Temporal.Now.timeZoneId(),
    })";

#[test]
fn the_time_zone_is_that_of_the_configuration() {
    for isolate in [Isolate::Warm, Isolate::Fresh] {
        let config = config().with_time_zone("Europe/Berlin").with_isolate(isolate);
        let found = value_of(run_with(config, ExecuteRequest::new(ZONE)));
        let midnight = "2025-12-31T23:00:00.000Z";
        assert_eq!(
            found,
            json!({
                "zone": "Europe/Berlin", "offset": -120, "hours": 2, "midnight": midnight,
                "temporal": "Europe/Berlin",
            }),
            "{isolate:?}"
        );
    }
}

#[test]
fn zones_of_every_kind_of_name_have_their_own_time() {
    // Short names, which ICU takes for the system's, and offsets, which it reads otherwise.
    for (zone, offset) in [("CET", -120), ("Etc/GMT-3", -180), ("us/pacific", 420)] {
        let config = config().with_time_zone(zone);
        let found = value_of(run_with(config, ExecuteRequest::new(ZONE)));
        assert_eq!(found["offset"], offset, "{zone}: {found}");
    }
}

#[test]
fn temporal_works_where_v8_has_it() {
    let source = "
        typeof Temporal === 'undefined' ? '2024-02-29'
          : Temporal.PlainDate.from('2024-01-31').add({ months: 1 }).toString()";
    assert_eq!(value(source), "2024-02-29");
}

#[test]
fn the_navigator_names_no_machine() {
    let source = r"
        [/^Deno\/\d+\.\d+\.\d+$/.test(navigator.userAgent), navigator.hardwareConcurrency >= 1,
          navigator.languages, navigator.platform.startsWith('Linux')]";
    assert_eq!(value(source), json!([true, true, ["en-US"], true]));
}
