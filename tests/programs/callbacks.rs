//! What V8 leaves to the program around it: each works, or is an error. None ends
//! the worker.

use mcp_conductor::ErrorKind;
use serde_json::json;

use super::runtimes::{run, value};

/// The header of an empty WebAssembly module, and a response that holds it.
const MODULE: &str = "
    const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
    const headers = { 'content-type': 'application/wasm' };
    const wasm = (body: any = bytes, init: any = {}) => new Response(body, { headers, ...init });
    const failure = async (f: () => unknown) => {
      try { await f(); return 'done' } catch (e) { return `${e}` }
    };";

#[test]
fn webassembly_is_compiled_from_a_response() {
    let source = format!(
        "{MODULE}
        const module = await WebAssembly.compileStreaming(wasm());
        const {{ instance }} = await WebAssembly.instantiateStreaming(Promise.resolve(wasm()));
        const streamed = await WebAssembly.compileStreaming(wasm(new Blob([bytes]).stream()));
        const fetched = fetch('data:application/wasm;base64,AGFzbQEAAAA=');
        [module instanceof WebAssembly.Module, instance instanceof WebAssembly.Instance,
          streamed instanceof WebAssembly.Module,
          await WebAssembly.compileStreaming(fetched) instanceof WebAssembly.Module]"
    );
    assert_eq!(value(source), json!([true, true, true, true]));
}

#[test]
fn webassembly_in_anything_else_is_an_error() {
    let source = format!(
        "{MODULE}
        const used = wasm();
        await used.text();
        const broken = new ReadableStream({{ pull: (c) => c.error(new RangeError('mine')) }});
        const tries = {{
          untyped: new Response(bytes), absent: wasm(bytes, {{ status: 404 }}),
          text: wasm('not a module'), empty: wasm(null), used, broken: wasm(broken),
          number: 1, nothing: undefined, rejected: Promise.reject('why'),
        }};
        const said: any = {{}};
        for (const [name, x] of Object.entries(tries)) {{
          said[name] = await failure(() => WebAssembly.compileStreaming(x as any));
        }}
        said"
    );
    let no_response = "TypeError: Failed to execute 'WebAssembly.compileStreaming': \
                       Argument 1 is not of type Response";
    assert_eq!(
        value(source),
        json!({
            "untyped": "TypeError: Invalid WebAssembly content type",
            "absent": "TypeError: Failed to receive WebAssembly content: HTTP status code 404",
            "text": "CompileError: WebAssembly.compileStreaming(): expected magic word 00 61 73 \
                     6d, found 6e 6f 74 20 @+0",
            "empty": "CompileError: WebAssembly.compileStreaming(): expected 4 bytes, fell off \
                      end @+0",
            "used": "TypeError: Body already consumed",
            "broken": "RangeError: mine",
            "number": no_response,
            "nothing": no_response,
            "rejected": "why",
        })
    );
}

#[test]
fn webassembly_asks_no_method_that_the_program_replaced() {
    let source = format!(
        "{MODULE}
        const asked: string[] = [];
        Headers.prototype.get = () => {{ asked.push('get'); return 'text/plain' }};
        for (const name of ['headers', 'ok', 'status', 'url', 'body'])
          Object.defineProperty(Response.prototype, name, {{ get: () => asked.push(name) }});
        Response.prototype.bytes = async () => {{ asked.push('bytes'); return new Uint8Array() }};
        [await failure(() => WebAssembly.compileStreaming(wasm())), asked]"
    );
    assert_eq!(value(source), json!(["done", []]));
}

#[test]
fn a_body_that_does_not_come_keeps_no_run() {
    let source = format!("{MODULE} WebAssembly.compileStreaming(wasm(new ReadableStream())); 1");
    assert_eq!(value(source), 1);
}

#[test]
fn imports_of_every_kind_work_or_are_errors() {
    let source = r#"
        const data = (text: string, type = "javascript") => `data:text/${type},${text}`;
        const json = "data:application/json,{\"a\":1}";
        const tries = {
          json: () => import(json, { with: { type: "json" } }),
          text: () => import(data("hi", "plain"), { with: { type: "text" } }),
          bytes: () => import(data("hi", "plain"), { with: { type: "bytes" } }),
          brokenJson: () => import("data:application/json,{", { with: { type: "json" } }),
          wrongType: () => import(data("1"), { with: { type: 5 } } as any),
          symbol: () => import(Symbol() as any),
          throwing: () => import({ toString() { throw 3 } } as any),
          loneSurrogate: () => import("\ud800"),
          empty: () => import(""),
          long: () => import("x".repeat(1_000_000)),
          thenable: () => import(data("export function then() { throw 6 }")),
          sourceOfScript: () => new Function(`return import.source("${data("1")}")`)(),
          sourceOfWasm: () => new Function(`return import.source("data:application/wasm;base64,AGFzbQEAAAA=")`)(),
          deferred: () => new Function(`return import.defer("${data("export const a = 1")}")`)(),
        };
        const said: Record<string, string> = {};
        for (const [name, f] of Object.entries(tries)) {
          try { said[name] = JSON.stringify(await f()) } catch (e) { said[name] = (e as any)?.name ?? `${e}` }
        }
        said"#;
    assert_eq!(
        value(source),
        json!({
            "json": "{\"default\":{\"a\":1}}",
            "text": "TypeError",
            "bytes": "TypeError",
            "brokenJson": "SyntaxError",
            "wrongType": "TypeError",
            "symbol": "TypeError",
            "throwing": "3",
            "loneSurrogate": "TypeError",
            "empty": "TypeError",
            "long": "TypeError",
            "thenable": "6",
            "sourceOfScript": "ReferenceError",
            "sourceOfWasm": "TypeError",
            "deferred": "{\"a\":1}",
        })
    );
}

