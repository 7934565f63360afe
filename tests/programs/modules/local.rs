//! Files: their kinds, their places in errors, and what is denied.

use mcp_conductor::ErrorKind;
use serde_json::json;

use super::Folder;
use crate::runtimes::{error, run, value, workspace};

#[test]
fn typescript_and_javascript_files_are_modules() {
    let folder = Folder::with(&[
        (
            "lib.ts",
            "import { two } from './deep/b.js';\nexport enum E { A = 1 }\nexport const f = (x: number): number => x * two;",
        ),
        ("deep/b.js", "export const two = 2; export { default as one } from '../one.mts';"),
        ("one.mts", "export default 1 as number;"),
    ]);
    let source = "import { f, E } from '@/lib.ts'; const b = await import('@/deep/b.js');\n\
                  [f(21), E.A, b.one, (await import('@/lib.ts')).f === f]";
    assert_eq!(value(folder.program(source)), json!([42, 1, 1, true]));
}

#[test]
fn files_are_imported_as_json_text_and_bytes() {
    let folder = Folder::with(&[("data.json", "\u{feff}{ \"a\": [1] }"), ("note.txt", "é\n")]);
    let source = "import data from '@/data.json' with { type: 'json' };\n\
                  import text from '@/note.txt' with { type: 'text' };\n\
                  const { default: bytes } = await import('@/note.txt', { with: { type: 'bytes' } });\n\
                  [data, text, [...bytes]]";
    assert_eq!(value(folder.program(source)), json!([{ "a": [1] }, "é\n", [0xc3, 0xa9, 10]]));
}

#[test]
fn a_change_is_seen_by_the_next_run() {
    let folder = Folder::with(&[("lib.ts", "export default 1")]);
    let program = folder.program("import x from '@/lib.ts'; x");
    assert_eq!(value(&program), 1);
    folder.write("lib.ts", "export default 2");
    assert_eq!(value(&program), 2);
}

#[test]
fn a_module_knows_its_own_place() {
    let folder = Folder::with(&[(
        "lib.ts",
        "export const place = import.meta.url; export const beside = import.meta.resolve('./x.ts');",
    )]);
    let place = format!("file://{}/{}", workspace().display(), folder.name);
    assert_eq!(
        value(folder.program("import * as lib from '@/lib.ts'; [lib.place, lib.beside]")),
        json!([format!("{place}/lib.ts"), format!("{place}/x.ts")])
    );
}

#[test]
fn a_module_is_loaded_once_however_it_is_named() {
    let folder = Folder::with(&[("lib.ts", "console.log('ran'); export default 1")]);
    let url = format!("file://{}/{}/lib.ts", workspace().display(), folder.name);
    let source = format!("import '@/lib.ts'; import '@/deep/../lib.ts'; await import('{url}'); 5");
    assert_eq!(run(folder.program(&source)).output, ["ran"]);
}

#[test]
fn an_error_has_its_place_in_the_file() {
    let folder = Folder::with(&[
        (
            "lib.ts",
            "interface A {\n  a: 1\n}\nexport function f(): never {\n  throw new Error('here');\n}",
        ),
        ("broken.ts", "export const a = 1;\nconst b = = 2;"),
        ("broken.js", "export const a = = 1;"),
    ]);
    let thrown = error(folder.program("import { f } from '@/lib.ts';\n\nf()"));
    assert!(thrown.message.contains("here"), "{thrown:#?}");
    assert_eq!(thrown.detail.line, Some(3), "{thrown:#?}");
    let stack = thrown.detail.stack.expect("a stack");
    assert!(stack.contains("lib.ts:5:9"), "{stack}");
    let message = error(folder.program("import '@/broken.ts'; 5")).message;
    assert!(
        message.contains("broken.ts:2:11") && message.contains("> 2 | const b = = 2;"),
        "{message}"
    );
    let message = error(folder.program("await import('@/broken.js')")).message;
    assert!(message.contains("SyntaxError"), "{message}");
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let folder =
        Folder::with(&[("lib.ts", "export default 1"), ("deep/mod.ts", "export default 1")]);
    for (specifier, hint) in [
        ("@/lib", ": did you mean \"@/lib.ts\"?"),
        ("@/lib.js", ": did you mean \"@/lib.ts\"?"),
        ("@/deep", ", which is a directory: did you mean \"@/deep/mod.ts\"?"),
        ("@/nosuch.ts", ""),
    ] {
        let hint = folder.program(hint);
        let message = error(folder.program(&format!("await import('{specifier}')"))).message;
        assert!(message.starts_with("TypeError: Module not found \"file://"), "{message}");
        assert!(message.ends_with(&format!("\"{hint}")), "{message}");
        assert_eq!(message.contains("did you mean"), !hint.is_empty(), "{message}");
    }
}

