//! A path on its way from its grant. openat2(2) follows what stays beneath the
//! grant's descriptor; a link with an absolute target, or one that climbs above it,
//! is refused there, wherever it leads. Then the names are taken one by one, each
//! from the directory before it.
//!
//! One walk costs at most [`MAX_STEPS`] names of one call each, two more for each
//! of [`MAX_LINKS`] links, and the two attempts to have it at once.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::Mode;

use super::decide::Resolver;
use super::open::{OpenError, file_system, is_kernels, real_path};
use super::place::Place;
use super::tally;
use crate::policy::{AllowedPath, normalize};

/// Symbolic links that one path may take, the kernel's own limit
/// (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Names that are taken one by one for one path, those of links included. The
/// longest path has half as many (PATH_MAX, a slash for each); with all of
/// [`MAX_LINKS`], each may stand 100 directories deep.
pub(super) const MAX_STEPS: usize = 4096;

/// A path below a directory that is being renamed is told to try again
/// (openat2(2), EAGAIN).
const MAX_RACES: usize = 64;

/// A directory, whatever may be done in it.
pub(super) const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);

pub(super) struct Walk<'a> {
    resolver: &'a Resolver<'a>,
    /// What is walked from its grant now: a link may lead to another grant.
    path: AllowedPath,
    /// Where the walk is; none is the grant's anchor.
    at: Option<OwnedFd>,
    /// Its real path, once it was needed.
    real: Option<PathBuf>,
    /// The names to take from there, the last one first.
    rest: Vec<OsString>,
    /// A name behind those, that is not to be taken.
    last: Option<OsString>,
    /// How many of the names to take are from a link's target.
    of_link: usize,
    links: usize,
    steps: usize,
    /// Whether what was opened lies in the directory where the walk is.
    is_near: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(resolver: &'a Resolver<'a>, path: &AllowedPath) -> Self {
        tally::resolution();
        Self {
            resolver,
            rest: names(&path.below_anchor()),
            real: Some(path.anchor_path()),
            path: path.clone(),
            at: None,
            last: None,
            of_link: 0,
            links: 0,
            steps: 0,
            is_near: false,
        }
    }

    fn at(&self) -> BorrowedFd<'_> {
        self.at.as_ref().map_or(self.path.anchor(), AsFd::as_fd)
    }

    fn real(&mut self) -> Result<&Path, OpenError> {
        let real = match self.real.take() {
            Some(real) => real,
            None => real_path(self.at())?,
        };
        Ok(self.real.insert(real))
    }

    /// The directory of what was opened by its name.
    pub(super) fn directory(&self) -> Option<BorrowedFd<'_>> {
        self.is_near.then(|| self.at())
    }

    /// Opens what the path leads to, by one call if the kernel follows it. Nothing
    /// if it does not exist.
    pub(super) fn at_once(&mut self, flags: OFlag) -> Result<Option<OwnedFd>, OpenError> {
        match self.beneath(&self.path.below_anchor(), flags) {
            Ok(opened) => Ok(Some(opened)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) if self.is_by_names(error) => self.onward(flags),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the kernel's answer is not the last word: a link is on the way, or
    /// something is denied, and what a link leads to may lie in there. The walk by
    /// names asks the rules about links before it follows them.
    fn is_by_names(&self, error: Errno) -> bool {
        match error {
            Errno::EXDEV | Errno::ELOOP => true,
            Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES => self.resolver.tells_by_identity(),
            _ => false,
        }
    }

    /// As [`Self::at_once`], with a call of its own for the last name: the walk is
    /// then in the directory that holds it, or would.
    pub(super) fn in_the_directory(&mut self, flags: OFlag) -> Result<Option<OwnedFd>, OpenError> {
        if self.rest.is_empty() {
            return self.at_once(flags);
        }
        match self.parent() {
            Ok(directory) => {
                self.rest.truncate(1);
                self.real = None;
                self.at = Some(directory);
            }
            // What is missing is on the way.
            Err(Errno::ENOENT) => {}
            Err(error) if self.is_by_names(error) => {}
            Err(error) => return Err(error.into()),
        }
        self.onward(flags)
    }

    /// The place of the last name, which is not looked at.
    pub(super) fn the_directory(&mut self) -> Result<Place, OpenError> {
        let directory = match self.parent() {
            Err(error) if self.is_by_names(error) => {
                self.last = Some(self.rest.remove(0));
                self.onward(DIRECTORY)?.ok_or(Errno::ENOENT)?
            }
            other => {
                let directory = other?;
                self.rest.truncate(1);
                directory
            }
        };
        let name = self.last.take().or_else(|| self.rest.pop()).ok_or(Errno::ENOENT)?;
        let real = real_path(directory.as_fd())?.join(&name);
        Ok(Place::new(directory, name, real))
    }

    /// Takes the names that are left, one after the other. Nothing if the next one
    /// does not exist; then the walk is where it would be.
    pub(super) fn onward(&mut self, flags: OFlag) -> Result<Option<OwnedFd>, OpenError> {
        while let Some(name) = self.rest.last().cloned() {
            self.spend()?;
            let is_last = self.rest.len() == 1;
            match step(self.at(), &name, if is_last { flags } else { DIRECTORY }) {
                Ok(opened) if is_last => {
                    self.is_near = true;
                    return Ok(Some(opened));
                }
                Ok(directory) => self.enter(directory),
                Err(Errno::ELOOP) => self.expand(&name)?,
                Err(Errno::ENOENT) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(step(self.at(), OsStr::new("."), flags)?))
    }

    /// The place of the one name that is missing.
    pub(super) fn place(&self) -> Result<Place, OpenError> {
        if self.rest.len() > 1 {
            return Err(Errno::ENOENT.into());
        }
        self.stopped()
    }

    /// The place of the name at which the walk has ended.
    pub(super) fn stopped(&self) -> Result<Place, OpenError> {
        let name = self.rest.last().ok_or(Errno::ENOENT)?;
        let directory = self.at().try_clone_to_owned()?;
        let real = real_path(directory.as_fd())?.join(name);
        Ok(Place::new(directory, name.clone(), real))
    }

    /// The place of the first name that is missing, and those behind it.
    pub(super) fn places(mut self) -> Result<(Place, Vec<OsString>), OpenError> {
        if self.of_link > 0 {
            // The link is there. What it means is not for mkdir(2) to make.
            return Err(Errno::EEXIST.into());
        }
        let name = self.rest.pop().ok_or(Errno::EEXIST)?;
        let directory = self.at().try_clone_to_owned()?;
        let real = real_path(directory.as_fd())?.join(&name);
        self.rest.reverse();
        Ok((Place::new(directory, name, real), self.rest))
    }

    fn enter(&mut self, directory: OwnedFd) {
        self.at = Some(directory);
        self.of_link = self.of_link.saturating_sub(1);
        if let (Some(real), Some(name)) = (&mut self.real, self.rest.pop()) {
            real.push(name);
        }
    }

    /// Puts what a link means in the place of its name.
    fn expand(&mut self, name: &OsStr) -> Result<(), OpenError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::ELOOP.into());
        }
        tally::call();
        let target = match readlinkat(self.at(), name) {
            // It was one a moment ago: what it is now shows at the next step.
            Err(Errno::EINVAL | Errno::ENOENT) => return Ok(()),
            other => other?,
        };
        if is_kernels(file_system(self.at())?) {
            return Err(self.resolver.refuse(&self.path));
        }
        // The names that the program wrote.
        let written = self.rest.len() - self.of_link.max(1);
        self.rest.pop();
        let here = self.real()?.to_owned();
        let mut meant = normalize(&here.join(target));
        let goes_on = meant.starts_with(&here);
        meant.extend(self.rest.iter().rev().chain(&self.last));
        let allowed = self.resolver.allow_link(&meant, &self.path)?;
        if self.last.is_some() && allowed.is_grant() {
            // What is around a grant is not granted.
            return Err(self.resolver.refuse(&self.path));
        }
        let mut rest = if goes_on {
            names(meant.strip_prefix(&here).unwrap_or(&meant))
        } else {
            self.at = None;
            self.real = Some(allowed.anchor_path());
            let rest = names(&allowed.below_anchor());
            self.path = allowed;
            rest
        };
        if self.last.is_some() {
            rest.remove(0);
        }
        self.of_link = rest.len().saturating_sub(written);
        self.rest = rest;
        Ok(())
    }

    fn spend(&mut self) -> Result<(), Errno> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(Errno::ELOOP);
        }
        if self.resolver.is_over() { Err(Errno::EINTR) } else { Ok(()) }
    }

    /// The directory of the last name, if the kernel follows the way to it.
    fn parent(&self) -> Result<OwnedFd, Errno> {
        let path = self.path.below_anchor();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        self.beneath(parent.unwrap_or(Path::new(".")), DIRECTORY)
    }

    /// openat2(2) beneath the path's grant.
    fn beneath(&self, from: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
        let mut resolve = ResolveFlag::RESOLVE_NO_MAGICLINKS;
        if !self.path.is_unbounded() {
            resolve |= ResolveFlag::RESOLVE_BENEATH;
        }
        open(self.path.anchor(), from, flags, resolve)
    }
}

/// Opens one name, or `.`; a link is ELOOP.
fn step(at: BorrowedFd<'_>, name: &OsStr, flags: OFlag) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    open(at, Path::new(name), flags, resolve)
}

fn open(
    at: BorrowedFd<'_>,
    path: &Path,
    flags: OFlag,
    resolve: ResolveFlag,
) -> Result<OwnedFd, Errno> {
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).mode(Mode::empty()).resolve(resolve);
    for _ in 0..MAX_RACES {
        tally::call();
        match openat2(at, path, how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            other => return other,
        }
    }
    Err(Errno::EAGAIN)
}

/// The names of a relative path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter(|component| matches!(component, std::path::Component::Normal(_)))
        .map(|component| component.as_os_str().to_owned())
        .collect()
}
