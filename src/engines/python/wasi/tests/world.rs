//! A world of files in memory, which answers as the broker does.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::engines::python::world::{End, World};
use crate::protocol::{
    Answer, DirEntry, Failure, FileOperation, HandleCall, HandleOperation, OpenOptions, Operation,
    Stat, Stream, Whence,
};

type Answered = Result<Answer, Failure>;

#[derive(Default)]
pub(super) struct Fake {
    /// By their paths; None is a directory.
    pub files: RefCell<BTreeMap<String, Option<Vec<u8>>>>,
    /// By their numbers: path, position, whether it is appended to.
    pub open: RefCell<BTreeMap<u32, (String, u64, bool)>>,
    /// Names of the operations that were asked for.
    pub asked: RefCell<Vec<&'static str>>,
    pub printed: RefCell<Vec<(Stream, Vec<u8>)>>,
    pub slept: Cell<Duration>,
    pub links: RefCell<BTreeMap<String, String>>,
    /// Nothing goes on.
    pub stopped: Cell<bool>,
    /// The next operation of this name fails so.
    pub fails: RefCell<Option<(&'static str, Failure)>>,
    /// Handles by which files are locked; those from 1000 on are of others.
    pub locked: RefCell<BTreeMap<String, u32>>,
    /// Whether each lock that was asked for is shared.
    pub shared: RefCell<Vec<bool>>,
}

pub(super) fn failure(class: &str, code: Option<&str>) -> Failure {
    Failure {
        class: class.into(),
        message: class.into(),
        code: code.map(Into::into),
        refused: false,
    }
}

fn not_found() -> Failure {
    failure("NotFound", Some("ENOENT"))
}

impl Fake {
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        let fake = Self::default();
        for (path, text) in files {
            fake.files.borrow_mut().insert((*path).to_owned(), Some(text.as_bytes().to_vec()));
        }
        fake.files.borrow_mut().insert("/ws".to_owned(), None);
        fake
    }

    pub(super) fn text(&self, path: &str) -> String {
        let files = self.files.borrow();
        String::from_utf8(files[path].clone().expect("a file")).expect("UTF-8")
    }

