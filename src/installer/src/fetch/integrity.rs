//! The hash of an archive, as registries and lock files write it (Subresource Integrity).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use deno_npm::registry::{NpmPackageVersionDistInfo, NpmPackageVersionDistInfoIntegrity};
use sha2::{Digest, Sha512};

use super::cache::hex;

const SHA512: &str = "sha512-";

/// A sha512 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Integrity([u8; 64]);

impl Integrity {
    /// What a registry or a lock file says, or a sentence about what is missing.
    pub(super) fn of(dist: &NpmPackageVersionDistInfo) -> Result<Self, &'static str> {
        let text = match dist.integrity() {
            NpmPackageVersionDistInfoIntegrity::Integrity { algorithm, base64_hash } => {
                format!("{algorithm}-{base64_hash}")
            }
            NpmPackageVersionDistInfoIntegrity::UnknownIntegrity(_) => {
                return Err("its integrity is not of a known kind");
            }
            NpmPackageVersionDistInfoIntegrity::LegacySha1Hex(_) => {
                return Err("its registry has a sha1 hash only");
            }
            NpmPackageVersionDistInfoIntegrity::None => return Err("its registry has no hash"),
        };
        Self::parse(&text)
    }

    /// The sha512 hash of a list of hashes, which whitespace separates.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let sha512 = text.split_whitespace().find_map(|hash| hash.strip_prefix(SHA512));
        let Some(hash) = sha512 else { return Err("its registry has no sha512 hash") };
        let hash = hash.split('?').next().unwrap_or_default();
        let bytes = BASE64_STANDARD.decode(hash).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("its sha512 hash is not one")
    }

    /// The hash of an archive.
    pub(super) fn compute(bytes: &[u8]) -> Self {
        Self(Sha512::digest(bytes).into())
    }

    pub(super) fn hex(&self) -> String {
        hex(&self.0)
    }
}

impl std::fmt::Display for Integrity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{SHA512}{}", BASE64_STANDARD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_of_several_hashes_is_taken() {
        let hash = Integrity::compute(b"x");
        assert_eq!(Integrity::parse(&format!("sha1-abc {hash}?a=b")), Ok(hash));
    }

    #[test]
    fn a_hash_of_another_length_is_none() {
        assert!(Integrity::parse("sha512-YWJj").is_err());
    }
}
