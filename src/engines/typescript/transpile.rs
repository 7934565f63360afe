//! TypeScript to JavaScript with a source map, and the place of a syntax error.

use std::cell::Cell;
use std::sync::Arc;

use deno_ast::diagnostics::Diagnostic as _;
use deno_ast::swc::ast::Module;
use deno_ast::{
    DecoratorsTranspileOption, EmitOptions, MediaType, ModuleSpecifier, ParseDiagnostic,
    ParseParams, SourceMapOption, StartSourcePos, TranspileError, TranspileModuleOptions,
    TranspileOptions,
};

use super::capture;
use super::commonjs;
use super::fence::{self, Fences};
use super::flavor::Flavor;
use super::meta::{self, Home};
use crate::protocol::{ProgramError, ProgramErrorKind};
use crate::text::code_frame::{Place, code_frame, place_of_offset};

/// JavaScript and the way back to the source.
pub(super) struct Transpiled {
    pub code: String,
    pub source_map: Vec<u8>,
}

/// Turns a program into the module that `capture` describes. Where there are built-ins,
/// it may be written for Node.
pub(super) fn transpile_program(
    specifier: &ModuleSpecifier,
    source: &str,
    home: &Home,
    flavor: Flavor,
) -> Result<Transpiled, Box<ProgramError>> {
    let mut variable = "__value".to_owned();
    while source.contains(&variable) {
        variable.push('_');
    }
    let asks_for_meta = source.contains("meta");
    let is_commonjs = flavor == Flavor::Node && commonjs::is_possible(source);
    transpile(specifier, source, |mut module| {
        let mut first = Vec::new();
        if asks_for_meta {
            first.extend(meta::statements(home));
        }
        if is_commonjs {
            first.extend(commonjs::change(&mut module, &variable, home));
        }
        capture::wrap(module, &variable, first)
    })
}

/// Turns an imported module into JavaScript and leaves its meaning alone.
pub(super) fn transpile_import(
    specifier: &ModuleSpecifier,
    source: &str,
) -> Result<Transpiled, Box<ProgramError>> {
    transpile(specifier, source, |module| module)
}

/// Transpiles a text, or what stands in its one Markdown fence where the text itself is
/// no program.
fn transpile(
    specifier: &ModuleSpecifier,
    source: &str,
    change: impl Fn(Module) -> Module,
) -> Result<Transpiled, Box<ProgramError>> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    if !fence::is_possible(source) {
        return transpile_text(specifier, source, change);
    }
    let is_fence = Cell::new(false);
    let as_given = transpile_text(specifier, source, |module| {
        is_fence.set(fence::is_in(&module));
        change(module)
    });
    if as_given.is_ok() && !is_fence.get() {
        return as_given;
    }
    match fence::find(source) {
        Fences::None => as_given,
        Fences::One(text) => {
            transpile_text(specifier, &text, change).map_err(|error| reframed(error, source))
        }
        Fences::Several(lines) => Err(several_fences(source, &lines, as_given.err())),
    }
}

/// An error with the code as it was given around it.
fn reframed(mut error: Box<ProgramError>, source: &str) -> Box<ProgramError> {
    if let (Some(line), Some(column)) = (error.line, error.column) {
        error.frame = code_frame(source, Place { line, column });
    }
    error
}

fn several_fences(
    source: &str,
    lines: &[usize],
    error: Option<Box<ProgramError>>,
) -> Box<ProgramError> {
    let advice = fence::several(lines);
    match error {
        Some(mut error) => {
            error.message = format!("{} ({advice})", error.message);
            error
        }
        None => {
            let line = u32::try_from(lines[0]).unwrap_or(u32::MAX);
            located_syntax_error(source, Place { line, column: 1 }, advice)
        }
    }
}

