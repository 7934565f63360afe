//! Names of keys in messages, with the nearest that there is.

use crate::text::clip::head;
use crate::text::near::nearest;

/// Bytes of a name that a reason quotes.
pub(super) const MAX_QUOTED: usize = 64;

/// Keys of the file, or of an entry, that are told of; a settings file of another program
/// can have any number.
pub(super) const MAX_UNKNOWN_KEYS: usize = 16;

pub(super) fn unknown_key(key: &str, known: &[&str]) -> String {
    let problem = format!("the key {} is not known", quoted(key));
    match near(key, known) {
        Some(near) => format!("{problem}, did you mean \"{near}\"?"),
        None => format!("{problem}, known keys are: {}", known.join(", ")),
    }
}

/// The nearest name, if one in three of its letters is wrong at most.
pub(super) fn near<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let key = head(key, MAX_QUOTED).to_lowercase();
    let known = known.iter().map(|name| (name.to_lowercase(), *name));
    nearest(&key, known, |name| (name.len() / 3).max(1))
}

pub(super) fn quoted(name: &str) -> String {
    format!("{:?}", head(name, MAX_QUOTED))
}
