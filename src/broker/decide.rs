//! Which rules hold for a path, and what they say: of the path as it is written, of
//! what a link in it means, and of what it has led to.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat};

use super::open::{OpenError, ancestry, file_system, is_kernels, kind, real_path};
use super::place::Place;
use super::quota::Quota;
use crate::policy::{AllowedPath, FileId, Lineage, PathRules};

/// Rules that all hold for a path, with the directory that relative paths start from.
#[derive(Clone, Copy)]
pub(super) struct Resolver<'a> {
    rules: &'a PathRules,
    also: Option<&'a PathRules>,
    cwd: &'a Path,
    quota: &'a Quota,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(rules: &'a PathRules, cwd: &'a Path, quota: &'a Quota) -> Self {
        Self { rules, also: None, cwd, quota }
    }

    /// The same with a second permission that is needed as well.
    pub(super) fn and(self, also: &'a PathRules) -> Self {
        Self { also: Some(also), ..self }
    }

    /// The same from another directory.
    pub(super) fn from(self, cwd: &'a Path) -> Self {
        Self { cwd, ..self }
    }

    /// The rules of each permission that is needed.
    pub(super) fn each(&self) -> impl Iterator<Item = &'a PathRules> {
        std::iter::once(self.rules).chain(self.also)
    }

    /// Whether the run is over: nothing is looked for on its behalf.
    pub(super) fn is_over(&self) -> bool {
        self.quota.is_over()
    }

    /// Decides about a path as it is written.
    pub(super) fn allow(&self, path: &str) -> Result<AllowedPath, OpenError> {
        let allowed = self.rules.check(path, self.cwd)?;
        let Some(also) = self.also else { return Ok(allowed) };
        Ok(allowed.or_deeper(also.check(path, self.cwd)?))
    }

    /// Decides about what a link in a path means. A refusal names the path.
    pub(super) fn allow_link(
        &self,
        meant: &Path,
        path: &AllowedPath,
    ) -> Result<AllowedPath, OpenError> {
        let Some(meant) = meant.to_str() else { return Err(Errno::ENOENT.into()) };
        let mut allowed: Option<AllowedPath> = None;
        for rules in self.each() {
            let one = match rules.check(meant, self.cwd).map_err(OpenError::from) {
                Err(OpenError::Denied(_)) => return Err(refusal(rules, path)),
                other => other?,
            };
            allowed = Some(match allowed {
                Some(other) => other.or_deeper(one),
                None => one,
            });
        }
        let allowed = allowed.ok_or_else(|| refusal(self.rules, path))?;
        Ok(allowed.asked_for_as(path))
    }

    /// The refusal of a path.
    pub(super) fn refuse(&self, path: &AllowedPath) -> OpenError {
        refusal(self.rules, path)
    }

    /// Whether something that is denied may have another name.
    pub(super) fn tells_by_identity(&self) -> bool {
        self.each().any(PathRules::tells_by_identity)
    }

    /// Decides about what was opened. `directory` is the one that holds it, which
    /// must be known of a file if places are told by identity.
    pub(super) fn decide_on_opened(
        &self,
        path: &AllowedPath,
        opened: BorrowedFd<'_>,
        directory: Option<BorrowedFd<'_>>,
    ) -> Result<(), OpenError> {
        let real = real_path(opened)?;
        let magic = file_system(opened)?;
        self.decide(path, &real, magic, || {
            let depth = real.iter().count();
            let stat = fstat(opened)?;
            if kind(&stat) == SFlag::S_IFDIR {
                return Ok(Lineage::new(ancestry(opened, depth)?, true, magic));
            }
            let mut ids = ancestry(directory.ok_or(Errno::EINVAL)?, depth)?;
            ids.push(FileId::from(&stat));
            Ok(Lineage::new(ids, true, magic))
        })
    }

    /// Decides about a name in a directory, whether there is something or not.
    pub(super) fn decide_on(&self, path: &AllowedPath, place: &Place) -> Result<(), OpenError> {
        let magic = file_system(place.directory.as_fd())?;
        self.decide(path, &place.real, magic, || lineage(place, magic))
    }

    /// The one place where what a path has led to is decided about.
    pub(super) fn decide(
        &self,
        path: &AllowedPath,
        real: &Path,
        file_system: i64,
        lineage: impl FnOnce() -> Result<Lineage, Errno>,
    ) -> Result<(), OpenError> {
        for rules in self.each() {
            rules.opened(path, real).map_err(OpenError::Denied)?;
        }
        if is_kernels(file_system) {
            return Err(OpenError::Denied(self.rules.special(path.requested())));
        }
        if !self.tells_by_identity() {
            return Ok(());
        }
        let lineage = lineage()?;
        for rules in self.each() {
            rules.identified(path, real, &lineage).map_err(OpenError::Denied)?;
        }
        Ok(())
    }
}

fn refusal(rules: &PathRules, path: &AllowedPath) -> OpenError {
    OpenError::Denied(rules.refusal(path.requested()))
}

/// What lies at a place, and the directories around it.
pub(super) fn lineage(place: &Place, magic: i64) -> Result<Lineage, Errno> {
    let mut ids = ancestry(place.directory.as_fd(), place.real.iter().count())?;
    let found = match place.status() {
        Err(Errno::ENOENT) => None,
        other => Some(FileId::from(&other?)),
    };
    ids.extend(found);
    Ok(Lineage::new(ids, found.is_some(), magic))
}
