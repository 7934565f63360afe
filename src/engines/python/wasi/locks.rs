//! SQLite's locks. It locks a database by a directory beside it, as there are no locks of files in
//! WASI, and a run that is ended would leave that behind. A lock of the file itself takes its place:
//! it ends with the run's handles. A connection that only reads shares its lock with others of
//! its kind, and needs no right to write.

use std::collections::BTreeMap;

use super::Call;
use super::errno::{Done, Errno, Fault};
use crate::protocol::{Answer, FileOperation, HandleCall, HandleOperation, OpenOptions, Operation};

/// What SQLite appends to the path of a database.
const SUFFIX: &str = ".lock";

#[derive(Debug, Default)]
pub(super) struct Locks {
    /// Paths that were opened for reading, a database may be there, and whether also for writing.
    opened: BTreeMap<String, bool>,
    /// Handles of locked files, by the paths of their databases.
    held: BTreeMap<String, u32>,
}

impl Locks {
    /// Notes a path that was opened.
    pub(super) fn opened(&mut self, path: &str, options: &OpenOptions) {
        if !options.read {
            return;
        }
        match self.opened.get_mut(path) {
            Some(writes) => *writes |= options.write,
            None => drop(self.opened.insert(path.to_owned(), options.write)),
        }
    }

    /// The file that a directory may be the lock of, and whether it was opened for writing.
    pub(super) fn locked_by(&self, directory: &str) -> Option<(String, bool)> {
        let database = directory.strip_suffix(SUFFIX)?;
        self.opened.get(database).map(|&writes| (database.to_owned(), writes))
    }

    /// Whether a directory is a lock that is held here.
    pub(super) fn holds(&self, directory: &str) -> bool {
        directory.strip_suffix(SUFFIX).is_some_and(|database| self.held.contains_key(database))
    }
}

impl Call<'_> {
    /// Locks a database, unless it is locked here or elsewhere. False if it is none.
    pub(super) fn lock(&mut self, (database, writes): (String, bool)) -> Done<bool> {
        if self.wasi.locks.held.contains_key(&database) {
            return Err(Errno::Exist.into());
        }
        let options = OpenOptions { read: true, write: writes, ..OpenOptions::default() };
        let path = database.clone();
        let opened = match self.answer(Operation::File(FileOperation::Open { path, options })) {
            // It was removed or renamed.
            Err(Fault::Errno(Errno::Noent)) => return Ok(false),
            opened => opened?,
        };
        let Answer::Handle(handle) = opened else { return Err(Errno::Io.into()) };
        let call = HandleCall::Lock { shared: !writes };
        match self.answer(Operation::Handle(HandleOperation::InTurn { handle, call })) {
            Ok(_) => {
                self.wasi.locks.held.insert(database, handle);
                Ok(true)
            }
            Err(fault) => {
                self.answer(Operation::close(handle))?;
                match fault {
                    Fault::Errno(Errno::Notsup) => Ok(false),
                    Fault::Errno(Errno::Busy) => Err(Errno::Exist.into()),
                    Fault::Errno(_) | Fault::End(_) => Err(fault),
                }
            }
        }
    }

    /// Unlocks the database that a directory is the lock of, if it is locked here.
    pub(super) fn unlock(&mut self, directory: &str) -> Option<Done> {
        let database = directory.strip_suffix(SUFFIX)?;
        let handle = self.wasi.locks.held.remove(database)?;
        Some(self.answer(Operation::close(handle)).map(drop))
    }
}
