//! TypeScript to JavaScript with a source map, and the place of a syntax error.

use std::sync::Arc;

use deno_ast::diagnostics::Diagnostic as _;
use deno_ast::{
    DecoratorsTranspileOption, EmitOptions, MediaType, ModuleSpecifier, ParseDiagnostic,
    ParseParams, SourceMapOption, StartSourcePos, TranspileError, TranspileModuleOptions,
    TranspileOptions,
};

use super::capture;
use super::code_frame::{Place, code_frame, place_of_offset};
use crate::protocol::{ProgramError, ProgramErrorKind};

/// JavaScript and the way back to the source.
pub(super) struct Transpiled {
    pub code: String,
    pub source_map: Vec<u8>,
}

/// Turns a program into the module that `capture` describes.
pub(super) fn transpile_program(
    specifier: &ModuleSpecifier,
    source: &str,
) -> Result<Transpiled, Box<ProgramError>> {
    let mut variable = "__value".to_owned();
    while source.contains(&variable) {
        variable.push('_');
    }
    transpile(specifier, source, |module| capture::wrap(module, &variable))
}

/// Turns an imported module into JavaScript and leaves its meaning alone.
pub(super) fn transpile_import(
    specifier: &ModuleSpecifier,
    source: &str,
) -> Result<Transpiled, Box<ProgramError>> {
    transpile(specifier, source, |module| module)
}

fn transpile(
    specifier: &ModuleSpecifier,
    source: &str,
    change: impl FnOnce(deno_ast::swc::ast::Module) -> deno_ast::swc::ast::Module,
) -> Result<Transpiled, Box<ProgramError>> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
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
        // The pass for decorators walks the whole tree; most programs have none.
        decorators: if source.contains('@') {
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
        stack: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn main() -> ModuleSpecifier {
        ModuleSpecifier::parse("file:///main.ts").unwrap()
    }

    fn code(source: &str) -> String {
        transpile_program(&main(), source).map(|t| t.code).unwrap_or_else(|e| e.message)
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
        let error = transpile_program(&main(), "const x = 1;\nconst y = = 2;").err().unwrap();
        assert_eq!((error.line, error.column), (Some(2), Some(11)));
        assert_eq!(
            error.frame.as_deref(),
            Some("  1 | const x = 1;\n> 2 | const y = = 2;\n    |           ^")
        );
    }
}
