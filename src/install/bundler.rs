//! The sealed bundler: what it is asked, and what of its output is taken.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::error::InstallError;
use super::program::Installer;
use super::store::{Staging, make, remove};
use crate::packages::child::{Notes, ask};
use crate::packages::exchange::{BundleEntry, BundleFailure, BundleRequest, Bundled};
use crate::packages::installed::is_flat;
use crate::sandbox::{BUNDLER_ARGUMENT, BundlerPlan};
use crate::text::clip::line_of;

/// Of all packages together: 201 took 39 s on two busy cores.
const WALL_TIME: Duration = Duration::from_secs(600);

/// Of one package, while it is found out which one fails: the largest took 15 s.
const WALL_TIME_ALONE: Duration = Duration::from_secs(120);

/// Bytes of one module: `typescript`, the largest of 201 packages, has 8 MB.
const MAX_FILE: u64 = 64 << 20;

/// Bytes of all of them: 201 packages had 104 MB.
const MAX_FILES_BYTES: u64 = 256 << 20;

/// Files: 201 packages had 340, and a package has at most 2000 subpaths of its own.
const MAX_FILES: usize = 100_000;

/// Characters of a reason.
const MAX_REASON: usize = 500;

/// The directories that it makes.
const DIRECTORIES: [&str; 2] = ["bundle", "docs"];

/// How the bundler is started.
pub(super) struct Bundler<'a> {
    /// What seals it: this program.
    pub executable: PathBuf,
    pub installer: &'a Installer,
    pub without_landlock: bool,
}

impl Bundler<'_> {
    /// Makes the modules of all packages. If that fails as a whole each is tried alone, so
    /// that the one to blame is named and left out.
    pub(super) async fn bundle(
        &self,
        staging: &Staging,
        entries: Vec<BundleEntry>,
    ) -> Result<Bundled, InstallError> {
        let Err(problem) = self.attempt(staging, &entries, WALL_TIME).await else {
            return self.taken(staging, entries).await;
        };
        let (good, mut failed) = match &entries[..] {
            [] => return Err(InstallError::Bundle(problem)),
            [only] => (Vec::new(), vec![failure(only, &problem)]),
            _ => self.try_each(staging, entries).await,
        };
        // Nothing is to blame, or nothing is left.
        if failed.is_empty() {
            return Err(InstallError::Bundle(problem));
        }
        if good.is_empty() {
            clear(staging)?;
            return Ok(Bundled { failed, ..Bundled::default() });
        }
        let mut bundled = self.taken(staging, good).await?;
        bundled.failed.append(&mut failed);
        Ok(bundled)
    }

    async fn taken(
        &self,
        staging: &Staging,
        entries: Vec<BundleEntry>,
    ) -> Result<Bundled, InstallError> {
        self.attempt(staging, &entries, WALL_TIME).await.map_err(InstallError::Bundle)
    }

    async fn try_each(
        &self,
        staging: &Staging,
        entries: Vec<BundleEntry>,
    ) -> (Vec<BundleEntry>, Vec<BundleFailure>) {
        let (mut good, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            let alone = std::slice::from_ref(&entry);
            match self.attempt(staging, alone, WALL_TIME_ALONE).await {
                Ok(_) => good.push(entry),
                Err(problem) => failed.push(failure(&entry, &problem)),
            }
        }
        (good, failed)
    }

    /// One run of the bundler, into an empty directory.
    async fn attempt(
        &self,
        staging: &Staging,
        entries: &[BundleEntry],
        wall_time: Duration,
    ) -> Result<Bundled, String> {
        clear(staging).map_err(|error| error.to_string())?;
        let request = BundleRequest {
            generation: staging.directory.clone(),
            output: staging.output.clone(),
            place: staging.directory.clone(),
            entries: entries.to_vec(),
        };
        let request = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
        let mut command = self.command(staging)?;
        let answer = match timeout(wall_time, ask(&mut command, request, Notes::Kept)).await {
            Ok(answer) => answer.map_err(|failure| failure.to_string())?,
            Err(_) => {
                let seconds = wall_time.as_secs();
                return Err(format!("bundling has taken more than {seconds} s"));
            }
        };
        let bundled: Bundled = serde_json::from_slice(&answer)
            .map_err(|error| format!("the bundler's answer is not one: {error}"))?;
        check(&bundled, entries, &staging.output)?;
        Ok(bundled)
    }

    fn command(&self, staging: &Staging) -> Result<Command, String> {
        let plan = BundlerPlan {
            program: self.installer.path().to_owned(),
            arguments: vec!["bundle".to_owned()],
            read: staging.directory.clone(),
            write: staging.output.clone(),
            without_landlock: self.without_landlock,
        };
        let plan = serde_json::to_string(&plan).map_err(|error| error.to_string())?;
        let mut command = Command::new(&self.executable);
        command.args([BUNDLER_ARGUMENT, &plan]).env_clear().current_dir("/");
        Ok(command)
    }
}

