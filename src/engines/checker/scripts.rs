//! The scripts that make a checker of the compiler, in the order in which they are run.

/// Each with the name that its errors have.
pub(super) const SCRIPTS: &[(&str, &str)] = &[];

/// The declarations of what programs find here, each with the name of its file.
pub(super) const DECLARATIONS: &[(&str, &str)] = &[];
