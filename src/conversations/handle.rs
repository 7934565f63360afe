//! The name of a conversation, which tells nothing and cannot be guessed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::error::ConversationError;

/// What a caller passes for a conversation that is to begin.
pub(crate) const NEW: &str = "new";

const PREFIX: &str = "conv_";

/// 128 bits: nobody guesses one, and no two are the same.
const RANDOM_BYTES: usize = 16;

/// Bytes of a hash that name an owner: as many as cannot be met by chance.
const OWNER_BYTES: usize = 16;

/// An opaque handle, such as `conv_3q2-7wAAAAAAAAAAAAAAAA`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handle(String);

impl Handle {
    /// A handle that nobody has.
    ///
    /// # Errors
    /// The kernel gives no random bytes.
    pub(super) fn random() -> Result<Self, ConversationError> {
        let mut bytes = [0; RANDOM_BYTES];
        let unavailable =
            |error: getrandom::Error| ConversationError::Unavailable(error.to_string());
        getrandom::fill(&mut bytes).map_err(unavailable)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// A handle as a caller passes it, if it has the form of one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (bytes.len() == RANDOM_BYTES).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who has a conversation, as keys of the store begin: names of principals have any
/// characters and lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner(String);

impl Owner {
    /// Of the principal, or of all who have no name.
    pub(crate) fn of(principal: Option<&str>) -> Self {
        let Some(name) = principal else { return Self("anonymous".to_owned()) };
        let hash = Sha256::digest(name);
        Self(hash[..OWNER_BYTES].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Of an entry of one of its conversations, by the entry's name.
    pub(super) fn in_name(name: &str) -> Option<Self> {
        name.rsplit_once('/').map(|(owner, _)| Self(owner.to_owned()))
    }

    /// The name of what says how much its conversations take.
    pub(super) fn ledger(&self) -> String {
        format!("conversations/{}", self.0)
    }

    /// The name of the entries of one of its conversations.
    pub(super) fn name_of(&self, handle: &Handle) -> String {
        format!("{}/{handle}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_random_and_reads_as_it_is_written() {
        let (one, other) = (Handle::random().unwrap(), Handle::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), PREFIX.len() + 22);
        assert_eq!(Handle::parse(one.as_str()), Some(one));
    }

    #[test]
    fn what_has_another_form_is_no_handle() {
        let right = "conv_AAAAAAAAAAAAAAAAAAAAAA";
        assert!(Handle::parse(right).is_some());
        for wrong in [
            "",
            "new",
            "conv_",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "conv_AAAAAAAAAAAAAAAAAAAAA",
            "conv_AAAAAAAAAAAAAAAAAAAAAAA",
            "conv_AAAAAAAAAAAAAAAAAAAAAB",
            "conv_AAAAAAAAAAAAAAAAAAAAA/",
            "conv_AAAAAAAAAAAAAAAAAAAAAA==",
            "conv_../../AAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(Handle::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn owners_differ_by_name_and_nobody_is_named_anonymous() {
        let owners = [None, Some(""), Some("anonymous"), Some("a"), Some("a/b")].map(Owner::of);
        for (at, owner) in owners.iter().enumerate() {
            assert_eq!(owner.0.matches('/').count(), 0);
            assert!(owners[..at].iter().all(|other| other != owner));
        }
    }
}
