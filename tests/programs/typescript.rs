//! TypeScript's own syntax, and imports.

use serde_json::json;

use super::runtimes::{error, output, run, value, value_of, workspace};

#[test]
fn enums_work() {
    assert_eq!(
        value("enum E { A, B = 'x', C = 3 } const enum F { A = 7 } [E.A, E[0], E.B, E.C, F.A]"),
        json!([0, "A", "x", 3, 7])
    );
}

#[test]
fn namespaces_work() {
    let source = "namespace N { export const a = 1; export namespace M { export const b = 2 } }\n\
        N.a + N.M.b";
    assert_eq!(value(source), 3);
}

#[test]
fn generics_work() {
    let source = "function id<T extends unknown>(x: T): T { return x }\n\
        const first = <T,>(xs: readonly T[]) => xs[0];\n\
        class Box<out T> { constructor(readonly value: T) {} }\n\
        [id<number>(5), first<string>(['s']), new Box<boolean>(true).value]";
    assert_eq!(value(source), json!([5, "s", true]));
}

#[test]
fn satisfies_and_assertions_are_erased() {
    let source = "const c = { a: 1 } as const satisfies Record<string, number>;\n\
        const d = (c as unknown as { a: number | null })!.a!;\n\
        [c.a, <any>d]";
    assert_eq!(value(source), json!([1, 1]));
}

#[test]
fn parameter_properties_and_abstract_classes_work() {
    let source = "abstract class S { constructor(protected a: number, readonly b = 2) {}\n\
          abstract scale(): number; sum() { return this.scale() * (this.a + this.b) } }\n\
        class T extends S { override scale() { return 10 } }\n\
        new T(1).sum()";
    assert_eq!(value(source), 30);
}

#[test]
fn overloads_and_declared_variables_are_erased() {
    let source = "function f(a: number): number; function f(a: string): string;\n\
        function f(a: any) { return a }\n\
        declare const nowhere: number; declare global { interface Window { a: 1 } }\n\
        [f(1), typeof nowhere]";
    assert_eq!(value(source), json!([1, "undefined"]));
}

#[test]
fn standard_decorators_work() {
    let source = "
        const seen: string[] = [];
        const note = (_: any, context: any) => { seen.push(`${context.kind} ${context.name}`) };
        const twice = (method: any, _: any) =>
          function (this: any, ...a: any[]) { return 2 * method.apply(this, a) };
        @note class A { @note field = 1; @twice times(x: number) { return x + this.field } }
        [new A().times(4), seen]";
    assert_eq!(value(source), json!([10, ["field field", "class A"]]));
}

#[test]
fn imports_of_types_are_erased() {
    assert_eq!(value("import type { A } from './nope.ts'; 5"), 5);
    assert_eq!(value("import { type A } from './nope.ts'; let a: A; 5"), 5);
    assert_eq!(value("export type { A } from './nope.ts'; 5"), 5);
}

#[test]
fn data_urls_can_be_imported_as_javascript_typescript_and_json() {
    let source = "import one from 'data:text/javascript,export default 1';\n\
        import two from 'data:application/typescript,const x: number = 2; export default x';\n\
        import three from 'data:application/json,{\"a\":3}' with { type: 'json' };\n\
        import * as all from 'data:text/javascript;base64,ZXhwb3J0IGNvbnN0IGEgPSA0';\n\
        [one, two, three, { ...all }]";
    assert_eq!(value(source), json!([1, 2, { "a": 3 }, { "a": 4 }]));
}

#[test]
fn a_reexport_still_runs_what_it_names() {
    let execution = run("export * from \"data:text/javascript,console.log('side')\"; 5");
    assert_eq!(execution.output, ["side"]);
    assert_eq!(value_of(execution), 5);
}

#[test]
fn accessors_work() {
    let source = "
        const twice = ({ get }: any, _: any) => ({ get(this: any) { return 2 * get.call(this) } });
        class A { accessor x = 1; static accessor y = 'y'; @twice accessor z: number = 3 }
        const a = new A();
        a.x += 1;
        [a.x, Object.keys(a), A.y, a.z, new (class { accessor #p = 4; p() { return this.#p } })().p()]";
    assert_eq!(value(source), json!([2, [], "y", 6, 4]));
}

#[test]
fn the_module_stands_in_the_workspace() {
    let directory = workspace();
    let place = directory.display();
    assert_eq!(
        value("({ ...import.meta, resolve: import.meta.resolve('data:text/javascript,1') })"),
        json!({
            "url": format!("file://{place}/main.ts"),
            "main": true,
            "resolve": "data:text/javascript,1",
            "filename": format!("{place}/main.ts"),
            "dirname": directory,
        })
    );
    assert_eq!(
        value("[import.meta.dirname === Deno.cwd(), import.meta.url === Deno.mainModule]"),
        json!([true, true])
    );
}

#[test]
fn a_file_beside_the_program_is_found_by_its_url() {
    let source = "
        await Deno.writeTextFile('beside ä.json', '{\"a\":1}');
        const read = async (url: string | URL) => JSON.parse(await Deno.readTextFile(new URL(url)));
        [await read(new URL('./beside ä.json', import.meta.url)),
          await read(import.meta.resolve('./beside ä.json')),
          JSON.parse(Deno.readTextFileSync(`${import.meta.dirname}/beside ä.json`))]";
    assert_eq!(value(source), json!([{ "a": 1 }, { "a": 1 }, { "a": 1 }]));
}

#[test]
fn an_import_that_is_not_available_says_what_is() {
    let missing =
        format!("TypeError: Module not found \"file://{}/nosuch.ts\"", workspace().display());
    for (specifier, message) in [
        ("./nosuch.ts", missing.as_str()),
        (
            "https://example.com/x.js",
            "TypeError: Requires import access to \"example.com:443\", run again with the \
             --allow-import flag. This server does not load remote modules",
        ),
        (
            "npm:lodash",
            "NotCapable: Requires import access to \"npm:lodash\", which no flag grants: no \
             packages are allowed here. An administrator allows one with \
             MCP_CONDUCTOR_ALLOWED_PACKAGES=npm:lodash and runs `mcp-conductor install`",
        ),
        (
            "lodash",
            "TypeError: Import \"lodash\" is not available: neither \"imports\" of the workspace's \
             deno.json nor \"dependencies\" of its package.json has that name. Import a package \
             as \"npm:lodash\", if that is meant, a file of the workspace as \"./FILE.ts\"",
        ),
    ] {
        assert_eq!(error(format!("await import('{specifier}')")).message, message);
        let linked = error(format!("import '{specifier}'; 5")).message;
        let place = linked.strip_prefix(message).expect("the same text");
        // deno_core knows the place of an import in modules that it loads itself.
        assert!(place.is_empty() || place.starts_with(" at file:///main.ts:1:"), "{linked}");
    }
}

#[test]
fn comments_that_name_modules_load_nothing() {
    assert_eq!(
        output(
            "/** @jsxImportSource http://127.0.0.1:1 */\n\
             /// <reference types=\"http://127.0.0.1:1/t.d.ts\" />\n\
             // @deno-types=\"file:///t.d.ts\"\nconsole.log('ran')"
        ),
        ["ran"]
    );
}
