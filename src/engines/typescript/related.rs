//! What caused an error and the errors that an AggregateError holds, as Deno prints them.

use deno_core::error::JsError;

use super::js_error::{message_of, name_of, place_in_program};
use crate::protocol::{MAX_RELATED, MAX_RELATED_DEPTH, RelatedError};
use crate::text::clip::marked;

/// Longest message and longest stack of each, in bytes: a tenth of what is kept in all
/// makes some of them readable whatever the first is like.
const MAX_TEXT_BYTES: usize = 3 << 10;

/// Bytes of all of them together. A result is read by a model: twice the run's own stack.
const MAX_BYTES: usize = 32 << 10;

/// Stands for an error that is its own cause.
const CIRCULAR: &str = "[Circular]";

/// Stands for those that are left out, in deno_core's words.
const TRUNCATED: &str = "[Error details truncated]";

/// The errors below an error, each after the one that it belongs to, and the error's text
/// with all of them. Nothing if there are none.
pub(super) fn related(error: &JsError) -> Option<(Vec<RelatedError>, String)> {
    if error.cause.is_none() && error.aggregated.as_deref().unwrap_or_default().is_empty() {
        return None;
    }
    let mut walk = Walk { found: Vec::new(), above: Vec::new(), left: MAX_BYTES, cut: false };
    let text = walk.describe(error, None);
    Some((walk.found, text))
}

struct Walk<'a> {
    found: Vec<RelatedError>,
    /// The errors that the one in hand belongs to.
    above: Vec<&'a JsError>,
    left: usize,
    cut: bool,
}

impl<'a> Walk<'a> {
    /// The text of an error with what belongs to it; `index` is its own place.
    fn describe(&mut self, error: &'a JsError, index: Option<u8>) -> String {
        let (head, frames) = head_and_frames(error);
        let mut text = head;
        self.above.push(error);
        for held in error.aggregated.as_deref().unwrap_or_default() {
            let Some(held) = self.add(held, index, false) else { break };
            for line in held.lines() {
                text.push_str("\n    ");
                text.push_str(line);
            }
        }
        text.push_str(&frames);
        if let Some(cause) = &error.cause
            && let Some(cause) = self.add(cause, index, true)
        {
            text.push_str("\nCaused by: ");
            text.push_str(&cause);
        }
        self.above.pop();
        text
    }

    /// Keeps an error, and returns its text; nothing once a limit was reached and told of.
    fn add(&mut self, error: &'a JsError, of: Option<u8>, is_cause: bool) -> Option<String> {
        if self.cut {
            return None;
        }
        let is_last = self.found.len() + 1 == MAX_RELATED || self.left == 0;
        if is_last || self.above.len() == MAX_RELATED_DEPTH {
            self.cut = is_last;
            return Some(self.placeholder(TRUNCATED, of, is_cause));
        }
        if self.above.iter().any(|above| is_repeat(above, error)) {
            return Some(self.placeholder(CIRCULAR, of, is_cause));
        }
        let index = u8::try_from(self.found.len()).ok()?;
        let kept = one(error, of, is_cause);
        let texts = [Some(&kept.name), Some(&kept.message), kept.stack.as_ref()];
        let bytes: usize = texts.into_iter().flatten().map(String::len).sum();
        self.left = self.left.saturating_sub(bytes);
        self.found.push(kept);
        Some(self.describe(error, Some(index)))
    }

    fn placeholder(&mut self, text: &str, of: Option<u8>, is_cause: bool) -> String {
        let (name, message) = ("Error".to_owned(), text.to_owned());
        self.found.push(RelatedError { of, is_cause, name, message, ..Default::default() });
        text.to_owned()
    }
}

/// What deno_core makes of an error that it has come by already: the same, with nothing
/// below it.
fn is_repeat(above: &JsError, error: &JsError) -> bool {
    let has_none = error.cause.is_none() && error.aggregated.is_none();
    has_none
        && (above.cause.is_some() || above.aggregated.is_some())
        && above.name == error.name
        && above.message == error.message
        && above.stack == error.stack
        && above.frames == error.frames
}

