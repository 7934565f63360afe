//! What runs programs in a worker, by kind: V8, and what of it is TypeScript's. The shell
//! around an engine is `worker`.

pub(crate) mod typescript;
pub(crate) mod v8;