fn transpile_text(
    specifier: &ModuleSpecifier,
    source: &str,
    change: impl FnOnce(Module) -> Module,
) -> Result<Transpiled, Box<ProgramError>> {
    let params = ParseParams {
        specifier: specifier.clone(),
        text: Arc::from(source),
        media_type: MediaType::TypeScript,
        capture_tokens: false,
        scope_analysis: false,
        maybe_syntax: None,
    };
    let parsed = deno_ast::parse_module_with_post_process(params, |module, _| change(module))
        .map_err(|diagnostic| syntax_error(source, &diagnostic))?;
    let options = TranspileOptions {
        // The pass for decorators walks the whole tree; most programs have none. It makes
        // accessors too, which V8 does not know.
        decorators: if source.contains('@') || source.contains("accessor") {
            DecoratorsTranspileOption::Ecma
        } else {
            DecoratorsTranspileOption::None
        },
        ..Default::default()
    };
    let emit = EmitOptions {
        source_map: SourceMapOption::Separate,
        inline_sources: false,
        ..Default::default()
    };
    let emitted = parsed
        .transpile(&options, &TranspileModuleOptions::default(), &emit)
        .map_err(|error| transpile_error(source, error))?
        .into_source();
    Ok(Transpiled {
        code: emitted.text,
        source_map: emitted.source_map.unwrap_or_default().into_bytes(),
    })
}

fn transpile_error(source: &str, error: TranspileError) -> Box<ProgramError> {
    match error {
        TranspileError::ParseErrors(errors) if !errors.0.is_empty() => {
            syntax_error(source, &errors.0[0])
        }
        other => Box::new(ProgramError {
            kind: ProgramErrorKind::Syntax,
            name: "SyntaxError".into(),
            message: other.to_string(),
            ..Default::default()
        }),
    }
}

fn syntax_error(source: &str, diagnostic: &ParseDiagnostic) -> Box<ProgramError> {
    let start = StartSourcePos::START_SOURCE_POS;
    let place = place_of_offset(source, diagnostic.range().start.as_byte_index(start));
    located_syntax_error(source, place, diagnostic.message().into_owned())
}

