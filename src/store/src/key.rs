//! Names of entries.

use std::ops::Bound;

use crate::{MAX_LIST, StoreError};

/// The most bytes of a name: room for a principal and a digest or two.
pub const MAX_NAME: usize = 512;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// What conversations remember.
    Conversations,
    /// Sessions of clients.
    Sessions,
    /// What was learned from use.
    Learned,
    /// Vectors of texts.
    Vectors,
    /// Counters of limits and shares.
    Limits,
    /// Which replica has what.
    Owners,
    /// Calls that must not be made twice.
    Calls,
}

impl Namespace {
    /// Every namespace.
    pub const ALL: [Self; 7] = [
        Self::Conversations,
        Self::Sessions,
        Self::Learned,
        Self::Vectors,
        Self::Limits,
        Self::Owners,
        Self::Calls,
    ];

    /// Its name where it is stored, which never changes. None begins with another one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conversations => "conversation",
            Self::Sessions => "session",
            Self::Learned => "learned",
            Self::Vectors => "vector",
            Self::Limits => "limit",
            Self::Owners => "owner",
            Self::Calls => "call",
        }
    }
}

/// Names an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is about.
    pub namespace: Namespace,
    /// At most [`MAX_NAME`] bytes.
    pub name: String,
}

impl Key {
    /// The key of `name` in `namespace`.
    pub fn new(namespace: Namespace, name: impl Into<String>) -> Self {
        Self { namespace, name: name.into() }
    }

    /// Refuses a name that is longer than [`MAX_NAME`].
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        check_name(&self.name)
    }

    /// The key as it is stored: the namespace, `:`, the name.
    pub(crate) fn stored(&self) -> String {
        stored(self.namespace, &self.name)
    }
}

/// A namespace and a name, or the beginning of one, as they are stored.
pub(crate) fn stored(namespace: Namespace, name: &str) -> String {
    format!("{}:{name}", namespace.name())
}

/// Refuses a name that is longer than [`MAX_NAME`].
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    if name.len() > MAX_NAME {
        return Err(StoreError::TooLarge { limit: MAX_NAME });
    }
    Ok(())
}

/// What [`crate::Store::list`] asks for, as it is stored.
pub(crate) struct Range {
    prefix: String,
    after: Option<String>,
    namespace: Namespace,
    /// The most names.
    pub(crate) limit: usize,
}

impl Range {
    pub(crate) fn new(
        namespace: Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Self {
        let after = after.filter(|after| *after >= prefix).map(|after| stored(namespace, after));
        let prefix = stored(namespace, prefix);
        Self { prefix, after, namespace, limit: limit.min(MAX_LIST) }
    }

    /// Where it begins.
    pub(crate) fn first(&self) -> Bound<&str> {
        match &self.after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(&self.prefix),
        }
    }

    /// Whether a stored name is not before its beginning.
    pub(crate) fn is_behind_its_beginning(&self, stored: &str) -> bool {
        self.after.as_deref().is_none_or(|after| stored > after)
    }

    /// Whether a stored name that is not before its beginning is in it.
    pub(crate) fn has(&self, stored: &str) -> bool {
        stored.starts_with(&self.prefix)
    }

    /// The name of a key in it.
    pub(crate) fn name(&self, stored: &str) -> String {
        stored[self.namespace.name().len() + 1..].to_owned()
    }
}
