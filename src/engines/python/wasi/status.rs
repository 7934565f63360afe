//! Calls on what is open that say or change what it is: flags, status, size, times, and the
//! names of preopened directories.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Call;
use super::descriptors::{Descriptor, Descriptors, WorldFile};
use super::errno::{Done, Errno};
use super::files::Open;
use super::path::{Place, place};
use super::stat::{FileType, Filestat, fdstat};
use crate::protocol::{Answer, FileOperation, HandleCall, Operation, Time};

/// `fdflags`.
pub(super) const APPEND: u16 = 1;
const DSYNC: u16 = 2;
const RSYNC: u16 = 8;
const SYNC: u16 = 16;

/// Writes that wait for the disk are not offered.
pub(super) const SYNC_FLAGS: u16 = DSYNC | RSYNC | SYNC;

/// `rights`: all 30 of them, those of a descriptor's position, and those of reading and writing.
const ALL_RIGHTS: u64 = (1 << 30) - 1;
pub(super) const FD_READ: u64 = 1 << 1;
pub(super) const FD_WRITE: u64 = 1 << 6;
const FD_SEEK: u64 = 1 << 2;
const FD_TELL: u64 = 1 << 5;

/// `fstflags`.
const SET_ACCESSED: u16 = 1;
const ACCESSED_NOW: u16 = 2;
const SET_MODIFIED: u16 = 4;
const MODIFIED_NOW: u16 = 8;

/// `preopentype`, the only one.
const PREOPEN_DIRECTORY: u32 = 0;

const NANOS_OF_A_SECOND: u64 = 1_000_000_000;

fn time(nanos: u64) -> Time {
    let seconds = i64::try_from(nanos / NANOS_OF_A_SECOND).unwrap_or(i64::MAX);
    Time { seconds, nanos: u32::try_from(nanos % NANOS_OF_A_SECOND).unwrap_or(0) }
}

fn now() -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Time { seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX), nanos: now.subsec_nanos() }
}

