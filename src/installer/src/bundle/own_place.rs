//! The texts in a module that stand for its own place: `__filename`, `__dirname`,
//! `import.meta.url`, `import.meta.filename` and `import.meta.dirname`, and
//! `require.resolve("./file")`. In the output they are literals: the final place of the
//! file in the store.

use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use oxc::allocator::Allocator;
use oxc::ast::ast::{Argument, CallExpression, Expression, StaticMemberExpression};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::SemanticBuilder;
use oxc::span::{SourceType, Span};
use url::Url;

use super::places::Places;
use super::stubs::quoted;

/// The text of a module with its places filled in. What cannot be parsed is left as it
/// is: then the build says what is wrong with it.
pub(super) fn place_texts(places: &Places, real: &Path, text: String) -> String {
    const USES: [&str; 4] = ["__filename", "__dirname", "import.meta", "require.resolve"];
    if !USES.iter().any(|word| text.contains(word)) {
        return text;
    }
    match Uses::find(&text, places, real) {
        Some(uses) => uses.fill(&text, &places.final_place(real)),
        None => text,
    }
}

/// What a module uses of its own place.
struct Uses {
    filename: bool,
    dirname: bool,
    /// Expressions that are literals in the output, in order.
    literals: Vec<(Range<usize>, String)>,
}

impl Uses {
    fn find(text: &str, places: &Places, real: &Path) -> Option<Self> {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, text, source_type(real))
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
        let mut found = Found {
            places,
            real,
            place: places.final_place(real),
            require: free.contains_key("require"),
            literals: Vec::new(),
        };
        found.visit_program(&parsed.program);
        Some(Self {
            filename: free.contains_key("__filename"),
            dirname: free.contains_key("__dirname"),
            literals: found.literals,
        })
    }

    /// What is declared comes first on the first line, so that all lines stay what they
    /// are; a line of `#!` becomes an empty one.
    fn fill(self, text: &str, place: &Path) -> String {
        let mut filled = String::with_capacity(text.len() + 256);
        let mut position = 0;
        if text.starts_with("#!") {
            position = text.find('\n').map_or(text.len(), |end| end + 1);
            filled.push('\n');
        }
        if self.filename {
            let _ = write!(filled, "var __filename = {};", literal("filename", place));
        }
        if self.dirname {
            let _ = write!(filled, "var __dirname = {};", literal("dirname", place));
        }
        for (span, literal) in self.literals {
            filled.push_str(&text[position..span.start]);
            filled.push_str(&literal);
            position = span.end;
        }
        filled.push_str(&text[position..]);
        filled
    }
}

/// Modules and CommonJS alike, as rolldown reads them.
fn source_type(path: &Path) -> SourceType {
    match SourceType::from_path(path) {
        Ok(kind) if kind.is_commonjs() || kind.is_typescript() => kind,
        Ok(_) | Err(_) => SourceType::mjs(),
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

/// The expressions of a module that name places.
struct Found<'p> {
    places: &'p Places,
    real: &'p Path,
    place: PathBuf,
    /// Whether `require` is the module's own.
    require: bool,
    literals: Vec<(Range<usize>, String)>,
}

impl Found<'_> {
    fn add(&mut self, span: Span, literal: String) {
        self.literals.push((span.start as usize..span.end as usize, literal));
    }

    /// The file of `require.resolve("./file")`, if the package has it.
    fn resolved(&self, call: &CallExpression<'_>) -> Option<String> {
        let Expression::StaticMemberExpression(member) = &call.callee else { return None };
        let Expression::Identifier(object) = &member.object else { return None };
        let [Argument::StringLiteral(specifier)] = &call.arguments[..] else { return None };
        let named = object.name.as_str() == "require" && member.property.name.as_str() == "resolve";
        let specifier = specifier.value.as_str();
        if !self.require || !named || !specifier.starts_with('.') {
            return None;
        }
        let file = self.real.parent()?.join(specifier);
        let candidates = ["", ".js", ".json", "/index.js"];
        let found = candidates.iter().find_map(|end| {
            let mut path = file.clone().into_os_string();
            path.push(end);
            self.places.inside(Path::new(&path)).filter(|path| path.is_file())
        })?;
        Some(quoted(&self.places.final_place(&found).to_string_lossy()))
    }
}

impl<'a> Visit<'a> for Found<'_> {
    fn visit_static_member_expression(&mut self, it: &StaticMemberExpression<'a>) {
        let of_import = matches!(&it.object, Expression::ImportMeta(_));
        let member = it.property.name.as_str();
        if of_import && ["url", "filename", "dirname"].contains(&member) {
            self.add(it.span, literal(member, &self.place));
        } else {
            walk::walk_static_member_expression(self, it);
        }
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        match self.resolved(it) {
            Some(path) => self.add(it.span, path),
            None => walk::walk_call_expression(self, it),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::place_texts;
    use crate::bundle::places::Places;
    use crate::exchange::BundleRequest;

    fn placed(text: &str) -> String {
        let generation = tempfile::tempdir().expect("a directory");
        let package = generation.path().join("node_modules/a");
        fs::create_dir_all(&package).expect("a package");
        fs::write(package.join("x.js"), "").expect("a file");
        let places = Places::new(&BundleRequest {
            generation: generation.path().to_owned(),
            output: generation.path().to_owned(),
            place: "/store".into(),
            entries: Vec::new(),
        });
        let places = places.expect("places");
        let real = places.generation().join("node_modules/a/b.js");
        place_texts(&places, &real, text.to_owned())
    }

    #[test]
    fn a_module_knows_its_final_place() {
        assert_eq!(
            placed("#!/usr/bin/env node\nread(__dirname + '/x', __filename)"),
            "\nvar __filename = \"/store/node_modules/a/b.js\";\
             var __dirname = \"/store/node_modules/a\";read(__dirname + '/x', __filename)"
        );
        assert_eq!(
            placed("export const u = new URL('.', import.meta.url), d = import.meta.dirname;"),
            "export const u = new URL('.', \"file:///store/node_modules/a/b.js\"), \
             d = \"/store/node_modules/a\";"
        );
    }

    #[test]
    fn a_modules_own_variable_of_that_name_stays() {
        let text = "const __dirname = import.meta.other; __dirname;";
        assert_eq!(placed(text), text);
    }

    #[test]
    fn the_place_of_another_file_is_known_if_it_is_there() {
        assert_eq!(
            placed("f(require.resolve('./x'), require.resolve('./y'), require.resolve('z'))"),
            "f(\"/store/node_modules/a/x.js\", require.resolve('./y'), require.resolve('z'))"
        );
    }
}
