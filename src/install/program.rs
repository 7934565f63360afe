//! `mcp-conductor-installer`: where it is, and what it is asked and answers.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::error::{At, InstallError};
use crate::packages::child::{Failure, Notes, ask};
use crate::packages::exchange::{FetchRequest, Fetched, Wheels, WheelsRequest};
use crate::packages::installer::{NAME, places};
use crate::private_file::check_writers;

/// The program.
#[derive(Debug, Clone)]
pub(super) struct Installer(PathBuf);

impl Installer {
    /// Beside this program, else in PATH.
    pub(super) fn find() -> Result<Self, InstallError> {
        let Some(found) = places().into_iter().find(|path| path.is_file()) else {
            let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("mcp-conductor"));
            return Err(InstallError::NoInstaller(own));
        };
        // It is given the tokens of registries.
        match check_writers(&found) {
            Ok(_) => Ok(Self(found)),
            Err(problem) => Err(InstallError::Installer(found, problem)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What tells it from other builds.
    pub(super) fn digest(&self) -> Result<String, InstallError> {
        let mut file = std::fs::File::open(&self.0).at(&self.0)?;
        let mut digest = Sha256::new();
        std::io::copy(&mut file, &mut digest).at(&self.0)?;
        Ok(hex(&digest.finalize()))
    }

    /// Resolves, downloads, verifies and unpacks. It has this process's environment, where
    /// npm's registry, proxies and tokens are.
    pub(super) async fn fetch(&self, request: &FetchRequest) -> Result<Fetched, InstallError> {
        self.ask("fetch", request).await
    }

    /// The same for packages of PyPI.
    pub(super) async fn wheels(&self, request: &WheelsRequest) -> Result<Wheels, InstallError> {
        self.ask("wheels", request).await
    }

    async fn ask<Request: Serialize, Answer: DeserializeOwned>(
        &self,
        subcommand: &str,
        request: &Request,
    ) -> Result<Answer, InstallError> {
        let mut command = Command::new(&self.0);
        command.arg(subcommand);
        let request = serde_json::to_vec(request).expect("a request serializes");
        let answer = ask(&mut command, request, Notes::Shown).await;
        let answer = answer.map_err(|failure| match failure {
            // On a terminal it has said why itself.
            Failure::Ended { code: Some(1), said, .. } if said.is_empty() => {
                InstallError::Fetch("packages were not fetched".to_owned())
            }
            failure => InstallError::Fetch(format!("packages were not fetched: {failure}")),
        })?;
        serde_json::from_slice(&answer).map_err(|error| {
            InstallError::Fetch(format!("{NAME} is of another version: its answer has {error}"))
        })
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
