//! Deno's file operations on paths. Each blocks, and runs on a thread for that.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::stat::{
    FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmodat, fstat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::UnlinkatFlags;

use super::directory;
use super::failure::Problem;
use super::open::{OpenError, file_system, kind, own_path, real_path};
use super::place::Place;
use super::quota::Quota;
use super::resolve::{PERMISSION_BITS, Resolver};
use super::stat::describe;
use crate::policy::{AllowedPath, Denied, FileId, Moved, PathRules, Permission, Policy};
use crate::protocol::{Answer, Failure, OpenOptions, Time, WriteOptions};

/// Deno's modes of new files and directories (deno_fs 0.170), before the umask.
const FILE_MODE: u32 = 0o666;
const DIRECTORY_MODE: u32 = 0o777;

/// Bytes that are copied between two looks at whether the run goes on.
const COPY_CHUNK: u64 = 8 << 20;

/// Names that are tried for a temporary file: 64 random bits do not meet twice.
const TEMP_ATTEMPTS: usize = 16;

/// File operations of one run.
pub(super) struct Files<'a> {
    pub policy: &'a Policy,
    pub cwd: &'a Path,
    pub workspace: &'a Path,
    pub quota: &'a Arc<Quota>,
}

/// An error with the call that it came from.
fn at(call: &str, path: &str) -> impl FnOnce(OpenError) -> Problem {
    let context = format!(": {call} '{path}'");
    move |error| Problem::opening(error, &context)
}

fn between(call: &str, from: &str, to: &str) -> impl Fn(OpenError) -> Problem {
    let context = format!(": {call} '{from}' -> '{to}'");
    move |error| Problem::opening(error, &context)
}

