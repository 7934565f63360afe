//! What programs can import, beside what is in them.

pub(crate) mod mcp;
