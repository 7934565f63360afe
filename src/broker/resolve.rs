//! From an allowed path to something open. No path is checked and then opened:
//! the kernel resolves it beneath the grant's own descriptor, and what it has
//! found is put to the policy again, by the name that the kernel has for it.
//!
//! Nothing is resolved twice: what an operation needs of one path, for whatever
//! rules, comes from one descriptor.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat};

pub(super) use super::decide::Resolver;
use super::decide::lineage;
use super::open::{OpenError, file_system, kind, own_path, real_path};
use super::place::Place;
use super::walk::{DIRECTORY, Walk};
use crate::policy::{AllowedPath, FileId, is_plain_name};

/// A file with this bit runs as its owner.
const SET_USER_ID: u32 = 0o4000;

/// A file with both bits runs as its group. Without the second, that of the group to
/// execute it, the first gives nothing (inode(7)).
const SET_GROUP_ID: u32 = 0o2010;

/// Permission bits that a program may set: no set-user-ID, set-group-ID, sticky.
pub(super) const PERMISSION_BITS: u32 = 0o777;

impl Resolver<'_> {
    /// Opens what a path leads to, whatever it is.
    pub(super) fn open(&self, path: &AllowedPath, flags: OFlag) -> Result<OwnedFd, OpenError> {
        let mut walk = Walk::new(self, path);
        let opened = if self.tells_by_identity() {
            walk.in_the_directory(flags)
        } else {
            walk.at_once(flags)
        };
        let opened = opened.and_then(|opened| Ok(opened.ok_or(Errno::ENOENT)?));
        let opened = opened.map_err(|error| self.missed(path, &walk, error))?;
        self.decide_on_opened(path, opened.as_fd(), walk.directory())?;
        Ok(opened)
    }

    /// As [`Self::open`], for a regular file or a directory.
    pub(super) fn open_regular(
        &self,
        path: &AllowedPath,
        flags: OFlag,
    ) -> Result<(OwnedFd, FileStat), OpenError> {
        // Opening acts on pipes and devices, so nothing is open for reading or
        // writing before it is known what it is.
        regular(self.open(path, OFlag::O_PATH)?.as_fd(), flags)
    }

    /// As [`Self::open_regular`], or makes a file where there is none. What is in its
    /// place is a link to nothing, or was made by another a moment ago: it is opened.
    pub(super) fn open_or_make(
        &self,
        path: &AllowedPath,
        flags: OFlag,
        mode: Mode,
        before: impl Fn() -> io::Result<()>,
    ) -> Result<(OwnedFd, Option<FileStat>), OpenError> {
        let mut walk = Walk::new(self, path);
        let found = walk.in_the_directory(OFlag::O_PATH);
        let mut found = found.map_err(|error| self.missed(path, &walk, error))?;
        loop {
            if let Some(found) = found {
                self.decide_on_opened(path, found.as_fd(), walk.directory())?;
                let (file, stat) = regular(found.as_fd(), flags)?;
                return Ok((file, Some(stat)));
            }
            let place = walk.place().map_err(|error| self.missed(path, &walk, error))?;
            self.decide_on(path, &place)?;
            before()?;
            match place.make_file(flags, mode) {
                Err(Errno::EEXIST) => found = walk.onward(OFlag::O_PATH)?,
                other => return Ok((other?, None)),
            }
        }
    }

    /// Opens the directory of a path's last name, which need not exist and is not
    /// followed.
    pub(super) fn place(&self, path: &AllowedPath) -> Result<Place, OpenError> {
        if path.is_grant() {
            // What is around it is not granted.
            return Err(self.refuse(path));
        }
        let mut walk = Walk::new(self, path);
        let place = walk.the_directory();
        let place = place.map_err(|error| self.missed(path, &walk, error))?;
        self.decide_on(path, &place)?;
        Ok(place)
    }

    /// A name in a directory that a path leads to.
    pub(super) fn inside(
        &self,
        path: &AllowedPath,
        directory: &OwnedFd,
        name: &str,
    ) -> Result<Place, OpenError> {
        if !is_plain_name(name) {
            return Err(Errno::EINVAL.into());
        }
        let real = real_path(directory.as_fd())?.join(name);
        let place = Place::new(directory.try_clone()?, OsString::from(name), real);
        self.decide_on(path, &place)?;
        Ok(place)
    }

    /// Makes a directory and those around it that are not there.
    pub(super) fn make_directories(
        &self,
        path: &AllowedPath,
        mode: Mode,
        before: impl Fn() -> io::Result<()>,
    ) -> Result<(), OpenError> {
        let mut walk = Walk::new(self, path);
        let found = match walk.at_once(DIRECTORY) {
            Ok(None) => walk.onward(DIRECTORY),
            other => other,
        };
        match found.map_err(|error| self.missed(path, &walk, error)) {
            Ok(Some(found)) => return self.decide_on_opened(path, found.as_fd(), None),
            Ok(None) => {}
            // As mkdir(2) says it.
            Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(Errno::EEXIST.into());
            }
            Err(error) => return Err(error),
        }
        let (mut place, names) = walk.places()?;
        if !names.is_empty() && !self.each().all(|rules| rules.covers(&place.real)) {
            // What is missing lies around a grant, which is to lie in it.
            return Err(Errno::ENOENT.into());
        }
        let magic = file_system(place.directory.as_fd())?;
        let mut lineage = match self.tells_by_identity() {
            true => Some(lineage(&place, magic)?),
            false => None,
        };
        for name in names {
            self.decide(path, &place.real, magic, || lineage.clone().ok_or(Errno::EINVAL))?;
            make_one(&place, mode, &before)?;
            place = place.descend(name)?;
            if let Some(known) = lineage {
                lineage = Some(known.inside(FileId::from(&fstat(&place.directory)?)));
            }
            if self.is_over() {
                return Err(Errno::EINTR.into());
            }
        }
        self.decide(path, &place.real, magic, || lineage.ok_or(Errno::EINVAL))?;
        make_one(&place, mode, &before)
    }

    /// Decides about a file that was opened by its name in a place.
    pub(super) fn found_in(
        &self,
        path: &AllowedPath,
        place: &Place,
        file: BorrowedFd<'_>,
    ) -> Result<(), OpenError> {
        self.decide_on_opened(path, file, Some(place.directory.as_fd()))
    }

    /// Decides about what a link would lead to. What does not exist yet leads
    /// nowhere, but its directory may.
    pub(super) fn can_be_led_to(&self, path: &AllowedPath) -> Result<(), OpenError> {
        let mut walk = Walk::new(self, path);
        let opened = walk.in_the_directory(OFlag::O_PATH);
        if let Some(opened) = opened.map_err(|error| self.missed(path, &walk, error))? {
            return self.decide_on_opened(path, opened.as_fd(), walk.directory());
        }
        match walk.place().map_err(|error| self.missed(path, &walk, error)) {
            Ok(place) => self.decide_on(path, &place),
            Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Why a walk has led to nothing. Where that is denied it is refused, as for what
    /// is there: which names there are is not told.
    fn missed(&self, path: &AllowedPath, walk: &Walk<'_>, error: OpenError) -> OpenError {
        if !matches!(error, OpenError::Io(_)) || !self.tells_by_identity() || self.is_over() {
            return error;
        }
        let Ok(place) = walk.stopped() else { return error };
        // Around a grant that is not there yet, nothing is denied to be told.
        if !self.each().all(|rules| rules.covers(&place.real)) {
            return error;
        }
        match self.decide_on(path, &place) {
            Err(denied @ OpenError::Denied(_)) => denied,
            _ => error,
        }
    }
}

/// Makes a directory, or leaves the one that another has made a moment ago.
fn make_one(
    place: &Place,
    mode: Mode,
    before: &impl Fn() -> io::Result<()>,
) -> Result<(), OpenError> {
    before()?;
    match place.make_directory(mode) {
        Err(Errno::EEXIST) if place.is_directory() => Ok(()),
        other => Ok(other?),
    }
}

/// Opens what is known to be in place for what a program wants to do with it, if
/// that does nothing but read and write.
fn regular(place: BorrowedFd<'_>, flags: OFlag) -> Result<(OwnedFd, FileStat), OpenError> {
    let stat = fstat(place)?;
    match kind(&stat) {
        SFlag::S_IFREG | SFlag::S_IFDIR => {}
        _ => return Err(OpenError::NotRegular),
    }
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    let file = nix::fcntl::open(&own_path(place), flags, Mode::empty())?;
    if kind(&stat) == SFlag::S_IFREG && flags & OFlag::O_ACCMODE != OFlag::O_RDONLY {
        without_set_id(&file)?;
    }
    Ok((file, stat))
}

/// Whoever may write a file must not decide what runs as its owner: the kernel
/// takes these bits away from a file that is written (inode(7)), but not if it is
/// written by a server with CAP_FSETID.
fn without_set_id(file: &OwnedFd) -> Result<(), Errno> {
    // After it was opened: whoever set the bits until now has done so before.
    let mode = fstat(file)?.st_mode;
    if mode & SET_USER_ID == 0 && mode & SET_GROUP_ID != SET_GROUP_ID {
        return Ok(());
    }
    match fchmod(file, Mode::from_bits_truncate(mode & PERMISSION_BITS)) {
        // Another's file: who has no CAP_FOWNER has no CAP_FSETID, and the kernel takes
        // the bits at the write.
        Err(Errno::EPERM) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use nix::unistd::{Uid, geteuid, setfsuid};

    use super::*;

    /// A file of this mode that is open for writing and has no name any more.
    fn file(name: &str, mode: u32) -> OwnedFd {
        let name = format!("conductor-resolve-{name}-{mode:o}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = File::create(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.set_permissions(Permissions::from_mode(mode)).unwrap();
        file.into()
    }

    fn mode(file: &OwnedFd) -> u32 {
        fstat(file).unwrap().st_mode & 0o7777
    }

    #[test]
    fn a_file_that_is_opened_for_writing_runs_as_nobody_else() {
        for (before, after) in [
            (0o6755, 0o755),
            (0o4644, 0o644),
            (0o2755, 0o755),
            (0o2710, 0o710),
            // These give nobody anything.
            (0o2644, 0o2644),
            (0o755, 0o755),
        ] {
            let file = file("bits", before);
            assert_eq!(without_set_id(&file), Ok(()));
            assert_eq!(mode(&file), after, "{before:o}");
        }
    }

    /// Only root can be another user.
    #[test]
    fn a_file_of_another_is_written_and_the_kernel_takes_its_bits() {
        if !geteuid().is_root() {
            return;
        }
        for before in [0o4777, 0o2777, 0o6777] {
            let file = file("other", before);
            let write = move || {
                // For this thread, and without root's capabilities for files
                // (capabilities(7)).
                setfsuid(Uid::from_raw(54_321));
                assert_eq!(without_set_id(&file), Ok(()));
                File::from(file.try_clone().unwrap()).write_all(b"new").unwrap();
                mode(&file)
            };
            assert_eq!(std::thread::spawn(write).join().unwrap(), 0o777, "{before:o}");
        }
    }
}
