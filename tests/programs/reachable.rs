//! Nothing of `deno_core` can be reached from a program.

use serde_json::json;

use super::runtimes::{error, value};

/// Walks every object that can be reached: own properties, prototypes, getters
/// and setters themselves, and what getters answer. Reports a path for each
/// function or key that belongs to `deno_core`.
const WALK: &str = r#"
const OPS = /^op_|^ext:/;
const KEYS = new Set<unknown>(["ops", "core", "primordials", "internals", "loadExtScript",
  "__bootstrap", "bootstrap", "__conductor", "registerErrorClass", "evalContext"]);
const MAX_OBJECTS = 200_000;

// What call sites of the platform's own errors and callbacks lead to.
const sites: any[] = [];
const collect = (e: any) => {
  for (const site of e.stack) sites.push(site, site.getThis?.(), site.getFunction?.());
};
(Error as any).prepareStackTrace = (_: Error, callSites: any[]) => callSites;
for (const attempt of [
  () => atob("%"),
  () => new URL("x"),
  () => structuredClone(() => {}),
  () => Deno.readTextFileSync("/x"),
  () => new Blob([{ toString() { collect(new Error()); return ""; } } as any]),
]) {
  try { attempt(); } catch (e) { collect(e); }
}
delete (Error as any).prepareStackTrace;

const { port1, port2 } = new MessageChannel();
const begin: Record<string, any> = {
  globalThis, sites, port1, meta: import.meta, url: new URL("a:b"), blob: new Blob(["x"]),
  abort: new AbortController(), headers: new Headers(), form: new FormData(),
  stream: new TransformStream(), decoder: new TextDecoder(), gzip: new CompressionStream("gzip"),
  module: await import("data:text/javascript,export default 1"), event: new Event("x"),
  pattern: new URLPattern({}), file: new File([], "f"), exception: new DOMException(),
  permission: Deno.permissions.querySync({ name: "read" }), generator: async function* () {},
  iterator: [][Symbol.iterator](), intl: new Intl.NumberFormat(),
  error: await Deno.readTextFile("/x").catch((e) => e),
};
const queue: [any, string][] = [];
const seen = new Set<any>(), found = new Set<string>();
const visit = (value: any, path: string) => {
  const isObject = typeof value === "object" && value !== null || typeof value === "function";
  if (!isObject || seen.has(value)) return;
  seen.add(value);
  queue.push([value, path]);
};
for (const [name, value] of Object.entries(begin)) visit(value, name);
while (queue.length && seen.size < MAX_OBJECTS) {
  const [object, path] = queue.shift()!;
  if (typeof object === "function" && OPS.test(String(object.name))) {
    found.add(`${path} is ${object.name}`);
  }
  visit(Reflect.getPrototypeOf(object), `${path}.__proto__`);
  for (const key of Reflect.ownKeys(object)) {
    const at = `${path}.${String(key)}`;
    if (KEYS.has(key) || OPS.test(String(key))) found.add(at);
    const { value, get, set } = Reflect.getOwnPropertyDescriptor(object, key)!;
    visit(value, at);
    visit(get, `get ${at}`);
    visit(set, `set ${at}`);
    if (!get) continue;
    try {
      const got = Reflect.get(object, key);
      if (got instanceof Promise) got.catch(() => {});
      visit(got, at);
    } catch { /* wants another receiver */ }
  }
}
port1.close();
[seen.size > 1000, seen.size < MAX_OBJECTS, [...found]]
"#;

#[test]
fn a_walk_over_everything_reachable_meets_no_op_and_no_core() {
    assert_eq!(value(WALK), json!([true, true, []]));
}

#[test]
fn the_built_ins_of_node_lead_to_no_op_and_no_core() {
    let begin = "const queue: [any, string][] = [];";
    assert!(WALK.contains(begin));
    let with_builtins = format!(
        "begin.builtins = process.getBuiltinModule('module').builtinModules.map(
            (name: string) => process.getBuiltinModule(name));
        {begin}"
    );
    assert_eq!(value(WALK.replace(begin, &with_builtins)), json!([true, true, []]));
}

#[test]
fn well_known_doors_are_shut() {
    let source = "
        const d = Deno as any, g = globalThis as any;
        const doors = {
          core: d.core, internal: d.internal, symbol: d[Symbol.for('Deno.internal')],
          __bootstrap: g.__bootstrap, bootstrap: g.bootstrap, __conductor: g.__conductor,
          ShadowRealm: g.ShadowRealm, ofNode: g['pro' + 'cess'], load: g['req' + 'uire'],
          Worker: g.Worker, gc: g.gc,
        };
        Object.entries(doors).filter(([_, door]) => door !== undefined).map(([name]) => name)";
    assert_eq!(value(source), json!([]));
}

