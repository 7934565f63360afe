//! Why there is no model.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a model cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Its location.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file has more bytes than any that is read.
    #[error("{} has more than {limit} bytes, which is the limit", path.display())]
    TooLarge {
        /// Its location.
        path: PathBuf,
        /// In bytes.
        limit: u64,
    },
    /// A file is not the pinned one.
    #[error("{} has SHA-256 {found} instead of {expected}", path.display())]
    Sum {
        /// Its location.
        path: PathBuf,
        /// In hexadecimal digits.
        found: String,
        /// In hexadecimal digits.
        expected: &'static str,
    },
    /// A file is not what its name says.
    #[error("{} is not a model that can be used: {problem}", path.display())]
    Form {
        /// Its location.
        path: PathBuf,
        /// What is wrong, for example a tensor that is missing.
        problem: String,
    },
}
