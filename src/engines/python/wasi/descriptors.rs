//! What the guest has open.

use super::errno::{Done, Errno};
use super::stat::FileType;
use crate::engines::python::image::ROOT;
use crate::protocol::{OpenOptions, Stream};

/// Descriptors of one guest. The broker's own limit of open files is below it; those that
/// are the image's or directories are not the broker's.
const MAX_DESCRIPTORS: usize = 256;

/// Preopened directories, by which wasi-libc finds the one that a path is below. They stay
/// open: without them nothing can be imported.
const PREOPENED: [(usize, &str); 2] = [(3, ROOT), (4, "/")];

/// Something open.
#[derive(Debug)]
pub(super) enum Descriptor {
    /// Empty: nobody sits in front of a program.
    Stdin,
    Output(Stream),
    Directory(Directory),
    Image(ImageFile),
    World(WorldFile),
}

/// A directory, of the image or of the world. The broker has nothing open for it.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub path: String,
    /// What was in it when its first entry was asked for.
    pub entries: Option<Vec<Entry>>,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    pub inode: u64,
    pub file_type: FileType,
}

/// A file of the image.
#[derive(Debug)]
pub(super) struct ImageFile {
    pub path: String,
    pub bytes: &'static [u8],
    pub at: u64,
}

impl ImageFile {
    /// Its bytes from an offset on.
    pub(super) fn from(&self, offset: u64) -> &'static [u8] {
        usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..)).unwrap_or_default()
    }
}

/// A file that the broker has open.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorldFile {
    pub handle: u32,
    pub can_read: bool,
    pub can_write: bool,
    /// Writes go to the end.
    pub appends: bool,
    /// The broker opened it so.
    pub is_append: bool,
    /// Where the guest is. None: where the broker is.
    pub at: Option<u64>,
    /// Where the broker is, as far as that is known.
    pub broker_at: Option<u64>,
    /// Where the last read that was at no offset has ended.
    pub read_to: Option<u64>,
}

/// The table.
#[derive(Debug)]
pub(super) struct Descriptors(Vec<Option<Descriptor>>);

impl Default for Descriptors {
    fn default() -> Self {
        let mut open = vec![
            Some(Descriptor::Stdin),
            Some(Descriptor::Output(Stream::Stdout)),
            Some(Descriptor::Output(Stream::Stderr)),
        ];
        let directory = |path: &str| Directory { path: path.to_owned(), entries: None };
        open.extend(PREOPENED.map(|(_, path)| Some(Descriptor::Directory(directory(path)))));
        Self(open)
    }
}

impl WorldFile {
    /// That was just opened.
    pub(super) fn new(handle: u32, options: &OpenOptions) -> Self {
        Self {
            handle,
            can_read: options.read,
            can_write: options.write || options.append,
            appends: options.append,
            is_append: options.append,
            at: Some(0),
            broker_at: Some(0),
            read_to: None,
        }
    }
}

impl Descriptors {
    pub(super) fn get(&mut self, number: u32) -> Done<&mut Descriptor> {
        let slot = self.0.get_mut(number as usize).and_then(Option::as_mut);
        slot.ok_or(Errno::Badf.into())
    }

    /// The path of a directory.
    pub(super) fn directory(&mut self, number: u32) -> Done<&str> {
        match self.get(number)? {
            Descriptor::Directory(directory) => Ok(&directory.path),
            Descriptor::Stdin
            | Descriptor::Output(_)
            | Descriptor::Image(_)
            | Descriptor::World(_) => Err(Errno::Notdir.into()),
        }
    }

    /// The path of a preopened directory.
    pub(super) fn preopened(number: u32) -> Done<&'static str> {
        let found = PREOPENED.iter().find(|(of, _)| *of == number as usize);
        found.map(|(_, path)| *path).ok_or(Errno::Badf.into())
    }

    /// Whether there is a number left.
    pub(super) fn check_room(&self) -> Done {
        let is_free = self.0.len() < MAX_DESCRIPTORS || self.0.iter().any(Option::is_none);
        if is_free { Ok(()) } else { Err(Errno::Mfile.into()) }
    }

    /// Gives something the lowest number that is free, as POSIX does.
    pub(super) fn add(&mut self, descriptor: Descriptor) -> Done<u32> {
        self.check_room()?;
        let free = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        if free == self.0.len() {
            self.0.push(None);
        }
        self.0[free] = Some(descriptor);
        u32::try_from(free).map_err(|_| Errno::Mfile.into())
    }

    /// Takes something out of the table.
    pub(super) fn remove(&mut self, number: u32) -> Done<Descriptor> {
        if Self::preopened(number).is_ok() {
            return Err(Errno::Notsup.into());
        }
        let slot = self.0.get_mut(number as usize).and_then(Option::take);
        slot.ok_or(Errno::Badf.into())
    }
}
