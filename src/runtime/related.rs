//! What caused an error and what it holds: a tree, from the list that a worker sent.

use super::execution::ErrorDetail;
use crate::protocol::{MAX_RELATED, MAX_RELATED_DEPTH, RelatedError};

/// What an error was caused by, and the errors that it holds.
type Below = (Option<Box<ErrorDetail>>, Vec<ErrorDetail>);

/// The tree of errors below one. What a worker of ours would not say is left out: more than
/// there can be, deeper than it can be, errors that belong to one that comes later.
pub(super) fn tree(mut related: Vec<RelatedError>) -> Below {
    related.truncate(MAX_RELATED);
    let depths = depths(&related);
    let mut below: Vec<Below> = related.iter().map(|_| Below::default()).collect();
    let mut root = Below::default();
    // From the last to the first: an error is whole before it is handed up.
    for (index, error) in related.into_iter().enumerate().rev() {
        if depths[index].is_none() {
            continue;
        }
        let (cause, mut errors) = std::mem::take(&mut below[index]);
        errors.reverse();
        let RelatedError { of, is_cause, name, message, line, column, stack } = error;
        let detail = ErrorDetail { name, message, line, column, frame: None, stack, cause, errors };
        let above = of.map_or(&mut root, |of| &mut below[usize::from(of)]);
        if is_cause { above.0 = Some(Box::new(detail)) } else { above.1.push(detail) }
    }
    root.1.reverse();
    root
}

/// How deep each is, from 1; nothing for those that are left out.
fn depths(related: &[RelatedError]) -> Vec<Option<usize>> {
    let mut depths: Vec<Option<usize>> = Vec::new();
    for error in related {
        let above = match error.of {
            None => Some(0),
            Some(of) => depths.get(usize::from(of)).copied().flatten(),
        };
        depths.push(above.map(|above| above + 1).filter(|depth| *depth <= MAX_RELATED_DEPTH));
    }
    depths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(of: Option<u8>, is_cause: bool, name: &str) -> RelatedError {
        RelatedError { of, is_cause, name: name.to_owned(), ..RelatedError::default() }
    }

    fn names((cause, errors): &Below) -> String {
        let below = |detail: &ErrorDetail| {
            let below = (detail.cause.clone(), detail.errors.clone());
            format!("{}{}", detail.name, names(&below))
        };
        let errors: Vec<_> = errors.iter().map(below).collect();
        let cause = cause.as_deref().map(|cause| format!("<{}>", below(cause)));
        let errors =
            if errors.is_empty() { String::new() } else { format!("({})", errors.join(" ")) };
        format!("{errors}{}", cause.unwrap_or_default())
    }

    #[test]
    fn causes_and_errors_keep_their_order_and_their_place() {
        let list = vec![
            error(None, false, "a"),
            error(Some(0), true, "b"),
            error(None, false, "c"),
            error(Some(2), false, "d"),
            error(Some(2), false, "e"),
            error(None, true, "f"),
        ];
        assert_eq!(names(&tree(list)), "(a<b> c(d e))<f>");
        assert_eq!(names(&tree(Vec::new())), "");
    }

    #[test]
    fn what_no_worker_of_ours_sends_is_left_out() {
        let list = vec![
            error(Some(0), true, "itself"),
            error(Some(2), false, "later"),
            error(Some(255), false, "nowhere"),
        ];
        assert_eq!(names(&tree(list)), "");
        let many = (0..255).map(|_| error(None, false, "a")).collect();
        assert_eq!(tree(many).1.len(), MAX_RELATED);
        let deep = (0..32).map(|n: u8| error(n.checked_sub(1), true, "a")).collect();
        assert_eq!(names(&tree(deep)).matches('a').count(), MAX_RELATED_DEPTH);
        let two = vec![error(None, true, "first"), error(None, true, "second")];
        assert_eq!(names(&tree(two)), "<first>");
    }
}
