//! Panics that a program brings about.

use std::ops::RangeInclusive;
use std::panic::Location;

/// Where deno_core makes an error of what an imported module has thrown
/// (`catch_dynamic_import_promise_error` of the version that Cargo.toml names): it takes
/// for granted that the message of an Error without a stack is a string.
const IMPORT_FAILS: (&str, RangeInclusive<u32>) = ("runtime/bindings.rs", 1624..=1678);

/// Whether deno_core panicked over what an imported module has thrown.
pub(crate) fn is_of_import(place: &Location<'_>) -> bool {
    let (file, lines) = IMPORT_FAILS;
    place.file().ends_with(file)
        && place.file().contains("deno_core")
        && lines.contains(&place.line())
}
