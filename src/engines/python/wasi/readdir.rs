//! What is in a directory.

use super::Call;
use super::descriptors::{Descriptor, Entry};
use super::errno::{Done, Errno};
use super::path::{Place, place};
use super::stat::{FileType, inode_of};
use crate::engines::python::image::{Image, Node};
use crate::protocol::{Answer, DirEntry, FileOperation, Operation};

/// Bytes of a `dirent`, before the name.
const DIRENT_BYTES: usize = 24;

impl Entry {
    /// As `dirent` and the name; `next` is the cookie of what comes behind it.
    fn encode(&self, next: u64) -> Vec<u8> {
        let length = u32::try_from(self.name.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(DIRENT_BYTES + self.name.len());
        bytes.extend(next.to_le_bytes());
        bytes.extend(self.inode.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend([self.file_type as u8, 0, 0, 0]);
        bytes.extend(self.name.as_bytes());
        bytes
    }
}

/// `.` and `..`, which every directory has.
fn dots(path: &str) -> [Entry; 2] {
    [".", ".."].map(|name| Entry {
        name: name.to_owned(),
        inode: inode_of(path),
        file_type: FileType::Directory,
    })
}

fn of_image(image: &Image, path: &str) -> Vec<Entry> {
    let entry = |(name, path, node): (&str, &str, Node)| Entry {
        name: name.to_owned(),
        inode: inode_of(path),
        file_type: match node {
            Node::File(_) => FileType::RegularFile,
            Node::Directory => FileType::Directory,
        },
    };
    image.entries(path).map(entry).collect()
}

/// The numbers are made up: one call to the broker for each name would be dear.
fn of_world(path: &str, entries: Vec<DirEntry>) -> impl Iterator<Item = Entry> {
    entries.into_iter().map(move |entry| Entry {
        inode: inode_of(&format!("{path}/{}", entry.name)),
        file_type: FileType::of_entry(&entry),
        name: entry.name,
    })
}

impl Call<'_> {
    /// A cookie is the number of names before it. They stay what they were when the first was
    /// asked for, however the directory changes.
    pub(super) fn fd_readdir(&mut self) -> Done {
        let (number, cookie) = (self.word(0), self.long(3));
        self.memory.check(self.word(1), self.word(2))?;
        self.memory.check(self.word(4), 4)?;
        let path = self.wasi.descriptors.directory(number)?.to_owned();
        let known = match self.wasi.descriptors.get(number)? {
            Descriptor::Directory(directory) if cookie > 0 => directory.entries.take(),
            Descriptor::Directory(_)
            | Descriptor::Stdin
            | Descriptor::Output(_)
            | Descriptor::Image(_)
            | Descriptor::World(_) => None,
        };
        let entries = match known {
            Some(entries) => entries,
            None => self.entries(&path)?,
        };
        let written = self.write_entries(&entries, cookie);
        if let Descriptor::Directory(directory) = self.wasi.descriptors.get(number)? {
            directory.entries = Some(entries);
        }
        Ok(self.memory.put_u32(self.word(4), written?)?)
    }

    fn entries(&self, path: &str) -> Done<Vec<Entry>> {
        let mut entries = dots(path).to_vec();
        match place(path, &self.wasi.workspace) {
            Place::Image(path) => entries.extend(of_image(&self.wasi.image, &path)),
            Place::Ancestor(path) | Place::World(path) => {
                let operation = FileOperation::ReadDir { path: path.clone() };
                let Answer::Entries(found) = self.answer(Operation::File(operation))? else {
                    return Err(Errno::Io.into());
                };
                entries.extend(of_world(&path, found));
            }
        }
        Ok(entries)
    }

    /// Writes names from a cookie on, and the last one cut where the buffer ends: a full
    /// buffer says that there is more.
    fn write_entries(&mut self, entries: &[Entry], cookie: u64) -> Done<u32> {
        let (at, room) = (self.word(1), self.word(2));
        let buffer = self.memory.bytes_mut(at, room)?;
        let first = usize::try_from(cookie).unwrap_or(usize::MAX).min(entries.len());
        let mut used = 0;
        for (entry, next) in entries[first..].iter().zip(cookie.saturating_add(1)..) {
            let bytes = entry.encode(next);
            let part = bytes.len().min(buffer.len() - used);
            buffer[used..used + part].copy_from_slice(&bytes[..part]);
            used += part;
            if part < bytes.len() {
                break;
            }
        }
        Ok(u32::try_from(used).map_err(|_| Errno::Overflow)?)
    }
}