impl Files<'_> {
    fn reader(&self) -> Resolver<'_> {
        Resolver::new(&self.policy.read, self.cwd, self.quota)
    }

    fn writer(&self) -> Resolver<'_> {
        Resolver::new(&self.policy.write, self.cwd, self.quota)
    }

    /// For what must be allowed to read and to write.
    fn both(&self) -> Resolver<'_> {
        self.reader().and(&self.policy.write)
    }

    /// Opens a file as `Deno.open` does.
    pub(super) fn open(
        &self,
        path: &str,
        options: OpenOptions,
        call: &str,
    ) -> Result<File, Problem> {
        self.open_file(path, options).map_err(at(call, path))
    }

    fn open_file(&self, path: &str, options: OpenOptions) -> Result<File, OpenError> {
        let OpenOptions { read, write, append, truncate, create, create_new, mode, .. } = options;
        let writes = write || append || truncate || create || create_new;
        let reads = read || !writes;
        let (resolver, mut flags) = match (reads, writes) {
            (true, true) => (self.both(), OFlag::O_RDWR),
            (false, true) => (self.writer(), OFlag::O_WRONLY),
            _ => (self.reader(), OFlag::O_RDONLY),
        };
        let allowed = resolver.allow(path)?;
        if append {
            flags |= OFlag::O_APPEND;
        }
        let mode = Mode::from_bits_truncate(mode.unwrap_or(FILE_MODE) & PERMISSION_BITS);
        let new_file = || self.quota.new_file();
        let (file, found) = if create_new {
            let place = resolver.place(&allowed)?;
            new_file()?;
            (place.make_file(flags, mode)?, None)
        } else if create {
            resolver.open_or_make(&allowed, flags, mode, new_file)?
        } else {
            let (file, stat) = resolver.open_regular(&allowed, flags)?;
            (file, Some(stat))
        };
        // Deno opens a directory for reading, and then no read works.
        if writes && found.is_some_and(|stat| kind(&stat) != SFlag::S_IFREG) {
            return Err(Errno::EISDIR.into());
        }
        if truncate {
            // Not before everything was decided.
            nix::unistd::ftruncate(&file, 0)?;
        }
        Ok(File::from(file))
    }

    /// Opens a file to be read from its beginning to its end.
    pub(super) fn open_whole(&self, path: &str) -> Result<(File, u64), Problem> {
        let resolver = self.reader();
        let open = || {
            let allowed = resolver.allow(path)?;
            let (file, stat) = resolver.open_regular(&allowed, OFlag::O_RDONLY)?;
            if kind(&stat) == SFlag::S_IFDIR {
                return Err(Errno::EISDIR.into());
            }
            Ok((File::from(file), u64::try_from(stat.st_size).unwrap_or(0)))
        };
        open().map_err(at("readfile", path))
    }

    /// `Deno.writeFile`.
    pub(super) fn write_file(
        &self,
        path: &str,
        data: &[u8],
        options: WriteOptions,
    ) -> Result<Answer, Problem> {
        let WriteOptions { append, create, create_new, mode } = options;
        let open = OpenOptions {
            write: true,
            truncate: !append,
            append,
            create: create && !create_new,
            create_new,
            mode,
            ..OpenOptions::default()
        };
        self.writer().allow(path).map_err(at("writefile", path))?;
        self.quota.write(data.len() as u64).map_err(|error| at("writefile", path)(error.into()))?;
        let opened = self.open(path, open, "writefile");
        if opened.is_err() {
            self.quota.give_back(data.len() as u64);
        }
        let mut file = opened?;
        file.write_all(data).map_err(|error| at("writefile", path)(error.into()))?;
        if let (Some(mode), false) = (mode, create_new) {
            // Deno sets the mode of a file that was there before.
            let mode = Mode::from_bits_truncate(mode & PERMISSION_BITS);
            nix::sys::stat::fchmod(&file, mode)
                .map_err(|error| at("writefile", path)(error.into()))?;
        }
        Ok(Answer::Done)
    }

    /// `Deno.stat` and `Deno.lstat`.
    pub(super) fn stat(&self, path: &str, follow: bool) -> Result<Answer, Problem> {
        let resolver = self.reader();
        let stat = || {
            let allowed = resolver.allow(path)?;
            if follow || allowed.is_grant() {
                let opened = resolver.open(&allowed, OFlag::O_PATH)?;
                return Ok(describe(&fstat(&opened)?, Some(opened.as_fd())));
            }
            Ok::<_, OpenError>(describe(&resolver.place(&allowed)?.status()?, None))
        };
        let stat = stat().map_err(at(if follow { "stat" } else { "lstat" }, path))?;
        Ok(Answer::Stat(Box::new(stat)))
    }

    /// `Deno.readDir`.
    pub(super) fn read_dir(&self, path: &str) -> Result<Answer, Problem> {
        let resolver = self.reader();
        let list = || {
            let allowed = resolver.allow(path)?;
            match resolver.open_regular(&allowed, OFlag::O_RDONLY) {
                Ok((directory, stat)) if kind(&stat) == SFlag::S_IFDIR => {
                    directory::list(directory)
                }
                Ok(_) | Err(OpenError::NotRegular) => Err(Errno::ENOTDIR.into()),
                Err(error) => Err(error),
            }
        };
        Ok(Answer::Entries(list().map_err(at("readdir", path))?))
    }

    /// `Deno.mkdir`.
    pub(super) fn mkdir(
        &self,
        path: &str,
        recursive: bool,
        mode: Option<u32>,
    ) -> Result<Answer, Problem> {
        let resolver = self.writer();
        let mode = Mode::from_bits_truncate(mode.unwrap_or(DIRECTORY_MODE) & PERMISSION_BITS);
        let make = || {
            let allowed = resolver.allow(path)?;
            if recursive {
                return resolver.make_directories(&allowed, mode, || self.quota.new_file());
            }
            let place = resolver.place(&allowed)?;
            self.quota.new_file()?;
            Ok(place.make_directory(mode)?)
        };
        make().map_err(at("mkdir", path))?;
        Ok(Answer::Done)
    }

    /// `Deno.remove`.
    pub(super) fn remove(&self, path: &str, recursive: bool) -> Result<Answer, Problem> {
        let resolver = self.writer();
        let remove = || {
            let allowed = resolver.allow(path)?;
            let place = resolver.place(&allowed)?;
            self.unguarded(&allowed, &place, &self.policy.write)?;
            if kind(&place.status()?) != SFlag::S_IFDIR {
                return Ok(place.remove(UnlinkatFlags::NoRemoveDir)?);
            }
            if recursive {
                return directory::remove_tree(&place, &|| self.quota.is_over());
            }
            Ok(place.remove(UnlinkatFlags::RemoveDir)?)
        };
        remove().map_err(at("remove", path))?;
        Ok(Answer::Done)
    }

    /// A place may not be moved or removed if a grant, or something that is denied,
    /// would go with it.
    fn unguarded(
        &self,
        path: &AllowedPath,
        place: &Place,
        rules: &PathRules,
    ) -> Result<(), OpenError> {
        let all = [&self.policy.read, &self.policy.write];
        let refusal = || Err(OpenError::Denied(rules.refusal(path.requested())));
        if all.iter().any(|rules| rules.guards(&place.real)) {
            return refusal();
        }
        let directory = place.status().ok().filter(|stat| kind(stat) == SFlag::S_IFDIR);
        let Some(directory) = directory else { return Ok(()) };
        let magic = file_system(place.directory.as_fd())?;
        let moved = Moved::new(FileId::from(&directory), &place.real, magic);
        if all.iter().any(|rules| rules.guards_from(&moved)) { refusal() } else { Ok(()) }
    }

    /// A relative link means something else in another directory. This spares honest
    /// programs a surprise and is no protection: a link is moved along with the
    /// directory that it lies in.
    fn stays_inside(&self, from: &Place, to: &Place) -> Result<(), OpenError> {
        let Ok(target) = from.read_link() else { return Ok(()) };
        if from.base() == to.base() {
            return Ok(());
        }
        self.both().from(to.base()).allow(&target.to_string_lossy())?;
        Ok(())
    }

    /// `Deno.rename`. What is moved is whatever has the name in the directory that was
    /// opened, when the kernel moves it: a program can put something else there until
    /// then, but nothing that may not be moved, which would have to be moved for that.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<Answer, Problem> {
        let rename = || {
            let (mover, writer) = (self.both(), self.writer());
            let source = mover.allow(from)?;
            let source_place = mover.place(&source)?;
            let target = writer.allow(to)?;
            let target_place = writer.place(&target)?;
            self.unguarded(&source, &source_place, &self.policy.write)?;
            self.unguarded(&target, &target_place, &self.policy.write)?;
            self.stays_inside(&source_place, &target_place)?;
            Ok(source_place.rename_to(&target_place)?)
        };
        rename().map_err(between("rename", from, to))?;
        Ok(Answer::Done)
    }

    /// `Deno.copyFile`.
    pub(super) fn copy_file(&self, from: &str, to: &str) -> Result<Answer, Problem> {
        let context = format!(": copy '{from}' -> '{to}'");
        let problem = between("copy", from, to);
        let resolver = self.reader();
        let open = || {
            let allowed = resolver.allow(from)?;
            self.writer().allow(to)?;
            resolver.open_regular(&allowed, OFlag::O_RDONLY)
        };
        let (source, stat) = open().map_err(&problem)?;
        if kind(&stat) != SFlag::S_IFREG {
            return Err(Problem::Failed(Failure {
                code: Some("EINVAL".into()),
                ..Failure::type_error(format!(
                    "the source path is neither a regular file nor a symlink to a regular \
                     file{context}"
                ))
            }));
        }
        let options = OpenOptions {
            write: true,
            create: true,
            mode: Some(stat.st_mode),
            ..OpenOptions::default()
        };
        let target = self.open_file(to, options).map_err(&problem)?;
        let copied = self.copy(File::from(source), target, stat.st_mode);
        copied.map_err(|error| problem(error.into()))?;
        Ok(Answer::Done)
    }

    fn copy(&self, mut source: File, mut target: File, mode: u32) -> io::Result<()> {
        let is_same = fstat(&source)?.st_ino == fstat(&target)?.st_ino
            && fstat(&source)?.st_dev == fstat(&target)?.st_dev;
        if is_same {
            return Ok(());
        }
        target.set_len(0)?;
        let mode = Mode::from_bits_truncate(mode & PERMISSION_BITS);
        nix::sys::stat::fchmod(&target, mode)?;
        loop {
            let left = source.metadata()?.len().saturating_sub(source.stream_position()?);
            let chunk = left.min(COPY_CHUNK);
            if chunk == 0 {
                return Ok(());
            }
            self.quota.write(chunk)?;
            let copied = io::copy(&mut (&mut source).take(chunk), &mut target);
            self.quota.give_back(chunk - copied.as_ref().map_or(0, |copied| *copied));
            if copied? == 0 {
                return Ok(());
            }
            if self.quota.is_over() {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
    }

    /// `Deno.link`, a second name of a file.
    pub(super) fn link(&self, from: &str, to: &str) -> Result<Answer, Problem> {
        let link = || {
            let (linker, writer) = (self.both(), self.writer());
            let source = linker.allow(from)?;
            let place = linker.place(&source)?;
            let target = writer.place(&writer.allow(to)?)?;
            // What gets the name is the very file that is decided about.
            let file = place.open()?;
            linker.found_in(&source, &place, file.as_fd())?;
            if kind(&fstat(&file)?) != SFlag::S_IFREG {
                return Err(Errno::EPERM.into());
            }
            self.quota.new_file()?;
            Ok(target.make_name_of(file.as_fd())?)
        };
        link().map_err(between("link", from, to))?;
        Ok(Answer::Done)
    }

    /// `Deno.symlink`. Where the link leads must be granted as well.
    pub(super) fn symlink(&self, target: &str, path: &str) -> Result<Answer, Problem> {
        let link = || {
            if target.contains('\0') {
                return Err(OpenError::Nul);
            }
            let writer = self.writer();
            let allowed = writer.allow(path)?;
            let place = writer.place(&allowed)?;
            // A link in the place of what is to be denied would give it another name.
            self.unguarded(&allowed, &place, &self.policy.write)?;
            if climbs_after_descending(target) {
                return Err(OpenError::Denied(self.policy.read.refusal(target)));
            }
            // Relative targets start at the link.
            let meant = self.both().from(place.base());
            meant.can_be_led_to(&meant.allow(target)?)?;
            self.quota.new_file()?;
            Ok(place.make_link(target)?)
        };
        link().map_err(between("symlink", target, path))?;
        Ok(Answer::Done)
    }

    /// `Deno.readLink`.
    pub(super) fn read_link(&self, path: &str) -> Result<Answer, Problem> {
        let resolver = self.reader();
        let read = || Ok(resolver.place(&resolver.allow(path)?)?.read_link()?);
        let target = read().map_err(at("readlink", path))?;
        Ok(Answer::Text(target.to_string_lossy().into_owned()))
    }

    /// `Deno.realPath`.
    pub(super) fn real_path(&self, path: &str) -> Result<Answer, Problem> {
        let resolver = self.reader();
        let find = || {
            let opened = resolver.open(&resolver.allow(path)?, OFlag::O_PATH)?;
            Ok(real_path(opened.as_fd())?)
        };
        let real = find().map_err(at("realpath", path))?;
        Ok(Answer::Text(real.to_string_lossy().into_owned()))
    }

    /// `Deno.chdir`: the directory that relative paths start from now.
    pub(super) fn directory(&self, path: &str) -> Result<std::path::PathBuf, Problem> {
        let resolver = self.reader();
        let find = || {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
            let opened = resolver.open(&resolver.allow(path)?, flags)?;
            Ok(real_path(opened.as_fd())?)
        };
        find().map_err(at("chdir", path))
    }

    /// `Deno.truncate`.
    pub(super) fn truncate(&self, path: &str, length: u64) -> Result<Answer, Problem> {
        let options = OpenOptions { write: true, ..OpenOptions::default() };
        let file = self.open(path, options, "truncate")?;
        set_len(&file, length, self.quota).map_err(|error| at("truncate", path)(error.into()))?;
        Ok(Answer::Done)
    }

    /// `Deno.chmod`.
    pub(super) fn chmod(&self, path: &str, mode: u32) -> Result<Answer, Problem> {
        if mode & !PERMISSION_BITS != 0 {
            return Err(Problem::Failed(Failure::new(
                "PermissionDenied",
                format!(
                    "Only the permission bits 0o777 can be set, no set-user-ID, set-group-ID or \
                     sticky bit: chmod '{path}'"
                ),
            )));
        }
        let resolver = self.writer();
        let change = || {
            let (opened, stat) = self.regular_place(&resolver, path)?;
            self.is_the_programs(path, &stat)?;
            let (path, mode) = (own_path(opened.as_fd()), Mode::from_bits_truncate(mode));
            // fchmod(2) takes no descriptor of O_PATH.
            Ok(fchmodat(AT_FDCWD, &path, mode, FchmodatFlags::FollowSymlink)?)
        };
        change().map_err(at("chmod", path))?;
        Ok(Answer::Done)
    }

    /// `Deno.utime`.
    pub(super) fn utime(&self, path: &str, times: (Time, Time)) -> Result<Answer, Problem> {
        let resolver = self.writer();
        let change = || {
            let (opened, _) = self.regular_place(&resolver, path)?;
            let (accessed, modified) = (spec(times.0), spec(times.1));
            let path = own_path(opened.as_fd());
            let flags = UtimensatFlags::FollowSymlink;
            Ok(utimensat(AT_FDCWD, &path, &accessed, &modified, flags)?)
        };
        change().map_err(at("utime", path))?;
        Ok(Answer::Done)
    }

    fn regular_place(
        &self,
        resolver: &Resolver<'_>,
        path: &str,
    ) -> Result<(OwnedFd, FileStat), OpenError> {
        let opened = resolver.open(&resolver.allow(path)?, OFlag::O_PATH)?;
        let stat = fstat(&opened)?;
        match kind(&stat) {
            SFlag::S_IFREG | SFlag::S_IFDIR => Ok((opened, stat)),
            _ => Err(OpenError::NotRegular),
        }
    }

    /// Who may enter the workspace, or another directory that was granted, is the
    /// administrator's choice.
    fn is_the_programs(&self, path: &str, stat: &FileStat) -> Result<(), OpenError> {
        let id = FileId::from(stat);
        let workspace = std::fs::metadata(self.workspace).map(|found| FileId::from(&found));
        let grants = [&self.policy.read, &self.policy.write];
        if workspace.ok() != Some(id) && !grants.iter().any(|rules| rules.is_grant(id)) {
            return Ok(());
        }
        let reason = "the mode of the workspace and of a granted directory is the administrator's";
        let target = Some(path.to_owned());
        Err(OpenError::Denied(Denied::never(Permission::Write, target, reason)))
    }

    /// `Deno.makeTempFile` and `Deno.makeTempDir`; inside of the workspace unless
    /// another directory is named.
    pub(super) fn make_temp(
        &self,
        is_directory: bool,
        parent: Option<&str>,
        prefix: &str,
        suffix: &str,
    ) -> Result<Answer, Problem> {
        // Before anything is looked at: the answer is the same whether there is
        // something of such a name or not.
        if let Some(problem) = [prefix, suffix].into_iter().find_map(no_part_of_a_name) {
            return Err(Problem::Failed(Failure::new("Error", problem)));
        }
        let base = match parent {
            Some(parent) => parent.to_owned(),
            None => self.workspace.to_string_lossy().into_owned(),
        };
        let resolver = self.writer();
        let make = || {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
            let allowed = resolver.allow(&base)?;
            let directory = resolver.open(&allowed, flags)?;
            for _ in 0..TEMP_ATTEMPTS {
                let name = format!("{prefix}{:016x}{suffix}", random());
                let path = Path::new(&base).join(&name).to_string_lossy().into_owned();
                let allowed = resolver.allow(&path)?;
                let place = resolver.inside(&allowed, &directory, &name)?;
                self.quota.new_file()?;
                match make_private(&place, is_directory) {
                    Err(Errno::EEXIST) => {}
                    other => return other.map(|()| path).map_err(OpenError::from),
                }
            }
            Err(Errno::EEXIST.into())
        };
        let context = if is_directory { ": tmpdir" } else { ": tmpfile" };
        make().map(Answer::Text).map_err(|error| Problem::opening(error, context))
    }
}

/// What makes a text no part of one name, in Deno's words (deno_fs 0.170).
fn no_part_of_a_name(text: &str) -> Option<&'static str> {
    if text.contains('\0') {
        return Some("Invalid control character in prefix or suffix: \"\\0\"");
    }
    text.contains('/').then_some("Invalid character in prefix or suffix: \"/\"")
}

/// Whether a link's target goes up from where it has gone down: what that means
/// depends on what is a link there, now and later.
fn climbs_after_descending(target: &str) -> bool {
    use std::path::Component;
    let mut components = Path::new(target).components();
    components.any(|component| matches!(component, Component::Normal(_)))
        && components.any(|component| component == Component::ParentDir)
}

/// Only for their owner, as Deno makes them.
fn make_private(place: &Place, is_directory: bool) -> Result<(), Errno> {
    if is_directory {
        return place.make_directory(Mode::S_IRWXU);
    }
    place.make_file(OFlag::O_WRONLY, Mode::S_IRUSR | Mode::S_IWUSR).map(drop)
}

/// A number for a name: the standard library keys its hashes from getrandom(2).
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

/// A time as the kernel takes it.
pub(super) fn spec(time: Time) -> TimeSpec {
    TimeSpec::new(time.seconds, i64::from(time.nanos.min(999_999_999)))
}

/// Changes a file's length; growth counts as written.
pub(super) fn set_len(file: &File, length: u64, quota: &Quota) -> io::Result<()> {
    let grown = length.saturating_sub(file.metadata()?.len());
    quota.write(grown)?;
    file.set_len(length)
}