/// Moves what the bundler has made into the generation.
pub(super) fn take(staging: &Staging) -> Result<(), InstallError> {
    use super::error::At;
    for name in DIRECTORIES {
        let (from, to) = (staging.output.join(name), staging.directory.join(name));
        make(&from)?;
        fs::rename(&from, &to).at(&to)?;
    }
    Ok(())
}

fn clear(staging: &Staging) -> Result<(), InstallError> {
    remove(&staging.output)?;
    make(&staging.output)
}

fn failure(entry: &BundleEntry, problem: &str) -> BundleFailure {
    BundleFailure { specifier: entry.specifier.clone(), reason: line_of(problem, MAX_REASON) }
}

/// Whether an answer is about what was asked, and the output is files of the names in it and
/// nothing that leads elsewhere. Whoever wrote it has parsed what strangers have written.
fn check(bundled: &Bundled, entries: &[BundleEntry], output: &Path) -> Result<(), String> {
    let mut left = Budget { files: MAX_FILES, bytes: MAX_FILES_BYTES };
    for name in DIRECTORIES {
        check_directory(&output.join(name), &mut left)?;
    }
    let is_asked = |specifier: &str| {
        let rest = entries.iter().filter_map(|entry| specifier.strip_prefix(&*entry.specifier));
        rest.into_iter().any(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let modules = bundled.modules.iter().map(|module| (&module.specifier, "bundle", &module.file));
    let docs = bundled.docs.iter().map(|(specifier, file)| (specifier, "docs", file));
    for (specifier, directory, file) in modules.chain(docs) {
        if !is_asked(specifier) {
            return Err(format!("the bundler has made {specifier:?}, which nobody asked for"));
        }
        if !is_flat(file) || !output.join(directory).join(file).is_file() {
            return Err(format!("the bundler has not made {file:?}"));
        }
    }
    match bundled.failed.iter().find(|failed| !is_asked(&failed.specifier)) {
        Some(failed) => Err(format!("{:?} failed, which nobody asked for", failed.specifier)),
        None => Ok(()),
    }
}

struct Budget {
    files: usize,
    bytes: u64,
}

fn check_directory(directory: &Path, left: &mut Budget) -> Result<(), String> {
    // Not followed: what it leads to would be taken for the bundler's, and written to.
    match fs::symlink_metadata(directory) {
        Ok(found) if found.is_dir() => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Ok(_) => return Err(format!("{} is not a directory of its own", directory.display())),
        Err(error) => return Err(format!("{}: {error}", directory.display())),
    }
    for entry in fs::read_dir(directory).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let name = entry.file_name();
        // Not followed.
        let found = entry.metadata().map_err(|error| error.to_string())?;
        if !name.to_str().is_some_and(is_flat) || !found.is_file() || found.nlink() != 1 {
            return Err(format!("the bundler has made {name:?}, which is not a file of its own"));
        }
        if found.len() > MAX_FILE {
            return Err(format!("{name:?} has more than {MAX_FILE} bytes"));
        }
        let files = left.files.checked_sub(1).ok_or("the bundler has made too many files")?;
        let bytes = left.bytes.checked_sub(found.len());
        let bytes =
            bytes.ok_or_else(|| format!("modules have more than {MAX_FILES_BYTES} bytes"))?;
        *left = Budget { files, bytes };
    }
    Ok(())
}

#[cfg(test)]
#[path = "bundler_tests.rs"]
mod tests;
