//! What runs programs in a worker, one room for each kind. The shell around an engine is
//! `worker`, which knows the trait only; the table of them all is here.

mod checker;
mod python;
mod typescript;
mod v8;

use crate::protocol::Kind;
use crate::worker::Engine;

/// An engine of a kind, not loaded.
pub(crate) fn engine(kind: Kind) -> Box<dyn Engine> {
    match kind {
        Kind::TypeScript => Box::new(typescript::TypeScript::plain()),
        Kind::Packages => Box::new(typescript::TypeScript::with_packages()),
        Kind::Python => Box::new(python::Python::default()),
        Kind::Checker => Box::new(checker::Checker::default()),
    }
}
