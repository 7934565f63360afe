//! Vectors of texts: how near two of them are says how near the meanings of texts are.

pub(crate) mod installed;
