//! Packages that the administrator allows: what is allowed, and what of it is installed.

pub(crate) mod allowed;
#[allow(dead_code, reason = "each side uses its half")]
pub(crate) mod exchange;
#[allow(dead_code)]
pub(crate) mod manifest;
mod specifier;
