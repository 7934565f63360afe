//! The sentence with which access is refused, in Deno's words.

use super::escaped::visible;

/// `Requires read access to "…", run again with the --allow-read flag`.
pub(crate) fn requires_flag(access: &str, target: Option<&str>, flag: &str) -> String {
    format!("{}, run again with the {flag} flag", requires(access, target))
}

/// `Requires read access to "…"`; without a target, access to anything.
pub(crate) fn requires(access: &str, target: Option<&str>) -> String {
    // Deno quotes without escaping; what a reader would not see is not quoted so.
    let target = target.map(|target| format!(" to \"{}\"", visible(target)));
    format!("Requires {access} access{}", target.unwrap_or_default())
}