#[test]
fn what_is_not_there_says_so() {
    let source = "
        const tries = [
          () => new WebSocket('ws://x'), () => Deno.dlopen('x', {}), () => Deno.kill(1, 'SIGKILL'),
          () => Deno.connect({ port: 1 }), () => Deno.serve(() => new Response('x')),
        ];
        tries.map((attempt) => { try { attempt(); return 'done' } catch (e) { return `${e}` } })";
    assert_eq!(
        value(source),
        json!([
            "TypeError: WebSocket is not available here: use fetch() or EventSource",
            "TypeError: Deno.dlopen() is not available here: native code cannot be loaded",
            "TypeError: Deno.kill() is not available here: use kill() of the process that \
             Deno.Command started",
            "TypeError: Deno.connect() is not available here: use fetch()",
            "TypeError: Deno.serve() is not available here: programs cannot listen for connections"
        ])
    );
}

#[test]
fn internal_modules_cannot_be_imported() {
    for specifier in [
        "ext:core/ops",
        "ext:core/mod.js",
        "ext:deno_web/00_infra.js",
        "ext:conductor/99_main.js",
        "node:internal/util",
        "checkin:x",
    ] {
        assert_eq!(error(format!("await import('{specifier}')")).detail.name, "TypeError");
        assert_eq!(error(format!("import * as x from '{specifier}'; x")).detail.name, "TypeError");
    }
}

#[test]
fn call_sites_show_no_file_of_the_platform() {
    let source = r#"
        (Error as any).prepareStackTrace = (_: Error, sites: any[]) =>
          sites.map((site) => `${site.getFileName()} ${site.getScriptNameOrSourceURL()} ${site}`);
        const tries: Record<string, () => unknown> = {
          atob: () => atob("%"),
          url: () => new URL("x"),
          clone: () => structuredClone(() => {}),
          decoder: () => new TextDecoder("nope"),
          env: () => Deno.env.get("HOME"),
          blob: () => new Blob([Symbol()] as any),
          event: () => new EventTarget().dispatchEvent({} as any),
          pattern: () => new URLPattern("nope"),
          random: () => crypto.getRandomValues(new Float32Array(1) as any),
          measure: () => performance.measure("x", "nope"),
          fetch: () => fetch("http://x/"),
          digest: () => crypto.subtle.digest("nope", new Uint8Array()),
        };
        const foreign: string[] = [];
        for (const [name, attempt] of Object.entries(tries)) {
          let stack;
          try { await attempt(); } catch (e) { stack = (e as any).stack; }
          if (stack === undefined) foreign.push(`${name} has no stack`);
          for (const site of [stack].flat()) {
            if (!/^\/main\.ts file:\/\/\/main\.ts /.test(site)) foreign.push(`${name}: ${site}`);
          }
        }
        foreign"#;
    assert_eq!(value(source), json!([]));
}

#[test]
fn callers_cannot_be_read_from_callbacks_of_the_platform() {
    let source = r#"
        (Error as any).prepareStackTrace = (_: Error, sites: any[]) => sites.map((site) =>
          [site.getThis(), site.getFunction()].some((x) => x !== undefined && x !== globalThis));
        const seen: any[] = [], look = () => { seen.push(new Error().stack); return ""; };
        new Blob([{ toString: look } as any]);
        const target = new EventTarget();
        target.addEventListener("x", look);
        target.dispatchEvent(new Event("x"));
        new ReadableStream({ start: look });
        await new Promise<void>((done) => setTimeout(() => { look(); done(); }, 0));
        [seen.length, seen.flat().includes(true)]"#;
    assert_eq!(value(source), json!([4, false]));
}

#[test]
fn native_syntax_is_off() {
    assert_eq!(error("new Function('return %DebugPrint({})')()").detail.name, "SyntaxError");
}

#[test]
fn a_replaced_call_is_handed_no_op() {
    let source = r#"
        const { call } = Function.prototype, seen: string[] = [];
        Function.prototype.call = function (this: any, ...args: any[]) {
          if (/^op_/.test(this?.name)) seen.push(this.name);
          if (args[0] !== null && typeof args[0] === "object" && "ops" in args[0]) seen.push("core");
          return Reflect.apply(this, args[0], args.slice(1));
        } as any;
        await Deno.readTextFile("/x").catch(() => {});
        await crypto.subtle.digest("SHA-256", new Uint8Array());
        await (await fetch("data:,x")).text();
        const { port1, port2 } = new MessageChannel();
        const got = new Promise((done) => port2.onmessage = done);
        port1.postMessage(1);
        await got;
        port1.close();
        Function.prototype.call = call;
        seen"#;
    assert_eq!(value(source), json!([]));
}

