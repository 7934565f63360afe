//! Calls on paths.

use super::Call;
use super::descriptors::{Descriptor, Directory, ImageFile, WorldFile};
use super::errno::{Done, Errno, Fault};
use super::path::{Place, Target, in_image, resolve};
use super::stat::{FILESTAT_BYTES, FileType, Filestat};
use super::status::{APPEND, FD_READ, FD_WRITE, SYNC_FLAGS};
use crate::engines::python::image::Node;
use crate::protocol::{Answer, FileOperation, OpenOptions, Operation};

/// `lookupflags`.
const FOLLOW: u32 = 1;

/// `oflags`.
const CREATE: u16 = 1;
const DIRECTORY: u16 = 2;
const EXCLUSIVE: u16 = 4;
const TRUNCATE: u16 = 8;

/// How a path is opened.
struct How {
    options: OpenOptions,
    is_directory: bool,
    follow: bool,
}

impl How {
    fn writes(&self) -> bool {
        let OpenOptions { write, append, truncate, create, create_new, .. } = self.options;
        write || append || truncate || create || create_new
    }
}

impl Call<'_> {
    /// The path of which a pointer and a length are the arguments at `name`, below the
    /// directory of the argument at `directory`.
    fn target(&mut self, directory: usize, name: usize) -> Done<Target> {
        let name = self.memory.path(self.word(name), self.word(name + 1))?;
        let number = self.word(directory);
        let directory = self.wasi.descriptors.directory(number)?;
        resolve(directory, &name, &self.wasi.workspace)
    }

    fn file(&self, operation: FileOperation) -> Done<Answer> {
        self.answer(Operation::File(operation))
    }

    fn how(&self) -> Done<How> {
        let (oflags, rights, fdflags) = (self.half(4), self.long(5), self.half(7));
        if fdflags & SYNC_FLAGS != 0 {
            return Err(Errno::Notsup.into());
        }
        let has = |flag| oflags & flag != 0;
        let write = rights & FD_WRITE != 0;
        let options = OpenOptions {
            read: rights & FD_READ != 0 || !write,
            write,
            append: write && fdflags & APPEND != 0,
            truncate: has(TRUNCATE),
            create: has(CREATE),
            create_new: has(CREATE) && has(EXCLUSIVE),
            ..OpenOptions::default()
        };
        let follow = self.word(1) & FOLLOW != 0 && !options.create_new;
        Ok(How { options, is_directory: has(DIRECTORY), follow })
    }

    pub(super) fn path_open(&mut self) -> Done {
        let how = self.how()?;
        self.memory.check(self.word(8), 4)?;
        let target = self.target(0, 2)?;
        self.wasi.descriptors.check_room()?;
        let (descriptor, stat) = match target.place {
            Place::Image(path) => (self.open_image(path, &how, target.is_directory)?, None),
            Place::Ancestor(_) if how.writes() => return Err(Errno::Isdir.into()),
            Place::Ancestor(path) => (directory(path), None),
            Place::World(path) if how.is_directory || target.is_directory => {
                (self.open_directory(path, &how)?, None)
            }
            Place::World(path) => self.open_file(path, &how)?,
        };
        let number = self.wasi.descriptors.add(descriptor)?;
        self.wasi.just_opened = stat.map(|stat| (number, stat));
        Ok(self.memory.put_u32(self.word(8), number)?)
    }

    fn open_image(&self, path: String, how: &How, is_directory: bool) -> Done<Descriptor> {
        let node = in_image(&self.wasi.image, &path, is_directory);
        if how.options.create_new && node.is_ok() {
            return Err(Errno::Exist.into());
        }
        if how.options.create || (how.writes() && node.is_ok()) {
            return Err(Errno::Rofs.into());
        }
        match node? {
            Node::File(_) if how.is_directory => Err(Errno::Notdir.into()),
            Node::File(bytes) => Ok(Descriptor::Image(ImageFile { path, bytes, at: 0 })),
            Node::Directory => Ok(directory(path)),
        }
    }

    fn open_directory(&self, path: String, how: &How) -> Done<Descriptor> {
        if how.writes() {
            return Err(Errno::Isdir.into());
        }
        match self.stat(path.clone(), how.follow)?.file_type {
            FileType::Directory => Ok(directory(path)),
            FileType::SymbolicLink => Err(Errno::Loop.into()),
            FileType::Unknown
            | FileType::BlockDevice
            | FileType::CharacterDevice
            | FileType::RegularFile
            | FileType::SocketStream => Err(Errno::Notdir.into()),
        }
    }

    fn open_file(&mut self, path: String, how: &How) -> Done<(Descriptor, Option<Filestat>)> {
        if !how.follow && !how.options.create_new {
            self.check_link(&path, how)?;
        }
        let options = how.options;
        let opened = self.file(FileOperation::Open { path: path.clone(), options })?;
        let Answer::Handle(handle) = opened else { return Err(Errno::Io.into()) };
        self.wasi.locks.opened(&path, &options);
        let file = WorldFile::new(handle, &options);
        if how.writes() {
            // Of files only.
            return Ok((Descriptor::World(file), None));
        }
        match self.stat_of(&file) {
            Ok(stat) if stat.file_type == FileType::Directory => {
                self.answer(Operation::close(handle))?;
                Ok((directory(path), None))
            }
            Ok(stat) => Ok((Descriptor::World(file), Some(stat))),
            Err(fault) => {
                self.answer(Operation::close(handle))?;
                Err(fault)
            }
        }
    }

    /// A link is not followed if the guest says so; something that is not there may be made.
    fn check_link(&self, path: &str, how: &How) -> Done {
        match self.stat(path.to_owned(), false) {
            Ok(stat) if stat.file_type == FileType::SymbolicLink => Err(Errno::Loop.into()),
            Err(Fault::Errno(Errno::Noent)) if how.options.create => Ok(()),
            other => other.map(drop),
        }
    }

    pub(super) fn path_filestat_get(&mut self) -> Done {
        self.memory.check(self.word(4), FILESTAT_BYTES)?;
        let Target { place, is_directory } = self.target(0, 2)?;
        let stat = match place {
            Place::Image(path) => match in_image(&self.wasi.image, &path, is_directory)? {
                Node::File(bytes) => Filestat::own(FileType::RegularFile, &path, bytes.len()),
                Node::Directory => Filestat::own(FileType::Directory, &path, 0),
            },
            Place::Ancestor(path) => Filestat::own(FileType::Directory, &path, 0),
            Place::World(path) if self.enters(&path) => {
                Filestat::own(FileType::Directory, &path, 0)
            }
            // Whoever asks has the lock: nobody else has, and it is not to be seen.
            Place::World(path) if self.wasi.locks.holds(&path) => return Err(Errno::Noent.into()),
            Place::World(path) => {
                let follow = self.word(1) & FOLLOW != 0 || is_directory;
                self.stat(path, follow)?
            }
        };
        if is_directory && stat.file_type != FileType::Directory {
            return Err(Errno::Notdir.into());
        }
        Ok(self.memory.put(self.word(4), &stat.encode())?)
    }

    /// Whether this is `chdir` to the workspace at the run's beginning.
    fn enters(&mut self, path: &str) -> bool {
        path == self.wasi.workspace && std::mem::take(&mut self.wasi.to_be_entered)
    }

    pub(super) fn path_filestat_set_times(&mut self) -> Done {
        let path = self.target(0, 2)?.writable()?;
        if self.wasi.locks.holds(&path) {
            return Ok(());
        }
        if self.word(1) & FOLLOW == 0 {
            let stat = self.stat(path.clone(), false)?;
            if stat.file_type == FileType::SymbolicLink {
                return Err(Errno::Notsup.into());
            }
        }
        let (accessed, modified) = self.times(4, |call| call.stat(path.clone(), true))?;
        self.file(FileOperation::Utime { path, accessed, modified }).map(drop)
    }

    pub(super) fn path_create_directory(&mut self) -> Done {
        let path = match self.target(0, 1)?.place {
            Place::Image(path) if self.wasi.image.get(&path).is_none() => {
                return Err(Errno::Rofs.into());
            }
            Place::Image(_) | Place::Ancestor(_) => return Err(Errno::Exist.into()),
            Place::World(path) => path,
        };
        if let Some(database) = self.wasi.locks.locked_by(&path)
            && self.lock(database)?
        {
            return Ok(());
        }
        self.file(FileOperation::Mkdir { path, recursive: false, mode: None }).map(drop)
    }

    pub(super) fn path_unlink_file(&mut self) -> Done {
        let target = self.target(0, 1)?;
        if target.is_directory {
            return Err(Errno::Isdir.into());
        }
        self.remove(target, |is_directory| if is_directory { Some(Errno::Isdir) } else { None })
    }

    pub(super) fn path_remove_directory(&mut self) -> Done {
        let target = self.target(0, 1)?;
        if let Place::World(path) = &target.place
            && let Some(done) = self.unlock(path)
        {
            return done;
        }
        self.remove(target, |is_directory| if is_directory { None } else { Some(Errno::Notdir) })
    }

    /// The broker removes files and empty directories alike. Whoever may write and not read is
    /// not asked what it is.
    fn remove(&self, target: Target, wrong: impl Fn(bool) -> Option<Errno>) -> Done {
        let path = target.writable()?;
        match self.stat(path.clone(), false) {
            Ok(stat) => {
                if let Some(errno) = wrong(stat.file_type == FileType::Directory) {
                    return Err(errno.into());
                }
            }
            Err(Fault::Errno(Errno::Acces)) => {}
            Err(fault) => return Err(fault),
        }
        self.file(FileOperation::Remove { path, recursive: false }).map(drop)
    }

    pub(super) fn path_rename(&mut self) -> Done {
        let from = self.target(0, 1)?.writable()?;
        let to = self.target(3, 4)?.writable()?;
        self.file(FileOperation::Rename { from, to }).map(drop)
    }

    pub(super) fn path_link(&mut self) -> Done {
        let from = self.target(0, 2)?.writable()?;
        let to = self.target(4, 5)?.writable()?;
        self.file(FileOperation::Link { from, to }).map(drop)
    }

    pub(super) fn path_symlink(&mut self) -> Done {
        let target = self.memory.path(self.word(0), self.word(1))?;
        let path = self.target(2, 3)?.writable()?;
        self.file(FileOperation::Symlink { target, path }).map(drop)
    }

    pub(super) fn path_readlink(&mut self) -> Done {
        let (buffer, room) = (self.word(3), self.word(4));
        self.memory.check(buffer, room)?;
        self.memory.check(self.word(5), 4)?;
        let Target { place, is_directory } = self.target(0, 1)?;
        let path = match place {
            Place::Image(path) => {
                in_image(&self.wasi.image, &path, is_directory)?;
                return Err(Errno::Inval.into());
            }
            Place::Ancestor(_) => return Err(Errno::Inval.into()),
            Place::World(path) => path,
        };
        let Answer::Text(text) = self.file(FileOperation::ReadLink { path })? else {
            return Err(Errno::Io.into());
        };
        let kept = &text.as_bytes()[..text.len().min(room as usize)];
        self.memory.put(buffer, kept)?;
        let used = u32::try_from(kept.len()).map_err(|_| Errno::Overflow)?;
        Ok(self.memory.put_u32(self.word(5), used)?)
    }
}

fn directory(path: String) -> Descriptor {
    Descriptor::Directory(Directory { path, entries: None })
}