/// A syntax error at a place of the source, with its code frame.
pub(super) fn located_syntax_error(
    source: &str,
    place: Place,
    message: String,
) -> Box<ProgramError> {
    Box::new(ProgramError {
        kind: ProgramErrorKind::Syntax,
        name: "SyntaxError".into(),
        message,
        line: Some(place.line),
        column: Some(place.column),
        frame: code_frame(source, place),
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn main() -> ModuleSpecifier {
        ModuleSpecifier::parse("file:///main.ts").unwrap()
    }

    fn transpiled(source: &str) -> Result<Transpiled, Box<ProgramError>> {
        transpile_program(&main(), source, &Home::new("/srv/work"), Flavor::Plain)
    }

    fn code(source: &str) -> String {
        transpiled(source).map(|t| t.code).unwrap_or_else(|e| e.message)
    }

    #[test]
    fn the_last_expression_is_captured() {
        assert_eq!(
            code("const x: number = 1; x + 1"),
            "export default (0, async ()=>{\n  let __value;\n  const x = 1;\n  __value = x + 1;\n  return __value;\n});\n"
        );
    }

    #[test]
    fn a_top_level_return_stays_a_return() {
        assert_eq!(
            code("return 5"),
            "export default (0, async ()=>{\n  let __value;\n  return 5;\n  return __value;\n});\n"
        );
    }

    #[test]
    fn a_loop_with_break_captures_every_statement() {
        assert_eq!(
            code("for (;;) { if (a) { 1; break; } 2 }"),
            "export default (0, async ()=>{\n  let __value;\n  for(;;){\n    __value = void 0;\n    if (a) {\n      __value = 1;\n      break;\n    }\n    __value = 2;\n  }\n  return __value;\n});\n"
        );
    }

    #[test]
    fn imports_stay_outside_and_exports_lose_their_keyword() {
        assert_eq!(
            code("import { a } from 'x'; export const b = a; export default b"),
            "import { a } from 'x';\nexport default (0, async ()=>{\n  let __value;\n  const b = a;\n  __value = b;\n  return __value;\n});\n"
        );
    }

    #[test]
    fn a_name_that_the_program_uses_is_not_taken() {
        assert!(code("let __value = 1; __value").contains("let __value_;"));
    }

    #[test]
    fn a_syntax_error_names_line_and_column_and_shows_the_code() {
        let error = transpiled("const x = 1;\nconst y = = 2;").err().unwrap();
        assert_eq!((error.line, error.column), (Some(2), Some(11)));
        assert_eq!(
            error.frame.as_deref(),
            Some("  1 | const x = 1;\n> 2 | const y = = 2;\n    |           ^")
        );
    }

    #[test]
    fn what_a_program_knows_of_its_place_stands_before_it_where_it_asks() {
        assert_eq!(
            code("import.meta.url"),
            "export default (0, async ()=>{\n  let __value;\n  import.meta.url = \
             \"file:///srv/work/main.ts\";\n  import.meta.filename = \"/srv/work/main.ts\";\n  \
             import.meta.dirname = \"/srv/work\";\n  __value = import.meta.url;\n  return \
             __value;\n});\n"
        );
    }

    #[test]
    fn a_function_that_nothing_calls_is_called_and_awaited() {
        for source in [
            "async () => 1",
            "(function () { return 1 })",
            "export default async (a?: number, ...b: number[]) => a",
            "export default async function () {}",
            "import 'x'; interface A { a: 1 }; export default function f({ a } = { a: 1 }) {}",
            "const a = 1; export default () => a",
            "function f(this: unknown) { return f() } export { f as default }",
            "const f = async () => 1; export default f",
            "async function g() {}\ng",
        ] {
            assert!(code(source).ends_with("  return await __value();\n});\n"), "{}", code(source));
        }
        for (source, name) in [
            ("async function main() { return 1 }", "main"),
            ("function f() { return 1 }", "f"),
            ("export const run = async () => 1;", "run"),
            ("console.log(1); async function main() {}", "main"),
            ("async function main() { return help() } function help() {} const a = 1", "main"),
            ("const main = async () => { main.name }; export { main }", "main"),
        ] {
            let end = format!("  return await {name}();\n}});\n");
            assert!(code(source).ends_with(&end), "{}", code(source));
        }
    }

    #[test]
    fn a_function_that_needs_an_argument_or_that_something_uses_is_not_called() {
        for source in [
            "(a) => a",
            "export default async function (request: Request) {}",
            "export default function* () {}",
            "function main(a) {}",
            "async function main() {} main()",
            "async function main() {} main().catch(console.error); 5",
            "setTimeout(main, 1); function main() {}",
            "const r = f(); export default function f() { return 1 }",
            "if (import.meta.main) main(); async function main() {}",
            "function f() {} function g() {}",
            "function main() {} console.log(1)",
            "export default { fetch() {} }",
            "export default class A {}",
            "const f = () => 1, g = () => 2",
            "declare function f(): void",
            "return () => 1",
        ] {
            assert!(code(source).ends_with("  return __value;\n});\n"), "{}", code(source));
        }
    }

    #[test]
    fn code_in_a_fence_is_taken_where_the_text_is_no_program() {
        let plain = code("1 + 1");
        for source in [
            "```\n1 + 1\n```",
            "```ts\n1 + 1\n```\n",
            "Here it is:\n\n```typescript\n1 + 1\n```\n\nIt adds, doesn't it?",
            "Answer:\n```js\n1 + 1\n```",
            "Sure\n```js\n1 + 1\n```",
            "~~~ts\n1 + 1\n~~~",
        ] {
            assert_eq!(code(source), plain, "{source}");
        }
    }

    #[test]
    fn what_parses_and_only_looks_like_a_fence_is_left_alone() {
        for source in ["'```'", "['```ts', '1', '```'].join('\\n')", "tag`a```"] {
            assert!(code(source).contains("```"), "{}", code(source));
        }
        assert!(transpiled("write(`# Title\n```js\n1\n```\n`)").is_err());
    }

    #[test]
    fn a_syntax_error_in_a_fence_is_placed_in_the_text_as_it_was_given() {
        let error = transpiled("Here:\n```ts\nconst y = = 2;\n```").err().unwrap();
        assert_eq!((error.line, error.column), (Some(3), Some(11)));
        assert_eq!(
            error.frame.as_deref(),
            Some("  1 | Here:\n  2 | ```ts\n> 3 | const y = = 2;\n    |           ^\n  4 | ```")
        );
    }

    #[test]
    fn of_several_fences_none_is_taken_and_the_error_says_what_to_do() {
        let advice = "the text has 2 Markdown code fences, at lines 1 and 5: pass one program, \
                      without the lines of the fences";
        let error = transpiled("```ts\n1\n```\n\n```ts\n2\n```").err().unwrap();
        assert_eq!((error.message.as_str(), error.line), (advice, Some(1)));
        let error = transpiled("```ts\n1\n```\nor so:\n```ts\n2\n```").err().unwrap();
        assert!(error.message.ends_with(&format!("({advice})")), "{}", error.message);
    }
}
