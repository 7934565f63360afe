//! What every connection that the server makes has in common.

pub(crate) mod tls;