impl Call<'_> {
    pub(super) fn fd_fdstat_get(&mut self) -> Done {
        let number = self.word(0);
        let files = ALL_RIGHTS & !(FD_READ | FD_WRITE);
        let stat = match self.open(number)? {
            Open::Stdin => fdstat(FileType::Unknown, 0, FD_READ, 0),
            Open::Output(_) => fdstat(FileType::Unknown, 0, FD_WRITE, 0),
            Open::Directory(_) => {
                let rights = ALL_RIGHTS & !(FD_SEEK | FD_TELL);
                fdstat(FileType::Directory, 0, rights, ALL_RIGHTS)
            }
            Open::Image(_) => fdstat(FileType::RegularFile, 0, files | FD_READ, 0),
            Open::World(file) => {
                let read = if file.can_read { FD_READ } else { 0 };
                let write = if file.can_write { FD_WRITE } else { 0 };
                let flags = if file.appends { APPEND } else { 0 };
                fdstat(FileType::RegularFile, flags, files | read | write, 0)
            }
        };
        Ok(self.memory.put(self.word(1), &stat)?)
    }

    pub(super) fn fd_fdstat_set_flags(&mut self) -> Done {
        let (number, flags) = (self.word(0), self.half(1));
        if flags & SYNC_FLAGS != 0 {
            return Err(Errno::Notsup.into());
        }
        if let Descriptor::World(file) = self.wasi.descriptors.get(number)? {
            let appends = flags & APPEND != 0;
            if file.is_append && !appends {
                return Err(Errno::Notsup.into());
            }
            file.appends = appends;
        }
        Ok(())
    }

    pub(super) fn fd_filestat_get(&mut self) -> Done {
        let number = self.word(0);
        let known = self.just_opened.take().filter(|(of, _)| *of == number);
        let stat = match known {
            Some((_, stat)) => stat,
            None => self.status(number)?,
        };
        Ok(self.memory.put(self.word(1), &stat.encode())?)
    }

    fn status(&mut self, number: u32) -> Done<Filestat> {
        if let Descriptor::Image(file) = self.wasi.descriptors.get(number)? {
            return Ok(Filestat::own(FileType::RegularFile, &file.path, file.bytes.len()));
        }
        match self.open(number)? {
            Open::World(file) => self.stat_of(&file),
            Open::Directory(path) => match place(&path, &self.wasi.workspace) {
                Place::Image(path) | Place::Ancestor(path) => {
                    Ok(Filestat::own(FileType::Directory, &path, 0))
                }
                Place::World(path) => self.stat(path, true),
            },
            Open::Stdin | Open::Output(_) | Open::Image(_) => {
                Ok(Filestat::own(FileType::Unknown, &number.to_string(), 0))
            }
        }
    }

    pub(super) fn stat_of(&self, file: &WorldFile) -> Done<Filestat> {
        match self.on(file, HandleCall::Stat)? {
            Answer::Stat(stat) => Ok(Filestat::from(&*stat)),
            _ => Err(Errno::Io.into()),
        }
    }

    pub(super) fn stat(&self, path: String, follow: bool) -> Done<Filestat> {
        match self.answer(Operation::File(FileOperation::Stat { path, follow }))? {
            Answer::Stat(stat) => Ok(Filestat::from(&*stat)),
            _ => Err(Errno::Io.into()),
        }
    }

    pub(super) fn fd_filestat_set_size(&mut self) -> Done {
        let (number, length) = (self.word(0), self.long(1));
        match self.open(number)? {
            Open::World(file) if file.can_write => {
                self.on(&file, HandleCall::Truncate { length }).map(drop)
            }
            Open::Stdin
            | Open::Output(_)
            | Open::Directory(_)
            | Open::Image(_)
            | Open::World(_) => Err(Errno::Inval.into()),
        }
    }

    pub(super) fn fd_filestat_set_times(&mut self) -> Done {
        let number = self.word(0);
        match self.open(number)? {
            Open::World(file) => {
                let times = self.times(1, |call| call.stat_of(&file))?;
                let (accessed, modified) = times;
                self.on(&file, HandleCall::Utime { accessed, modified }).map(drop)
            }
            Open::Directory(path) => {
                let (accessed, modified) = self.times(1, |call| call.stat(path.clone(), true))?;
                let operation = FileOperation::Utime { path, accessed, modified };
                self.answer(Operation::File(operation)).map(drop)
            }
            Open::Image(_) => Err(Errno::Rofs.into()),
            Open::Stdin | Open::Output(_) => Err(Errno::Inval.into()),
        }
    }

    /// The times that a call sets, from the argument at `first` on: two times and their flags.
    /// The broker sets both: one that is to stay is asked for.
    pub(super) fn times(
        &self,
        first: usize,
        current: impl FnOnce(&Self) -> Done<Filestat>,
    ) -> Done<(Time, Time)> {
        let flags = self.half(first + 2);
        let given = |set, is_now, index| match (flags & set != 0, flags & is_now != 0) {
            (true, true) => Err(Errno::Inval),
            (true, false) => Ok(Some(time(self.long(index)))),
            (false, true) => Ok(Some(now())),
            (false, false) => Ok(None),
        };
        let accessed = given(SET_ACCESSED, ACCESSED_NOW, first)?;
        let modified = given(SET_MODIFIED, MODIFIED_NOW, first + 1)?;
        if let (Some(accessed), Some(modified)) = (accessed, modified) {
            return Ok((accessed, modified));
        }
        let stat = current(self)?;
        Ok((
            accessed.unwrap_or_else(|| time(stat.accessed)),
            modified.unwrap_or_else(|| time(stat.modified)),
        ))
    }

    pub(super) fn fd_prestat_get(&mut self) -> Done {
        let path = Descriptors::preopened(self.word(0))?;
        let at = self.word(1);
        self.memory.put_u32(at, PREOPEN_DIRECTORY)?;
        let length = u32::try_from(path.len()).map_err(|_| Errno::Overflow)?;
        Ok(self.memory.put_u32(at.checked_add(4).ok_or(Errno::Fault)?, length)?)
    }

    pub(super) fn fd_prestat_dir_name(&mut self) -> Done {
        let path = Descriptors::preopened(self.word(0))?;
        if (self.word(2) as usize) < path.len() {
            return Err(Errno::Nametoolong.into());
        }
        Ok(self.memory.put(self.word(1), path.as_bytes())?)
    }
}
