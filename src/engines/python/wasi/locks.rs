//! SQLite's locks. It locks a database by a directory beside it, as there are no locks of files in
//! WASI, and a run that is ended would leave that behind. A lock of the file itself takes its place:
//! it ends with the run's handles.

use std::collections::{BTreeMap, BTreeSet};

use super::Call;
use super::errno::{Done, Errno, Fault};
use crate::protocol::{Answer, FileOperation, HandleCall, HandleOperation, OpenOptions, Operation};

/// What SQLite appends to the path of a database.
const SUFFIX: &str = ".lock";

#[derive(Debug, Default)]
pub(super) struct Locks {
    /// Paths that were opened for reading and writing: a database may be there.
    opened: BTreeSet<String>,
    /// Handles of locked files, by the paths of their databases.
    held: BTreeMap<String, u32>,
}

impl Locks {
    /// Notes a path that was opened.
    pub(super) fn opened(&mut self, path: &str, options: &OpenOptions) {
        if options.read && options.write && !self.opened.contains(path) {
            self.opened.insert(path.to_owned());
        }
    }

    /// The database that a directory is the lock of.
    pub(super) fn database(&self, directory: &str) -> Option<String> {
        let database = directory.strip_suffix(SUFFIX)?;
        self.opened.contains(database).then(|| database.to_owned())
    }

    /// Whether a directory is a lock that is held here.
    pub(super) fn holds(&self, directory: &str) -> bool {
        directory.strip_suffix(SUFFIX).is_some_and(|database| self.held.contains_key(database))
    }
}

impl Call<'_> {
    /// Locks a database, unless it is locked here or elsewhere.
    pub(super) fn lock(&mut self, database: String) -> Done {
        if self.wasi.locks.held.contains_key(&database) {
            return Err(Errno::Exist.into());
        }
        let options = OpenOptions { read: true, write: true, ..OpenOptions::default() };
        let path = database.clone();
        let opened = self.answer(Operation::File(FileOperation::Open { path, options }))?;
        let Answer::Handle(handle) = opened else { return Err(Errno::Io.into()) };
        let lock = HandleOperation::InTurn { handle, call: HandleCall::Lock };
        match self.answer(Operation::Handle(lock)) {
            Ok(_) => {
                self.wasi.locks.held.insert(database, handle);
                Ok(())
            }
            Err(fault) => {
                self.answer(Operation::close(handle))?;
                Err(match fault {
                    Fault::Errno(Errno::Busy) => Errno::Exist.into(),
                    Fault::Errno(_) | Fault::End(_) => fault,
                })
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
