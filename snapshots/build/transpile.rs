//! Scripts of deno_node as V8 takes them from a snapshot: JavaScript, in ASCII.

use std::fmt::Write;

use deno_ast::{
    EmitOptions, ImportsNotUsedAsValues, MediaType, ParseParams, SourceMapOption,
    TranspileModuleOptions, TranspileOptions,
};
use deno_core::{ModuleCodeString, ModuleName, SourceMapData, url::Url};
use deno_error::JsErrorBox;

/// Takes the specifier and text of a script, for the snapshot with the node: built-ins.
pub(super) fn patch_and_transpile(
    specifier: ModuleName,
    code: ModuleCodeString,
) -> Result<(ModuleCodeString, Option<SourceMapData>), JsErrorBox> {
    let name = specifier.as_str().to_owned();
    let (code, _) = super::patches::patch(specifier, code)?;
    let code = if is_typescript(&name) { transpile(&name, code)? } else { code };
    Ok((ascii(code), None))
}

/// A built-in has no extension; some are TypeScript, which JavaScript is too.
fn is_typescript(name: &str) -> bool {
    name.ends_with(".ts") || name.starts_with("node:")
}

fn transpile(name: &str, code: ModuleCodeString) -> Result<ModuleCodeString, JsErrorBox> {
    let parsed = deno_ast::parse_module(ParseParams {
        specifier: Url::parse(name).map_err(JsErrorBox::from_err)?,
        text: code.as_str().into(),
        media_type: MediaType::TypeScript,
        capture_tokens: false,
        scope_analysis: false,
        maybe_syntax: None,
    })
    .map_err(JsErrorBox::from_err)?;
    let options = TranspileOptions {
        imports_not_used_as_values: ImportsNotUsedAsValues::Remove,
        ..Default::default()
    };
    let emit = EmitOptions { source_map: SourceMapOption::None, ..Default::default() };
    let transpiled = parsed
        .transpile(&options, &TranspileModuleOptions::default(), &emit)
        .map_err(JsErrorBox::from_err)?;
    Ok(transpiled.into_source().text.into())
}

/// Characters outside of ASCII as escapes: they are in string literals and comments only.
fn ascii(code: ModuleCodeString) -> ModuleCodeString {
    if code.as_str().is_ascii() {
        return code;
    }
    let mut text = String::with_capacity(code.as_str().len());
    for character in code.as_str().chars() {
        if character.is_ascii() {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(text, "\\u{unit:04x}").expect("a string is a writer");
        }
    }
    text.into()
}