#[test]
fn an_error_of_an_import_names_the_importer_and_where() {
    let folder = Folder::with(&[
        ("a/b.ts", "// b\nimport '../lib/no.ts'"),
        ("a/c.ts", "import 'nosuch'"),
        ("a/d.ts", "import data from './bad.json' with { type: 'json' }; export { data }"),
        ("a/bad.json", "{ \"a\": hello }"),
    ]);
    for (name, expected) in [
        ("a/b.ts", "a/b.ts:2:"),
        ("a/c.ts", "has that name. Import a package as \"npm:nosuch\""),
        ("a/c.ts", "a/c.ts"),
        ("a/d.ts", "a/bad.json:1:"),
    ] {
        let message = error(folder.program(&format!("import '@/{name}'; 5"))).message;
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn what_is_no_module_says_how_it_is_imported() {
    let folder = Folder::with(&[
        ("data.json", "{}"),
        ("note.txt", "a"),
        ("old.cjs", "module.exports = 1"),
        ("old.js", "module.exports = 1"),
        ("page.tsx", "export default <p/>"),
    ]);
    for (name, advice) in [
        ("data.json", "with { type: \"json\" }"),
        ("note.txt", "{ type: \"text\" }"),
        ("old.cjs", "CommonJS"),
        ("old.js", "CommonJS"),
        ("page.tsx", "JSX is not available"),
    ] {
        let message = error(folder.program(&format!("await import('@/{name}')"))).message;
        assert!(message.contains(advice), "{message}");
    }
    let source = "await import('@/note.txt', { with: { type: 'css' } })";
    let message = error(folder.program(source)).message;
    assert!(message.contains("\"css\" is unsupported"), "{message}");
}

#[test]
fn a_file_that_may_not_be_read_is_not_imported() {
    let folder = Folder::with(&[("lib.ts", "export { default } from '../../outside.ts'")]);
    std::os::unix::fs::symlink("/etc/hostname", folder.path.join("link.ts")).expect("a link");
    for source in [
        "import x from '../outside.ts'; x".to_owned(),
        "await import('/etc/passwd', { with: { type: 'text' } })".to_owned(),
        "await import('file:///etc/passwd', { with: { type: 'text' } })".to_owned(),
        folder.program("import x from '@/lib.ts'; x"),
        folder.program("await import('@/link.ts', { with: { type: 'text' } })"),
    ] {
        let error = error(&source);
        assert_eq!(error.kind, ErrorKind::Permission, "{source}: {error:#?}");
        assert!(error.message.contains("Requires read access to \""), "{}", error.message);
        assert!(
            error.message.contains("run again with the --allow-read flag"),
            "{}",
            error.message
        );
    }
}

#[test]
fn a_program_does_not_import_itself() {
    let message = error("await import('file:///main.ts')").message;
    assert!(message.contains("cannot import itself"), "{message}");
}

#[test]
fn modules_that_import_each_other_in_a_circle_are_loaded() {
    let folder = Folder::with(&[
        ("a.ts", "import { b } from './b.ts'; export const a = () => b; export const x = 1;"),
        ("b.ts", "import { x } from './a.ts'; export const b = 2; export const y = () => x;"),
    ]);
    assert_eq!(
        value(folder.program("import { a } from '@/a.ts'; import { y } from '@/b.ts'; [a(), y()]")),
        json!([2, 1])
    );
}
