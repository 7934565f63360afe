//! Nothing of `deno_core` can be reached from a program.

use serde_json::json;

use super::common::{error, value};

/// Walks every object that can be reached: own properties, prototypes, getters
/// and setters themselves, and what getters answer. Reports a path for each
/// function or key that belongs to `deno_core`.
const WALK: &str = r#"
const OPS = /^op_|^ext:/;
const KEYS = ["ops", "core", "primordials", "internals", "loadExtScript", "__bootstrap", "bootstrap",
  "__conductor", "registerErrorClass", "internalRidSymbol", "asyncOpsInfo", "evalContext"];
const MAX_OBJECTS = 200_000;

const sites: any[] = [];
(Error as any).prepareStackTrace = (_: Error, callSites: any[]) => callSites;
const collect = (e: any) => {
  for (const site of e.stack) sites.push(site, site.getThis?.(), site.getFunction?.());
};
const throwers = [() => atob("%"), () => new URL("x"), () => structuredClone(() => {}),
  () => Deno.readTextFileSync("/x"), () => new Blob([{ toString() { collect(new Error()); return ""; } } as any])];
for (const thrower of throwers) try { thrower(); } catch (e) { collect(e); }
delete (Error as any).prepareStackTrace;

const { port1, port2 } = new MessageChannel();
const queue: [any, string][] = [
  [globalThis, "globalThis"], [sites, "call sites"], [new URL("a:b"), "url"], [new Blob(["x"]), "blob"],
  [new AbortController(), "abort"], [new Headers(), "headers"], [new FormData(), "form"], [port1, "port"],
  [new TransformStream(), "stream"], [new TextDecoder(), "decoder"], [new CompressionStream("gzip"), "gzip"],
  [await import("data:text/javascript,export default 1"), "module"], [import.meta, "import.meta"],
  [new Event("x"), "event"], [new URLPattern({}), "pattern"], [new File([], "f"), "file"],
  [Deno.permissions.querySync({ name: "read" }), "permission"], [async function* () {}, "generator"],
  [setTimeout(() => {}, 0), "timer"], [[][Symbol.iterator](), "iterator"], [new DOMException(), "exception"],
  [await Deno.readTextFile("/x").catch((e) => e), "error"], [new Intl.NumberFormat(), "intl"],
];
const seen = new Set<any>(), found = new Set<string>();
const visit = (value: any, path: string) => {
  if ((typeof value === "object" && value !== null || typeof value === "function") && !seen.has(value)) {
    seen.add(value); queue.push([value, path]);
  }
};
for (const [object] of queue) seen.add(object);
while (queue.length && seen.size < MAX_OBJECTS) {
  const [object, path] = queue.shift()!;
  if (typeof object === "function" && OPS.test(String(object.name))) found.add(`${path} is ${object.name}`);
  if (typeof object === "string" || object === undefined) continue;
  visit(Reflect.getPrototypeOf(object), `${path}.__proto__`);
  for (const key of Reflect.ownKeys(object)) {
    const at = `${path}.${String(key)}`;
    if (KEYS.includes(key as string) || OPS.test(String(key))) found.add(at);
    const { value, get, set } = Reflect.getOwnPropertyDescriptor(object, key)!;
    visit(value, at); visit(get, `get ${at}`); visit(set, `set ${at}`);
    if (get) try { visit(Reflect.get(object, key), at); } catch { /* wants another receiver */ }
  }
}
port1.close(); port2.close();
[seen.size > 1000, seen.size < MAX_OBJECTS, [...found]]
"#;

#[test]
fn a_walk_over_everything_reachable_meets_no_op_and_no_core() {
    assert_eq!(value(WALK), json!([true, true, []]));
}

#[test]
fn well_known_doors_are_shut() {
    assert_eq!(
        value(
            "const d = Deno as any, g = globalThis as any;
             [d.core, d.internal, d[Symbol.for('Deno.internal')], g.__bootstrap, g.bootstrap, g.__conductor,
              g.ShadowRealm, g.process, g.require, g.Buffer, g.Worker, g.WebSocket, d.dlopen, d.kill]
               .map((x) => typeof x).filter((t) => t !== 'undefined')"
        ),
        json!([])
    );
}

#[test]
fn symbols_of_the_global_object_lead_nowhere() {
    assert_eq!(
        value(
            "Object.getOwnPropertySymbols(globalThis).map((s) => (globalThis as any)[s])
               .filter((v) => typeof v === 'object' || typeof v === 'function')"
        ),
        json!([])
    );
}

#[test]
fn internal_modules_cannot_be_imported() {
    for specifier in
        ["ext:core/ops", "ext:core/mod.js", "ext:deno_web/00_infra.js", "node:fs", "checkin:x"]
    {
        assert_eq!(error(format!("await import('{specifier}')")).detail.name, "TypeError");
        assert_eq!(error(format!("import * as x from '{specifier}'; x")).detail.name, "TypeError");
    }
}

#[test]
fn call_sites_show_no_file_of_the_platform() {
    let source = r#"
        (Error as any).prepareStackTrace = (_: Error, sites: any[]) =>
          sites.map((s) => `${s.getFunctionName()} ${s.getFileName()} ${s.getScriptNameOrSourceURL()}`);
        const stacks: any = {};
        const tries: Record<string, () => unknown> = {
          a: () => atob("%"), b: () => new URL("x"), c: () => structuredClone(() => {}),
          d: () => new TextDecoder("nope"), e: () => Deno.env.get("HOME"), f: () => new Blob([Symbol()] as any),
          g: () => new EventTarget().dispatchEvent({} as any), h: () => new URLPattern("nope"),
          i: () => crypto.getRandomValues(new Float32Array(1) as any), j: () => performance.measure("x", "nope"),
        };
        const foreign: string[] = [];
        for (const [name, f] of Object.entries(tries)) {
          try { f(); foreign.push(`${name} did not throw`); } catch (e) {
            const stack = (e as any).stack;
            for (const site of [stack].flat()) if (!/main\.ts/.test(site)) foreign.push(`${name}: ${site}`);
          }
        }
        await fetch("http://x/").catch((e) => { for (const s of [e.stack].flat()) if (/ext:|core/.test(s)) foreign.push(s) });
        foreign"#;
    assert_eq!(value(source), json!([]));
}

#[test]
fn callers_cannot_be_read_from_callbacks_of_the_platform() {
    let source = r#"
        (Error as any).prepareStackTrace = (_: Error, sites: any[]) =>
          sites.map((s) => [s.getThis(), s.getFunction()].some((x) => x !== undefined && x !== globalThis));
        const seen: any[] = [];
        new Blob([{ toString() { seen.push(new Error().stack); return "" } } as any]);
        const t = new EventTarget(); t.addEventListener("x", () => seen.push(new Error().stack)); t.dispatchEvent(new Event("x"));
        new ReadableStream({ start() { seen.push(new Error().stack) } });
        await new Promise<void>((r) => setTimeout(() => { seen.push(new Error().stack); r() }, 0));
        seen.flat().includes(true)"#;
    assert_eq!(value(source), false);
}

#[test]
fn native_syntax_and_process_flags_are_off() {
    assert_eq!(error("new Function('return %DebugPrint({})')()").detail.name, "SyntaxError");
    assert_eq!(value("typeof (globalThis as any).gc"), "undefined");
}
