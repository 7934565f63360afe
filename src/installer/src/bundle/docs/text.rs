//! Declarations as text: without bodies, initializers, private members and comments.

use std::ops::Range;

use oxc::ast::ast::{
    Class, ClassElement, Comment, Declaration, Function, PropertyKey, TSAccessibility,
};
use oxc::ast_visit::{Visit, walk};
use oxc::semantic::ScopeFlags;
use oxc::span::{GetSpan, Span};

/// The longest declaration. An interface of 40 members has about 2 KiB.
const MAX_DECLARATION: usize = 2 << 10;
/// The longest text of a comment.
const MAX_DOC: usize = 2 << 10;

/// A file's text and its comments.
pub(super) struct Source<'s> {
    pub text: &'s str,
    pub comments: &'s [Comment],
}

impl Source<'_> {
    /// A part of the file without its comments and without other parts.
    pub(super) fn declaration(&self, span: Span, mut cuts: Vec<Range<usize>>) -> String {
        let whole = range(span);
        cuts.extend(self.comments.iter().map(|comment| range(comment.span)));
        cuts.retain(|cut| whole.start <= cut.start && cut.end <= whole.end);
        cuts.sort_by_key(|cut| cut.start);
        let mut text = String::new();
        let mut position = whole.start;
        for cut in cuts {
            if cut.start >= position {
                text.push_str(self.text.get(position..cut.start).unwrap_or_default());
                position = cut.end;
            }
        }
        text.push_str(self.text.get(position..whole.end).unwrap_or_default());
        clip(tidy(&text), MAX_DECLARATION)
    }

    /// The text of the JSDoc comment that stands right before a position.
    pub(super) fn doc(&self, start: u32) -> Option<String> {
        let index = self.comments.partition_point(|comment| comment.span.end <= start);
        let comment = self.comments[..index].last()?;
        let between = self.text.get(comment.span.end as usize..start as usize)?;
        let text = self.text.get(range(comment.span))?.strip_prefix("/**")?.strip_suffix("*/")?;
        between.trim().is_empty().then(|| clip(plain(text), MAX_DOC)).filter(|doc| !doc.is_empty())
    }
}

fn range(span: Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

/// The lines of a comment without their asterisks.
fn plain(comment: &str) -> String {
    let lines = comment.lines().map(|line| {
        let line = line.trim();
        line.strip_prefix('*').map_or(line, |line| line.strip_prefix(' ').unwrap_or(line))
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Without empty lines, spaces at ends, and what says that it is a declaration.
fn tidy(text: &str) -> String {
    let lines = text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty());
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = text.trim_start_matches("export ").trim_start_matches("default ");
    text.trim_start_matches("declare ").trim().trim_end_matches(';').to_owned()
}

pub(super) fn clip(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = text.floor_char_boundary(limit - 4);
        text.truncate(end);
        text.push_str(" \u{2026}");
    }
    text
}

/// What a declaration does not show.
pub(super) fn cuts(declaration: &Declaration<'_>) -> Vec<Range<usize>> {
    let mut cuts = Cuts::default();
    cuts.visit_declaration(declaration);
    cuts.0
}

/// What a function does not show: its body.
pub(super) fn function_cuts(function: &Function<'_>) -> Vec<Range<usize>> {
    function.body.iter().map(|body| range(body.span)).collect()
}

/// What a class does not show.
pub(super) fn class_cuts(class: &Class<'_>) -> Vec<Range<usize>> {
    let mut cuts = Cuts::default();
    cuts.visit_class(class);
    cuts.0
}

#[derive(Default)]
struct Cuts(Vec<Range<usize>>);

impl<'a> Visit<'a> for Cuts {
    fn visit_function(&mut self, it: &Function<'a>, _flags: ScopeFlags) {
        self.0.extend(function_cuts(it));
    }

    fn visit_class_element(&mut self, it: &ClassElement<'a>) {
        if is_private(it) {
            self.0.push(range(it.span()));
            return;
        }
        if let ClassElement::PropertyDefinition(property) = it
            && let Some(value) = &property.value
        {
            let end = value.span().start as usize;
            let start =
                property.type_annotation.as_ref().map_or(property.key.span().end, |of| of.span.end);
            self.0.push(start as usize..end);
            self.0.push(range(value.span()));
        }
        walk::walk_class_element(self, it);
    }
}

fn is_private(element: &ClassElement<'_>) -> bool {
    let (key, accessibility) = match element {
        ClassElement::MethodDefinition(it) => (&it.key, it.accessibility),
        ClassElement::PropertyDefinition(it) => (&it.key, it.accessibility),
        ClassElement::AccessorProperty(it) => (&it.key, it.accessibility),
        ClassElement::StaticBlock(_) => return true,
        ClassElement::TSIndexSignature(_) => return false,
    };
    accessibility == Some(TSAccessibility::Private)
        || matches!(key, PropertyKey::PrivateIdentifier(_))
}

#[cfg(test)]
mod tests {
    use super::{clip, plain};

    #[test]
    fn a_comment_loses_its_asterisks() {
        assert_eq!(plain("\n * Adds.\n *\n *   a + b\n "), "Adds.\n\n  a + b");
    }

    #[test]
    fn a_clipped_text_is_marked_and_within_its_limit() {
        let clipped = clip("ä".repeat(40), 21);
        assert!(clipped.len() <= 21 && clipped.ends_with('…'), "{clipped}");
    }
}