/// They are errors of the run, which cannot be caught: deno_core gives up.
#[test]
fn an_import_that_throws_an_error_without_a_text_is_an_error_of_the_program() {
    for thrown in [
        "Object.create(Error.prototype, { message: { value: {} } })",
        "Object.assign(new Error('a'), { stack: '', message: { toString: () => 'b' } })",
        "Object.create(Error.prototype, { message: { get() { throw 1 } } })",
        "Object.create(TypeError.prototype, { message: { value: Symbol() } })",
    ] {
        let execution = run(format!(
            "console.log('before');
            await import('data:text/javascript,' + encodeURIComponent(`throw {thrown}`));"
        ));
        let error = execution.error.expect("an error");
        assert_eq!(error.kind, ErrorKind::Runtime, "{thrown}: {}", error.message);
        assert!(error.message.contains("message is not a string"), "{thrown}: {}", error.message);
        assert_eq!(execution.output, ["before"], "{thrown}");
    }
}

#[test]
fn errors_of_imported_modules_are_caught_as_they_are() {
    let source = r#"
        const tries = [
          "throw Object.assign(new RangeError('a'), { message: { b: 1 } })",
          "throw { message: { c: 1 } }",
          "throw Object.create(Error.prototype, { message: { value: 'd' } })",
          "throw null",
        ];
        const said: unknown[] = [];
        for (const code of tries) {
          try { await import("data:text/javascript," + encodeURIComponent(code)) }
          catch (e) { said.push((e as any)?.message ?? e) }
        }
        said"#;
    let said = value(source);
    assert_eq!((&said[0], &said[1], &said[3]), (&json!({"b": 1}), &json!({"c": 1}), &json!(null)));
    assert!(said[2].as_str().is_some_and(|text| text.starts_with('d')), "{said}");
}

#[test]
fn what_two_agents_could_share_is_cloned_or_is_an_error() {
    let source = format!(
        "{MODULE}
        const {{ port1, port2 }} = new MessageChannel();
        const sent = [new SharedArrayBuffer(8), new WebAssembly.Module(bytes)];
        const got: string[] = [];
        for (const value of sent) {{
          const next = new Promise<any>((done) => port2.onmessage = (e) => done(e.data));
          port1.postMessage(value);
          got.push((await next)[Symbol.toStringTag]);
        }}
        port1.close();
        const shared = new SharedArrayBuffer(4);
        ({{
          got, cloned: structuredClone(shared).byteLength,
          transferred: await failure(() => structuredClone(shared, {{ transfer: [shared as any] }})),
          module: structuredClone(new WebAssembly.Module(bytes)) instanceof WebAssembly.Module,
          wait: Atomics.wait(new Int32Array(shared), 0, 0, 1),
        }})"
    );
    assert_eq!(
        value(source),
        json!({
            "got": ["SharedArrayBuffer", "WebAssembly.Module"],
            "cloned": 4,
            "transferred": "DataCloneError: Value not transferable",
            "module": true,
            "wait": "timed-out",
        })
    );
}

#[test]
fn errors_of_every_shape_are_errors_of_the_program() {
    for source in [
        "(Error as any).prepareStackTrace = function f(): any { return f() }; throw new Error('x')",
        "(Error as any).prepareStackTrace = () => { throw new Error('y') }; throw new Error('x')",
        "(Error as any).prepareStackTrace = () => ({}); throw new Error('x')",
        "const a: any = new Error('a'), b = new Error('b', { cause: a }); a.cause = b; throw a",
        "let e = new Error(); for (let i = 0; i < 5000; i++) e = new Error('x', { cause: e }); throw e",
        "const a: any = new AggregateError([]); a.errors.push(a, a); throw a",
        "throw Object.defineProperty(new Error('x'), 'cause', { get() { throw 1 } })",
        "throw Object.defineProperty(new Error('x'), 'name', { get() { throw 1 } })",
        "const e: any = new Error(); e.message = 5; e.name = {}; e.stack = 7; throw e",
        "throw Object.create(Error.prototype)",
        "throw new Proxy(new Error('x'), { get() { throw 1 }, getPrototypeOf() { throw 2 } })",
        "throw new Proxy({}, { getPrototypeOf: () => Error.prototype })",
        "let p: any; p = new Proxy({}, { getPrototypeOf: () => p }); throw p",
        "throw new Proxy(() => {}, { get() { throw 1 }, ownKeys() { throw 2 } })",
    ] {
        let execution = run(source);
        let kind = execution.error.as_ref().map(|error| error.kind);
        assert_eq!(kind, Some(ErrorKind::Runtime), "{source}: {execution:#?}");
    }
}

#[test]
fn a_rejection_while_a_rejection_is_reported_is_reported_too() {
    // deno_core would put the first into an array while its list of them is borrowed.
    let source = "
        const reasons: unknown[] = [];
        addEventListener('unhandledrejection', (e: any) => {
          e.preventDefault();
          reasons.push(e.reason);
        });
        const wait = () => new Promise((done) => setTimeout(done, 2));
        Object.defineProperty(Array.prototype, '0', {
          configurable: true,
          set(value) {
            Promise.reject('within');
            Object.defineProperty(this, '0', { value, writable: true, configurable: true });
          },
        });
        setTimeout(() => { Promise.reject('first') }, 0);
        await wait();
        delete (Array.prototype as any)[0];
        await wait();
        reasons.includes('first')";
    assert_eq!(value(source), true);
}
