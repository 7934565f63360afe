//! The texts in a module that stand for its own place: `__filename`, `__dirname`,
//! `import.meta.url`, `import.meta.filename` and `import.meta.dirname`. In the output
//! they are literals: the file's final place in the store.

use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::ast::{Expression, StaticMemberExpression};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::SemanticBuilder;
use oxc::span::{GetSpan, SourceType};
use url::Url;

use super::stubs::quoted;

/// The text with its places filled in. What cannot be parsed is left as it is: then the
/// build says what is wrong with it.
pub(super) fn place_texts(place: &Path, text: String) -> String {
    let file = text.contains("__filename");
    let directory = text.contains("__dirname");
    let meta = text.contains("import.meta");
    if !(file || directory || meta) {
        return text;
    }
    let Some(uses) = Uses::find(&text, place) else { return text };
    uses.fill(&text, place)
}

/// What a module uses of its own place.
struct Uses {
    filename: bool,
    dirname: bool,
    /// Members of `import.meta`, by their spans.
    metas: Vec<(Range<usize>, &'static str)>,
}

impl Uses {
    fn find(text: &str, place: &Path) -> Option<Self> {
        let allocator = Allocator::default();
        let source_type = SourceType::from_path(place).unwrap_or_default();
        let module = if source_type.is_commonjs() || source_type.is_typescript() {
            source_type
        } else {
            SourceType::mjs()
        };
        let parsed = Parser::new(&allocator, text, module)
            .with_options(ParseOptions {
                allow_return_outside_function: true,
                ..ParseOptions::default()
            })
            .parse();
        if parsed.panicked {
            return None;
        }
        let semantic = SemanticBuilder::new().build(&parsed.program).semantic;
        let free = semantic.scoping().root_unresolved_references();
        let mut metas = Metas(Vec::new());
        metas.visit_program(&parsed.program);
        Some(Self {
            filename: free.contains_key("__filename"),
            dirname: free.contains_key("__dirname"),
            metas: metas.0,
        })
    }

    fn fill(self, text: &str, place: &Path) -> String {
        let mut filled = String::with_capacity(text.len() + 256);
        let hashbang =
            if text.starts_with("#!") { text.find('\n').unwrap_or(text.len()) } else { 0 };
        // On the first line, so that the lines of the module stay what they are.
        let (first, last) = if hashbang == 0 { (0, "") } else { (hashbang, "\n") };
        filled.push_str(last);
        if self.filename {
            let _ = write!(filled, "var __filename = {};", quoted(&place.to_string_lossy()));
        }
        if self.dirname {
            let directory = place.parent().unwrap_or(place).to_string_lossy();
            let _ = write!(filled, "var __dirname = {};", quoted(&directory));
        }
        let mut position = first;
        for (span, member) in self.metas {
            filled.push_str(&text[position..span.start]);
            filled.push_str(&literal(member, place));
            position = span.end;
        }
        filled.push_str(&text[position..]);
        filled
    }
}

fn literal(member: &str, place: &Path) -> String {
    let directory = place.parent().unwrap_or(place);
    match member {
        "url" => quoted(Url::from_file_path(place).map_or(String::new(), String::from).as_str()),
        "filename" => quoted(&place.to_string_lossy()),
        _ => quoted(&directory.to_string_lossy()),
    }
}

struct Metas(Vec<(Range<usize>, &'static str)>);

impl<'a> Visit<'a> for Metas {
    fn visit_static_member_expression(&mut self, it: &StaticMemberExpression<'a>) {
        let of_import = matches!(&it.object, Expression::ImportMeta(_));
        let member = ["url", "filename", "dirname"]
            .into_iter()
            .find(|name| it.property.name.as_str() == *name);
        match member {
            Some(member) if of_import => {
                let span = it.span();
                self.0.push((span.start as usize..span.end as usize, member));
            }
            Some(_) | None => walk::walk_static_member_expression(self, it),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::place_texts;

    fn placed(text: &str) -> String {
        place_texts(Path::new("/store/a/b.js"), text.to_owned())
    }

    #[test]
    fn a_module_knows_its_final_place() {
        assert_eq!(
            placed("#!/usr/bin/env node\nread(__dirname + '/x', __filename)"),
            "\nvar __filename = \"/store/a/b.js\";var __dirname = \"/store/a\";\nread(__dirname + '/x', __filename)"
        );
        assert_eq!(
            placed("export const u = new URL('.', import.meta.url), d = import.meta.dirname;"),
            "export const u = new URL('.', \"file:///store/a/b.js\"), d = \"/store/a\";"
        );
    }

    #[test]
    fn a_modules_own_variable_of_that_name_stays() {
        let text = "const __dirname = import.meta.other; __dirname;";
        assert_eq!(placed(text), text);
    }
}
