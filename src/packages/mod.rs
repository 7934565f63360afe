//! Packages that the administrator allows: what is allowed, and what of it is installed.

pub(crate) mod allowed;
pub(crate) mod child;
#[allow(dead_code, reason = "each side uses its half")]
pub(crate) mod exchange;
#[allow(dead_code, reason = "its users come with other branches")]
pub(crate) mod installed;
#[allow(dead_code)]
pub(crate) mod manifest;
mod specifier;

#[allow(unused_imports, reason = "its users come with other branches")]
pub(crate) use installed::{Installed, Snapshot, State};