    pub(super) fn take_asked(&self) -> Vec<&'static str> {
        self.asked.take()
    }

    fn stat(&self, path: &str, follow: bool) -> Answered {
        if !follow && self.links.borrow().contains_key(path) {
            return Ok(Answer::Stat(Box::new(Stat { is_symlink: true, ..Stat::default() })));
        }
        let files = self.files.borrow();
        let node = files.get(path).ok_or_else(not_found)?;
        Ok(Answer::Stat(Box::new(Stat {
            is_file: node.is_some(),
            is_directory: node.is_none(),
            size: node.as_ref().map_or(0, |bytes| bytes.len() as u64),
            mtime: 1500,
            ino: 7,
            ..Stat::default()
        })))
    }

    fn open(&self, path: String, options: OpenOptions) -> Answered {
        let OpenOptions { write, append, truncate, create, create_new, .. } = options;
        let mut files = self.files.borrow_mut();
        let writes = write || append || truncate || create || create_new;
        match files.get_mut(&path) {
            Some(_) if create_new => return Err(failure("AlreadyExists", Some("EEXIST"))),
            Some(None) if writes => return Err(failure("IsADirectory", Some("EISDIR"))),
            Some(Some(bytes)) if truncate => bytes.clear(),
            Some(_) => {}
            None if create || create_new => drop(files.insert(path.clone(), Some(Vec::new()))),
            None => return Err(not_found()),
        }
        let handle = self.open.borrow().keys().next_back().map_or(1, |last| last + 1);
        self.open.borrow_mut().insert(handle, (path, 0, append));
        Ok(Answer::Handle(handle))
    }

    fn file(&self, operation: FileOperation) -> Answered {
        let mut files = self.files.borrow_mut();
        match operation {
            FileOperation::Open { path, options } => {
                drop(files);
                self.open(path, options)
            }
            FileOperation::Stat { path, follow } => {
                drop(files);
                self.stat(&path, follow)
            }
            FileOperation::ReadDir { path } => {
                files.get(&path).ok_or_else(not_found)?;
                let below = format!("{path}/");
                let entry = |(path, node): (&String, &Option<Vec<u8>>)| {
                    let name = path.strip_prefix(&below).filter(|name| !name.contains('/'))?;
                    let (is_file, is_directory) = (node.is_some(), node.is_none());
                    Some(DirEntry { name: name.into(), is_file, is_directory, is_symlink: false })
                };
                Ok(Answer::Entries(files.iter().filter_map(entry).collect()))
            }
            FileOperation::Mkdir { path, .. } => match files.insert(path, None) {
                Some(_) => Err(failure("AlreadyExists", Some("EEXIST"))),
                None => Ok(Answer::Done),
            },
            FileOperation::Remove { path, .. } => {
                files.remove(&path).ok_or_else(not_found).map(|_| Answer::Done)
            }
            FileOperation::Rename { from, to } => {
                let node = files.remove(&from).ok_or_else(not_found)?;
                files.insert(to, node);
                Ok(Answer::Done)
            }
            FileOperation::Symlink { target, path } => {
                self.links.borrow_mut().insert(path, target);
                Ok(Answer::Done)
            }
            FileOperation::ReadLink { path } => {
                let target = self.links.borrow().get(&path).cloned();
                target.map(Answer::Text).ok_or_else(|| failure("TypeError", Some("EINVAL")))
            }
            other => panic!("not in this world: {other:?}"),
        }
    }

    fn handle(&self, handle: u32, call: HandleCall) -> Answered {
        let mut open = self.open.borrow_mut();
        let bad = || failure("BadResource", None);
        let (path, at, append) = open.get_mut(&handle).ok_or_else(bad)?;
        let mut files = self.files.borrow_mut();
        let Some(Some(bytes)) = files.get_mut(path) else {
            drop(files);
            return self.stat(path, true);
        };
        match call {
            HandleCall::Read { max } => {
                let from = (*at as usize).min(bytes.len());
                let part = bytes[from..bytes.len().min(from + max as usize)].to_vec();
                *at = (from + part.len()) as u64;
                Ok(Answer::Bytes(part.into()))
            }
            HandleCall::Write { data } => {
                let from = if *append { bytes.len() } else { *at as usize };
                let end = from + data.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[from..end].copy_from_slice(&data);
                *at = end as u64;
                Ok(Answer::Count(data.len() as u64))
            }
            HandleCall::Seek { offset, whence } => {
                let base = match whence {
                    Whence::Start => 0,
                    Whence::Current => *at,
                    Whence::End => bytes.len() as u64,
                };
                let invalid = || failure("TypeError", Some("EINVAL"));
                *at = base.checked_add_signed(offset).ok_or_else(invalid)?;
                Ok(Answer::Count(*at))
            }
            HandleCall::Truncate { length } => {
                bytes.resize(length as usize, 0);
                Ok(Answer::Done)
            }
            HandleCall::Stat => {
                drop(files);
                self.stat(path, true)
            }
            HandleCall::Lock { shared } => {
                if !bytes.is_empty() && !bytes.starts_with(b"SQLite format 3\0") {
                    return Err(failure("NotSupported", None));
                }
                self.shared.borrow_mut().push(shared);
                let mut locked = self.locked.borrow_mut();
                let holder = *locked.entry(path.clone()).or_insert(handle);
                if holder == handle { Ok(Answer::Done) } else { Err(failure("Busy", None)) }
            }
            HandleCall::Utime { .. } | HandleCall::Sync { .. } => Ok(Answer::Done),
        }
    }
}

impl World for Fake {
    fn ask(&self, operation: Operation) -> Result<Answered, End> {
        self.check()?;
        let name = operation.name();
        self.asked.borrow_mut().push(name);
        if self.fails.borrow().as_ref().is_some_and(|(of, _)| *of == name) {
            return Ok(Err(self.fails.take().expect("it fails").1));
        }
        Ok(match operation {
            Operation::File(operation) => self.file(operation),
            Operation::Handle(HandleOperation::InTurn { handle, call }) => {
                self.handle(handle, call)
            }
            Operation::Handle(HandleOperation::Close { handle }) => {
                self.open.borrow_mut().remove(&handle);
                self.locked.borrow_mut().retain(|_, holder| *holder != handle);
                Ok(Answer::Done)
            }
            other => panic!("WASI asks for files only: {other:?}"),
        })
    }

    fn print(&self, stream: Stream, bytes: &[u8]) -> Result<(), End> {
        self.printed.borrow_mut().push((stream, bytes.to_vec()));
        Ok(())
    }

    fn sleep(&self, time: Duration) -> Result<(), End> {
        self.check()?;
        self.slept.set(time);
        Ok(())
    }

    fn check(&self) -> Result<(), End> {
        if self.stopped.get() { Err(End::Stopped) } else { Ok(()) }
    }
}
