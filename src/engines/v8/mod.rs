//! V8 as every engine on top of it has it.

pub(crate) mod icu;
pub(crate) mod isolate;
pub(crate) mod stop;
