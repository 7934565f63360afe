//! Packages that the administrator allows: what is allowed, and what of it is installed.

pub(crate) mod allowed;
pub(crate) mod checker;
pub(crate) mod child;
#[allow(dead_code, reason = "each side uses its half")]
pub(crate) mod exchange;
pub(crate) mod installed;
pub(crate) mod installer;
pub(crate) mod manifest;
#[allow(dead_code, reason = "each side uses its half")]
pub(crate) mod pypi;
pub(crate) mod python;
#[allow(dead_code, reason = "each side uses its half")]
pub(crate) mod simple_index;
mod specifier;

pub(crate) use installed::{Installed, Snapshot, State};
