//! Code in a Markdown fence, with or without prose around it, as models write it.

use deno_ast::swc::ast::{Expr, Module, TaggedTpl, Tpl};
use deno_ast::swc::ecma_visit::{Visit, VisitWith};

/// Shortest fence (CommonMark 0.31.2, section 4.5).
const MIN_FENCE: usize = 3;

/// The code fences of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fences {
    None,
    /// The text of the only one, on the lines and in the columns that it has there.
    One(String),
    /// The lines on which they begin, from 1.
    Several(Vec<usize>),
}

/// Whether a text can have a fence. Looks at no line: every program is asked.
pub(super) fn is_possible(source: &str) -> bool {
    source.contains("```") || source.contains("~~~")
}

/// Whether a module that parses is a fence: JavaScript takes three backticks for an empty
/// template that tags another.
pub(super) fn is_in(module: &Module) -> bool {
    let mut found = Backticks(false);
    module.visit_with(&mut found);
    found.0
}

/// Finds the fences of a text.
pub(super) fn find(source: &str) -> Fences {
    let mut fences = Vec::new();
    let mut open: Option<Open> = None;
    let (mut at, mut backticks) = (0, 0);
    for (index, line) in source.split_inclusive('\n').enumerate() {
        let start = at;
        at += line.len();
        let fence = Mark::of(line.trim());
        match (&open, fence) {
            (Some(begun), Some(mark)) if mark.closes(&begun.mark) => {
                fences.push((begun.line, &source[begun.content..start]));
                open = None;
            }
            (Some(_), _) => {}
            // After an odd number of backticks it stands in a template of a program.
            (None, Some(_)) if backticks % 2 == 1 => return Fences::None,
            (None, Some(mark)) if mark.opens() => {
                open = Some(Open { mark, line: index + 1, content: at });
            }
            (None, _) => backticks += line.matches('`').count(),
        }
    }
    // One that is not closed goes to the end.
    fences.extend(open.map(|begun| (begun.line, &source[begun.content..])));
    match fences[..] {
        [] => Fences::None,
        [(line, content)] => Fences::One("\n".repeat(line) + content),
        _ => Fences::Several(fences.iter().map(|(line, _)| *line).collect()),
    }
}

/// What to do about several fences.
pub(super) fn several(lines: &[usize]) -> String {
    let (last, others) = lines.split_last().expect("several");
    let others: Vec<_> = others.iter().take(MAX_LINES).map(usize::to_string).collect();
    format!(
        "the text has {} Markdown code fences, at lines {} and {last}: pass one program, without \
         the lines of the fences",
        lines.len(),
        others.join(", ")
    )
}

/// Lines that are named beside the last.
const MAX_LINES: usize = 5;

/// A fence that begins.
struct Open<'a> {
    mark: Mark<'a>,
    line: usize,
    content: usize,
}

/// A line that begins with a fence's characters.
struct Mark<'a> {
    character: char,
    length: usize,
    /// What stands after them: a language.
    info: &'a str,
}

impl<'a> Mark<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let character = line.chars().next().filter(|first| matches!(first, '`' | '~'))?;
        let info = line.trim_start_matches(character);
        let length = line.len() - info.len();
        (length >= MIN_FENCE).then_some(Self { character, length, info })
    }

    fn opens(&self) -> bool {
        !self.info.contains('`')
    }

    fn closes(&self, begun: &Mark<'_>) -> bool {
        self.info.is_empty() && self.character == begun.character && self.length >= begun.length
    }
}

/// Three backticks in a row where a template stands.
struct Backticks(bool);

impl Visit for Backticks {
    fn visit_tagged_tpl(&mut self, tagged: &TaggedTpl) {
        self.0 |= match &*tagged.tag {
            Expr::Tpl(tag) => is_empty(tag),
            Expr::TaggedTpl(tag) => is_empty(&tag.tpl),
            _ => false,
        };
        tagged.visit_children_with(self);
    }
}

fn is_empty(template: &Tpl) -> bool {
    template.exprs.is_empty() && template.quasis.iter().all(|text| text.raw.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Fences {
        Fences::One(text.to_owned())
    }

    #[test]
    fn the_code_keeps_its_lines_and_columns() {
        assert_eq!(find("```ts\n1 + 1\n```"), one("\n1 + 1\n"));
        assert_eq!(find("Here:\n\n  ```\n  a\n  ```\nDone."), one("\n\n\n  a\n"));
        assert_eq!(find("~~~js\r\na\r\n~~~\r\n"), one("\na\r\n"));
    }

    #[test]
    fn a_longer_fence_is_closed_by_one_as_long_and_an_open_one_by_the_end() {
        assert_eq!(find("````\n```\n````"), one("\n```\n"));
        assert_eq!(find("```ts\na\n"), one("\na\n"));
        assert_eq!(find("```ts\na\n```ts"), one("\na\n```ts"));
    }

    #[test]
    fn what_is_in_a_template_of_the_program_is_no_fence() {
        assert_eq!(find("write(`# Title\n```js\na\n```\n`)"), Fences::None);
        assert_eq!(find("Use `a` here:\n```js\na\n```"), one("\n\na\n"));
    }

    #[test]
    fn several_are_named_with_their_lines() {
        let Fences::Several(lines) = find("```\na\n```\nor\n```\nb\n```\n") else {
            panic!("two fences")
        };
        assert_eq!(lines, [1, 5]);
        assert_eq!(
            several(&lines),
            "the text has 2 Markdown code fences, at lines 1 and 5: pass one program, without \
             the lines of the fences"
        );
    }
}