#[test]
fn accessors_of_object_prototype_are_handed_no_table_of_ops() {
    let source = r#"
        const names = ["ops", "core", "internals", "primordials", "op_fs_open_sync", "rid", "handle",
          "client", "signal", "window", "pull", "size", "highWaterMark", "autoAllocateChunkSize"];
        const hit: string[] = [];
        for (const name of names) {
          Object.defineProperty(Object.prototype, name, {
            configurable: true,
            get() { if (this && ("op_conductor_call" in this || "loadExtScript" in this)) hit.push(name) },
            set(value) {
              Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
            },
          });
        }
        await Deno.readTextFile("/x").catch(() => {});
        await (await fetch("data:,x")).text();
        new Request("http://a/", { method: "POST", body: "x" });
        for (const name of names) delete (Object.prototype as any)[name];
        hit"#;
    assert_eq!(value(source), json!([]));
}

#[test]
fn timers_are_handed_to_no_setter_of_array_prototype() {
    let source = r#"
        const seen: any[] = [];
        for (let i = 0; i < 8; i++) {
          Object.defineProperty(Array.prototype, i, {
            configurable: true,
            set(value) {
              if (value !== null && typeof value === "object" && "expiry" in value) seen.push(`${value}`);
              Object.defineProperty(this, i, { value, writable: true, enumerable: true, configurable: true });
            },
          });
        }
        await Promise.all([3, 1, 2, 5, 4].map((ms) => new Promise((done) => setTimeout(done, ms))));
        for (let i = 0; i < 8; i++) delete Array.prototype[i];
        seen"#;
    assert_eq!(value(source), json!([]));
}

#[test]
fn methods_under_symbols_of_the_platform_cannot_be_replaced() {
    let source = r#"
        const open: string[] = [];
        const shared = new Set<unknown>(Reflect.ownKeys(Symbol).map((key) => (Symbol as any)[key]));
        for (const name of Reflect.ownKeys(globalThis)) {
          for (let c = (globalThis as any)[name]; typeof c === "function" && c.prototype; c = Object.getPrototypeOf(c)) {
            for (const object of [c, c.prototype]) {
              for (const key of Object.getOwnPropertySymbols(object)) {
                if (shared.has(key) || Symbol.keyFor(key) !== undefined) continue;
                const { writable, configurable, value } = Object.getOwnPropertyDescriptor(object, key)!;
                if (configurable || typeof value === "function" && writable) open.push(`${c.name} ${String(key)}`);
              }
            }
          }
        }
        [open, Object.getOwnPropertySymbols(AbortSignal.prototype).length > 3]"#;
    assert_eq!(value(source), json!([[], true]));
}

#[test]
fn a_forged_file_reaches_only_what_the_program_has() {
    let source = r#"
        const attempt = (f: () => unknown) => { try { return `${f()}` } catch (e) { return (e as Error).name } };
        const File = Deno.FsFile as any, read = File.prototype.readSync;
        [attempt(() => new File(3)), attempt(() => new File(3, Symbol("Deno.internal.FsFile"))),
          attempt(() => read.call(Object.create(File.prototype), new Uint8Array(1)))]"#;
    assert_eq!(value(source), json!(["TypeError", "TypeError", "TypeError"]));
}

#[test]
fn a_value_is_converted_whatever_object_prototype_has() {
    let source = r#"
        for (const key of ["0", "left", "maxDepth", "open", "text"]) {
          Object.defineProperty(Object.prototype, key, {
            configurable: true,
            set() { throw new Error("LEAK:" + key) },
            get() { return 1 },
          });
        }
        ({ a: [1, 2, { b: new Map([["x", 1]]) }] })"#;
    assert_eq!(value(source), json!({ "a": [1, 2, { "b": { "x": 1 } }] }));
}

#[test]
fn callers_of_sloppy_functions_are_not_shown() {
    let source = "
        const look = new Function('return [arguments.callee.caller, this.caller]');
        let seen: any;
        new Blob([{ toString() { seen = look.call(look); return '' } } as any]);
        seen.every((caller: unknown) => caller === null || caller === undefined)";
    assert_eq!(value(source), true);
}
