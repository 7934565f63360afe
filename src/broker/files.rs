//! Deno's file operations on paths. Each blocks, and runs on a thread for that.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{
    FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmodat, fstat, fstatat, mkdirat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};

use super::directory;
use super::failure::Problem;
use super::open::{OpenError, Parent, Resolver, kind, own_path, real_path};
use super::quota::Quota;
use super::stat::describe;
use crate::policy::{AllowedPath, PathRules, Policy, is_plain_name};
use crate::protocol::{Answer, Failure, OpenOptions, Time, WriteOptions};

/// Deno's modes of new files and directories (deno_fs 0.170), before the umask.
const FILE_MODE: u32 = 0o666;
const DIRECTORY_MODE: u32 = 0o777;

/// Permission bits that a program may set: no set-user-ID, set-group-ID, sticky.
const PERMISSION_BITS: u32 = 0o777;

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
        Resolver { rules: &self.policy.read, cwd: self.cwd }
    }

    fn writer(&self) -> Resolver<'_> {
        Resolver { rules: &self.policy.write, cwd: self.cwd }
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
        if reads {
            self.reader().allow(path)?;
        }
        let resolver = if writes { self.writer() } else { self.reader() };
        let allowed = resolver.allow(path)?;
        let mut flags = match (reads, writes) {
            (true, true) => OFlag::O_RDWR,
            (false, true) => OFlag::O_WRONLY,
            _ => OFlag::O_RDONLY,
        };
        if append {
            flags |= OFlag::O_APPEND;
        }
        let mode = Mode::from_bits_truncate(mode.unwrap_or(FILE_MODE) & PERMISSION_BITS);
        let file = if create_new {
            self.create(&resolver, &allowed, flags, mode)?
        } else {
            match resolver.open_regular(&allowed, flags) {
                Ok((file, stat)) if kind(&stat) == SFlag::S_IFREG => file,
                // Deno opens a directory for reading, and then no read works.
                Ok((file, _)) if !writes => file,
                Ok(_) => return Err(Errno::EISDIR.into()),
                Err(OpenError::Io(error)) if create && error.kind() == io::ErrorKind::NotFound => {
                    self.create_or_open(&resolver, &allowed, flags, mode)?
                }
                Err(error) => return Err(error),
            }
        };
        if reads && writes {
            let real = real_path(file.as_fd())?;
            let path = self.reader().allow(path)?;
            self.policy.read.opened(&path, &real).map_err(OpenError::Denied)?;
        }
        if truncate {
            // Not before everything was decided.
            nix::unistd::ftruncate(&file, 0)?;
        }
        Ok(File::from(file))
    }

    fn create(
        &self,
        resolver: &Resolver<'_>,
        path: &AllowedPath,
        flags: OFlag,
        mode: Mode,
    ) -> Result<OwnedFd, OpenError> {
        self.quota.new_file()?;
        resolver.create(path, flags, mode)
    }

    /// Makes a file where there was none a moment ago. What is in its place now is
    /// a link to nothing, or was made by another: the latter is opened.
    fn create_or_open(
        &self,
        resolver: &Resolver<'_>,
        path: &AllowedPath,
        flags: OFlag,
        mode: Mode,
    ) -> Result<OwnedFd, OpenError> {
        match self.create(resolver, path, flags, mode) {
            Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                match resolver.open_regular(path, flags) {
                    Ok((file, _)) => Ok(file),
                    Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                        let target = self.link_target(resolver, path)?;
                        self.create(resolver, &target, flags, mode)
                    }
                    Err(error) => Err(error),
                }
            }
            other => other,
        }
    }

    /// What a symbolic link that leads to nothing means.
    fn link_target(
        &self,
        resolver: &Resolver<'_>,
        path: &AllowedPath,
    ) -> Result<AllowedPath, OpenError> {
        let Parent { directory, name, real } = resolver.parent(path)?;
        let target = readlinkat(&directory, name.as_os_str())?;
        let target = real.parent().unwrap_or(Path::new("/")).join(target);
        let denied = || OpenError::Denied(resolver.rules.refusal(path.requested()));
        let allowed = resolver.allow(&target.to_string_lossy()).map_err(|_| denied())?;
        Ok(allowed.asked_for_as(path))
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
            let of_link = if follow { None } else { resolver.parent(&allowed).ok() };
            match of_link {
                Some(Parent { directory, name, .. }) => {
                    let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
                    Ok(describe(&fstatat(&directory, name.as_os_str(), flags)?, None))
                }
                None => {
                    let opened = resolver.open(&allowed, OFlag::O_PATH)?;
                    Ok(describe(&fstat(&opened)?, Some(opened.as_fd())))
                }
            }
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
        let make = |path: &AllowedPath| {
            let parent = resolver.parent(path)?;
            self.quota.new_file()?;
            Ok::<_, OpenError>(mkdirat(&parent.directory, parent.name.as_os_str(), mode)?)
        };
        let all = || {
            let allowed = resolver.allow(path)?;
            if !recursive {
                return make(&allowed);
            }
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
            let missing = allowed.absolute().ancestors().map_while(|ancestor| {
                let ancestor = resolver.allow(&ancestor.to_string_lossy()).ok()?;
                resolver.open(&ancestor, flags).is_err().then_some(ancestor)
            });
            let missing: Vec<_> = missing.collect();
            for ancestor in missing.iter().rev() {
                match make(ancestor) {
                    // Another one made it; what it is shows when it is opened.
                    Err(OpenError::Io(error))
                        if error.kind() == io::ErrorKind::AlreadyExists
                            && resolver.open(ancestor, flags).is_ok() => {}
                    other => other?,
                }
            }
            Ok(())
        };
        all().map_err(at("mkdir", path))?;
        Ok(Answer::Done)
    }

    /// `Deno.remove`.
    pub(super) fn remove(&self, path: &str, recursive: bool) -> Result<Answer, Problem> {
        let resolver = self.writer();
        let remove = || {
            let allowed = resolver.allow(path)?;
            let Parent { directory, name, real } = resolver.parent(&allowed)?;
            self.unguarded(&allowed, &real, &self.policy.write)?;
            let stat = fstatat(&directory, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if kind(&stat) != SFlag::S_IFDIR {
                return Ok(unlinkat(&directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir)?);
            }
            if recursive {
                return directory::remove_tree(&directory, &name, &|| self.quota.is_over());
            }
            Ok(unlinkat(&directory, name.as_os_str(), UnlinkatFlags::RemoveDir)?)
        };
        remove().map_err(at("remove", path))?;
        Ok(Answer::Done)
    }

    /// A place may not be moved or removed if a grant, or something that is denied,
    /// would go with it.
    fn unguarded(
        &self,
        path: &AllowedPath,
        real: &Path,
        rules: &PathRules,
    ) -> Result<(), OpenError> {
        if self.policy.read.guards(real) || self.policy.write.guards(real) {
            return Err(OpenError::Denied(rules.refusal(path.requested())));
        }
        Ok(())
    }

    /// A relative link means something else in another directory.
    fn stays_inside(&self, from: &Parent, to: &Parent) -> Result<(), OpenError> {
        let Ok(target) = readlinkat(&from.directory, from.name.as_os_str()) else { return Ok(()) };
        let base = to.real.parent().unwrap_or(Path::new("/"));
        if from.real.parent() == Some(base) {
            return Ok(());
        }
        for rules in [&self.policy.read, &self.policy.write] {
            Resolver { rules, cwd: base }.allow(&target.to_string_lossy())?;
        }
        Ok(())
    }

    /// `Deno.rename`.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<Answer, Problem> {
        let rename = || {
            let source = self.reader().allow(from)?;
            let source_parent = self.reader().parent(&source)?;
            let source = self.writer().allow(from)?;
            let parent = self.writer().parent(&source)?;
            let target = self.writer().allow(to)?;
            let target_parent = self.writer().parent(&target)?;
            self.unguarded(&source, &source_parent.real, &self.policy.write)?;
            self.unguarded(&source, &parent.real, &self.policy.write)?;
            self.unguarded(&target, &target_parent.real, &self.policy.write)?;
            self.stays_inside(&parent, &target_parent)?;
            Ok(renameat(
                &parent.directory,
                parent.name.as_os_str(),
                &target_parent.directory,
                target_parent.name.as_os_str(),
            )?)
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
            let reader = self.reader();
            reader.parent(&reader.allow(from)?)?;
            let writer = self.writer();
            let source = writer.parent(&writer.allow(from)?)?;
            let target = writer.parent(&writer.allow(to)?)?;
            let (from, to) = (&source, &target);
            let stat =
                fstatat(&from.directory, from.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if kind(&stat) != SFlag::S_IFREG {
                return Err(Errno::EPERM.into());
            }
            self.quota.new_file()?;
            let (old, new) = (from.name.as_os_str(), to.name.as_os_str());
            Ok(linkat(&from.directory, old, &to.directory, new, AtFlags::empty())?)
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
            let Parent { directory, name, real } = writer.parent(&allowed)?;
            // A link in the place of what is to be denied would give it another name.
            self.unguarded(&allowed, &real, &self.policy.write)?;
            // Relative targets start at the link.
            let base = real.parent().unwrap_or(Path::new("/"));
            if climbs_after_descending(target) {
                return Err(OpenError::Denied(self.policy.read.refusal(target)));
            }
            for rules in [&self.policy.read, &self.policy.write] {
                let meant = Resolver { rules, cwd: base };
                let allowed = meant.allow(target)?;
                // What does not exist yet leads nowhere; its directory may.
                match meant.open(&allowed, OFlag::O_PATH) {
                    Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                        if let Err(OpenError::Denied(denied)) = meant.parent(&allowed) {
                            return Err(OpenError::Denied(denied));
                        }
                    }
                    other => drop(other?),
                }
            }
            self.quota.new_file()?;
            Ok(symlinkat(target, &directory, name.as_os_str())?)
        };
        link().map_err(between("symlink", target, path))?;
        Ok(Answer::Done)
    }

    /// `Deno.readLink`.
    pub(super) fn read_link(&self, path: &str) -> Result<Answer, Problem> {
        let resolver = self.reader();
        let read = || {
            let allowed = resolver.allow(path)?;
            let Parent { directory, name, .. } = resolver.parent(&allowed)?;
            Ok(readlinkat(&directory, name.as_os_str())?)
        };
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
            let opened = self.regular_place(&resolver, path)?;
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
            let opened = self.regular_place(&resolver, path)?;
            let (accessed, modified) = (spec(times.0), spec(times.1));
            let path = own_path(opened.as_fd());
            let flags = UtimensatFlags::FollowSymlink;
            Ok(utimensat(AT_FDCWD, &path, &accessed, &modified, flags)?)
        };
        change().map_err(at("utime", path))?;
        Ok(Answer::Done)
    }

    fn regular_place(&self, resolver: &Resolver<'_>, path: &str) -> Result<OwnedFd, OpenError> {
        let opened = resolver.open(&resolver.allow(path)?, OFlag::O_PATH)?;
        match kind(&fstat(&opened)?) {
            SFlag::S_IFREG | SFlag::S_IFDIR => Ok(opened),
            _ => Err(OpenError::NotRegular),
        }
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
        for part in [prefix, suffix] {
            if !part.is_empty() && (!is_plain_name(part) || part.contains('\0')) {
                let message = "Invalid character in prefix or suffix: \"/\"";
                return Err(Problem::Failed(Failure::new("Error", message)));
            }
        }
        let base = match parent {
            Some(parent) => parent.to_owned(),
            None => self.workspace.to_string_lossy().into_owned(),
        };
        let resolver = self.writer();
        let make = || {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
            let directory = resolver.open(&resolver.allow(&base)?, flags)?;
            for _ in 0..TEMP_ATTEMPTS {
                let name = format!("{prefix}{:016x}{suffix}", random());
                let path = Path::new(&base).join(&name).to_string_lossy().into_owned();
                resolver.allow(&path)?;
                self.quota.new_file()?;
                match make_private(&directory, &name, is_directory) {
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

/// Whether a link's target goes up from where it has gone down: what that means
/// depends on what is a link there, now and later.
fn climbs_after_descending(target: &str) -> bool {
    use std::path::Component;
    let mut components = Path::new(target).components();
    components.any(|component| matches!(component, Component::Normal(_)))
        && components.any(|component| component == Component::ParentDir)
}

/// Only for their owner, as Deno makes them.
fn make_private(directory: &OwnedFd, name: &str, is_directory: bool) -> Result<(), Errno> {
    if is_directory {
        return mkdirat(directory, name, Mode::S_IRWXU);
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    openat(directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR).map(drop)
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
