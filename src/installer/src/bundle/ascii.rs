//! Code as ASCII: V8 maps text of one byte a character as it lies in the file, and
//! copies everything else. Literals and names get escapes that mean the same.

use std::ops::Range;

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    BindingIdentifier, Directive, IdentifierName, IdentifierReference, LabelIdentifier,
    PrivateIdentifier, RegExpLiteral, StringLiteral, TaggedTemplateExpression, TemplateElement,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::Parser;
use oxc::span::{SourceType, Span};

/// The module in ASCII; as it is if that would change what it means: a tagged template
/// sees its own text.
pub(super) fn escape(code: String) -> String {
    if code.is_ascii() {
        return code;
    }
    match escaped(&code) {
        Some(ascii) => ascii,
        None => code,
    }
}

/// JSON in ASCII: only its strings have other characters, and none after a backslash.
pub(super) fn escape_json(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    write_token(text, Kind::Literal, &mut ascii);
    ascii
}

/// How a character is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Strings, templates and regular expressions: code units of UTF-16.
    Literal,
    /// Names: code points.
    Name,
    /// Nobody reads them.
    Comment,
}

fn escaped(code: &str) -> Option<String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, code, SourceType::mjs()).parse();
    if parsed.panicked || !parsed.diagnostics.is_empty() {
        return None;
    }
    let mut tokens = Tokens { code, found: Vec::new(), raw: false };
    tokens.visit_program(&parsed.program);
    if tokens.raw {
        return None;
    }
    for comment in &parsed.program.comments {
        tokens.add(comment.span, Kind::Comment);
    }
    let mut found = tokens.found;
    // A short property is a name twice, at the same place.
    found.sort_by_key(|(range, _)| range.start);
    found.dedup_by_key(|(range, _)| range.start);
    let ascii = replaced(code, &found)?;
    ascii.is_ascii().then_some(ascii)
}

fn replaced(code: &str, tokens: &[(Range<usize>, Kind)]) -> Option<String> {
    let mut ascii = String::with_capacity(code.len() + code.len() / 8);
    let mut position = 0;
    for (range, kind) in tokens {
        // A token inside of another was replaced with it.
        if range.start < position {
            continue;
        }
        ascii.push_str(code.get(position..range.start)?);
        write_token(code.get(range.clone())?, *kind, &mut ascii);
        position = range.end;
    }
    ascii.push_str(code.get(position..)?);
    Some(ascii)
}

fn write_token(token: &str, kind: Kind, ascii: &mut String) {
    let mut escaping = false;
    for character in token.chars() {
        if character.is_ascii() {
            ascii.push(character);
            escaping = character == '\\' && !escaping;
            continue;
        }
        match kind {
            Kind::Comment => ascii.push('?'),
            Kind::Name => ascii.push_str(&format!("\\u{{{:x}}}", u32::from(character))),
            Kind::Literal => write_units(character, escaping, ascii),
        }
        escaping = false;
    }
}

/// A character in a literal. One that a backslash stands before means itself, and gets
/// that backslash; a line separator after a backslash continues the line, and is none.
fn write_units(character: char, escaping: bool, ascii: &mut String) {
    if escaping {
        ascii.pop();
        if ['\u{2028}', '\u{2029}'].contains(&character) {
            return;
        }
    }
    for unit in character.encode_utf16(&mut [0; 2]) {
        ascii.push_str(&format!("\\u{unit:04x}"));
    }
}

/// The tokens of a module that have characters beyond ASCII.
struct Tokens<'c> {
    code: &'c str,
    found: Vec<(Range<usize>, Kind)>,
    /// Whether a tagged template has some.
    raw: bool,
}

impl Tokens<'_> {
    fn add(&mut self, span: Span, kind: Kind) {
        let range = span.start as usize..span.end as usize;
        if self.code.get(range.clone()).is_some_and(|text| !text.is_ascii()) {
            self.found.push((range, kind));
        }
    }
}

impl<'a> Visit<'a> for Tokens<'_> {
    fn visit_string_literal(&mut self, it: &StringLiteral<'a>) {
        self.add(it.span, Kind::Literal);
    }

    fn visit_directive(&mut self, it: &Directive<'a>) {
        self.add(it.span, Kind::Literal);
    }

    fn visit_template_element(&mut self, it: &TemplateElement<'a>) {
        self.add(it.span, Kind::Literal);
    }

    fn visit_reg_exp_literal(&mut self, it: &RegExpLiteral<'a>) {
        self.add(it.span, Kind::Literal);
    }

    fn visit_tagged_template_expression(&mut self, it: &TaggedTemplateExpression<'a>) {
        self.raw |= it.quasi.quasis.iter().any(|element| !element.value.raw.as_str().is_ascii());
        walk::walk_tagged_template_expression(self, it);
    }

    fn visit_identifier_name(&mut self, it: &IdentifierName<'a>) {
        self.add(it.span, Kind::Name);
    }

    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        self.add(it.span, Kind::Name);
    }

    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        self.add(it.span, Kind::Name);
    }

    fn visit_label_identifier(&mut self, it: &LabelIdentifier<'a>) {
        self.add(it.span, Kind::Name);
    }

    fn visit_private_identifier(&mut self, it: &PrivateIdentifier<'a>) {
        self.add(it.span, Kind::Name);
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    fn ascii(code: &str) -> String {
        escape(code.to_owned())
    }

    #[test]
    fn literals_get_code_units() {
        assert_eq!(ascii("f('é😀', `ü${a}ß`);"), r"f('\u00e9\ud83d\ude00', `\u00fc${a}\u00df`);");
    }

    #[test]
    fn a_backslash_before_a_character_is_taken_for_its_escape() {
        assert_eq!(ascii(r"f('\é\\é\\\é');"), r"f('\u00e9\\\u00e9\\\u00e9');");
    }

    #[test]
    fn a_continued_line_stays_one() {
        assert_eq!(ascii("f('a\\\u{2028}b');"), "f('ab');");
    }

    #[test]
    fn regular_expressions_keep_their_meaning() {
        assert_eq!(ascii("/[à-ü]\\é/u.test(a);"), r"/[\u00e0-\u00fc]\u00e9/u.test(a);");
    }

    #[test]
    fn names_get_code_points() {
        assert_eq!(
            ascii("const ﷺ = { é }, x = a.𝒳; class A { #ö; }"),
            r"const \u{fdfa} = { \u{e9} }, x = a.\u{1d4b3}; class A { #\u{f6}; }"
        );
    }

    #[test]
    fn a_tagged_template_keeps_its_text() {
        let code = "String.raw`é`;";
        assert_eq!(ascii(code), code);
    }

    #[test]
    fn comments_lose_what_is_not_ascii() {
        assert_eq!(ascii("/* é */ f();"), "/* ? */ f();");
    }
}