fn one(error: &JsError, of: Option<u8>, is_cause: bool) -> RelatedError {
    let place = error.frames.iter().find_map(place_in_program);
    let text = |text: &str| marked(text, MAX_TEXT_BYTES);
    RelatedError {
        of,
        is_cause,
        name: text(name_of(error)),
        message: text(without_uncaught(message_of(error))),
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
        stack: error.stack.as_deref().map(text),
    }
}

/// The first line or lines of a stack, and its frames with a line break before each.
fn head_and_frames(error: &JsError) -> (String, String) {
    let Some(stack) = &error.stack else {
        let head = without_uncaught(&error.exception_message);
        return (marked(head, MAX_TEXT_BYTES), String::new());
    };
    let stack = marked(stack, MAX_TEXT_BYTES);
    match stack.find("\n    at ") {
        Some(at) => (stack[..at].to_owned(), stack[at..].to_owned()),
        None => (stack, String::new()),
    }
}

/// What is thrown and is no error comes as "Uncaught …".
fn without_uncaught(message: &str) -> &str {
    let rest = message.strip_prefix("Uncaught ").unwrap_or(message);
    rest.strip_prefix("(in promise) ").unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(name: &str, message: &str) -> JsError {
        JsError {
            name: Some(name.into()),
            message: Some(message.into()),
            stack: Some(format!("{name}: {message}\n    at f (file:///main.ts:1:1)")),
            cause: None,
            exception_message: format!("Uncaught {name}: {message}"),
            frames: Vec::new(),
            source_line: None,
            source_line_frame_index: None,
            aggregated: None,
            additional_properties: Vec::new(),
            stack_is_custom: false,
        }
    }

    fn caused(mut outer: JsError, cause: JsError) -> JsError {
        outer.cause = Some(Box::new(cause));
        outer
    }

    #[test]
    fn a_chain_of_causes_is_told_as_deno_prints_it() {
        let chain = caused(error("A", "1"), caused(error("B", "2"), error("C", "3")));
        let (found, text) = related(&chain).unwrap();
        assert_eq!(
            text,
            "A: 1\n    at f (file:///main.ts:1:1)\nCaused by: B: 2\n    at f \
             (file:///main.ts:1:1)\nCaused by: C: 3\n    at f (file:///main.ts:1:1)"
        );
        let all: Vec<_> = found.iter().map(|e| (e.of, e.is_cause, e.name.as_str())).collect();
        assert_eq!(all, [(None, true, "B"), (Some(0), true, "C")]);
    }

    #[test]
    fn an_error_that_causes_itself_is_circular() {
        let (found, text) = related(&caused(error("A", "1"), error("A", "1"))).unwrap();
        assert_eq!(text, "A: 1\n    at f (file:///main.ts:1:1)\nCaused by: [Circular]");
        assert_eq!((found.len(), found[0].message.as_str()), (1, "[Circular]"));
    }

    #[test]
    fn many_and_deep_and_long_ones_are_cut() {
        let mut many = error("AggregateError", "many");
        many.aggregated = Some((0..200).map(|n| error("E", &n.to_string())).collect());
        let (found, text) = related(&many).unwrap();
        assert_eq!(found.len(), MAX_RELATED);
        assert_eq!(found[MAX_RELATED - 1].message, TRUNCATED);
        assert!(text.contains(TRUNCATED) && text.matches("E: ").count() == MAX_RELATED - 1);

        let deep =
            (0..30).fold(error("E", "0"), |inner, n| caused(error("E", &n.to_string()), inner));
        let (found, _) = related(&deep).unwrap();
        assert_eq!(found.len(), MAX_RELATED_DEPTH);
        assert_eq!(found[MAX_RELATED_DEPTH - 1].message, TRUNCATED);

        let mut long = error("AggregateError", "long");
        let text = "x".repeat(1 << 20);
        long.aggregated = Some((0..200).map(|_| error("E", &text)).collect());
        let (found, text) = related(&long).unwrap();
        assert!(found.len() < MAX_RELATED && text.len() < 2 * MAX_BYTES, "{}", text.len());
    }
}
