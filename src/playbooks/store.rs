//! The user's playbooks on disk. A folder is opened from the directory's own
//! descriptor and a file from its folder's, each by one name and without following
//! a link: nothing outside of the directory is read or written. Where programs may
//! write, no link leads to the directory itself either.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};

use super::front_matter::{self, MAX_FRONT_MATTER};
use super::trusted;
use super::{
    CODE, Listed, MARKDOWN, MAX_CODE, MAX_CONTENT, MAX_FOLDERS, PlaybookError, is_folder, not_found,
};

/// Entries of the directory that are looked at: other files may lie there too.
const MAX_ENTRIES: usize = 10 * MAX_FOLDERS;

/// The beginning of a file that is read for a listing: the front matter, the
/// dashes around it and white space after these.
const HEAD: usize = MAX_FRONT_MATTER + 1024;

/// How the folder of a playbook is opened.
const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

const LINK: &str = "a symbolic link, which is not followed";

/// Tells folders apart that this process makes at the same time.
static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// The directory of the user's playbooks.
#[derive(Debug, Clone)]
pub(super) struct Store {
    path: PathBuf,
    /// Real paths beneath which programs may write.
    writable: Vec<PathBuf>,
}

impl Store {
    pub(super) fn new(path: PathBuf, writable: Vec<PathBuf>) -> Self {
        Self { path, writable }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// None if there is no such directory. It may be reached through links: its
    /// path is the administrator's. A program's links are not followed.
    fn open(&self) -> io::Result<Option<OwnedFd>> {
        match trusted::open(&self.path, &self.writable) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// The names of what may be playbooks, sorted: directories, and links, which
    /// are shown with a reason.
    pub(super) fn folders(&self) -> io::Result<Vec<String>> {
        let Some(root) = self.open()? else { return Ok(Vec::new()) };
        let mut directory = Dir::from_fd(root)?;
        let mut names = Vec::new();
        for entry in directory.iter().take(MAX_ENTRIES) {
            let entry = entry?;
            let name = entry.file_name().to_str().unwrap_or_default();
            if is_folder(name) {
                names.push(name.to_owned());
            }
        }
        names
            .retain(|name| matches!(kind(&directory, name), Some(SFlag::S_IFDIR | SFlag::S_IFLNK)));
        names.sort();
        if names.len() > MAX_FOLDERS {
            tracing::warn!("more than {MAX_FOLDERS} playbooks in {}", self.path.display());
            names.truncate(MAX_FOLDERS);
        }
        Ok(names)
    }

    /// The name is one that [`is_folder`] accepts.
    pub(super) fn folder(&self, name: &str) -> Result<Option<Folder>, PlaybookError> {
        let read = |error| PlaybookError::Read { folder: name.to_owned(), error };
        let Some(root) = self.open().map_err(read)? else { return Ok(None) };
        match openat(&root, name, FOLDER, Mode::empty()) {
            Ok(folder) => Ok(Some(Folder(folder))),
            Err(Errno::ENOENT) => Ok(None),
            // open(2): O_DIRECTORY comes before O_NOFOLLOW.
            Err(Errno::ENOTDIR | Errno::ELOOP) => Err(no_directory(&root, name)),
            Err(error) => Err(read(error.into())),
        }
    }

    /// Makes a folder with its files. Until it has all of them, it has a name that
    /// no listing shows; what a crash leaves behind keeps that name.
    pub(super) fn create(&self, name: &str, files: &[(&str, &[u8])]) -> Result<(), PlaybookError> {
        let write = |error| PlaybookError::Write { folder: name.to_owned(), error };
        if self.folders().map_err(write)?.len() >= MAX_FOLDERS {
            return Err(PlaybookError::Full);
        }
        let root = trusted::open_or_make(&self.path, &self.writable).map_err(write)?;
        if kind(&root, name).is_some() {
            return Err(PlaybookError::Exists(name.to_owned()));
        }
        let draft = draft_name();
        let moved = fill(&root, &draft, files).and_then(|()| {
            // rename(2): over a file, a link or a folder that is not empty it fails.
            match renameat(&root, draft.as_str(), &root, name) {
                Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => Ok(false),
                other => other.map(|()| true).map_err(io::Error::from),
            }
        });
        if !matches!(moved, Ok(true)) {
            discard(&root, &draft, files);
        }
        if !moved.map_err(write)? {
            return Err(PlaybookError::Exists(name.to_owned()));
        }
        sync_directory(&root).map_err(write)
    }
}

fn no_directory(root: &OwnedFd, name: &str) -> PlaybookError {
    match kind(root, name) {
        Some(SFlag::S_IFLNK) => {
            let (folder, problem) = (name.to_owned(), format!("it is {LINK}"));
            PlaybookError::Unusable { folder, problem }
        }
        _ => not_found(name),
    }
}

fn kind(directory: &impl AsFd, name: &str) -> Option<SFlag> {
    let stat = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    Some(SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()))
}

/// Other processes may have the same number where each is in a container of its own.
fn draft_name() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    format!(".new-{}-{}-{number}", std::process::id(), now.as_nanos())
}

fn fill(root: &OwnedFd, draft: &str, files: &[(&str, &[u8])]) -> io::Result<()> {
    mkdirat(root, draft, Mode::S_IRWXU)?;
    let folder = openat(root, draft, FOLDER, Mode::empty())?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    for (name, bytes) in files {
        let file = openat(&folder, *name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let mut file = File::from(file);
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    sync_directory(&folder)
}

/// Some file systems cannot sync a directory (fsync(2), EINVAL).
fn sync_directory(directory: &OwnedFd) -> io::Result<()> {
    match fsync(directory) {
        Err(Errno::EINVAL) => Ok(()),
        other => Ok(other?),
    }
}

/// As far as it goes: the failure before it is the one to report.
fn discard(root: &OwnedFd, draft: &str, files: &[(&str, &[u8])]) {
    if let Ok(folder) = openat(root, draft, FOLDER, Mode::empty()) {
        for (name, _) in files {
            let _ = unlinkat(&folder, *name, UnlinkatFlags::NoRemoveDir);
        }
    }
    let _ = unlinkat(root, draft, UnlinkatFlags::RemoveDir);
}

/// The open folder of one playbook. Problems are sentences about it.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    pub(super) fn listed(&self, folder: String) -> Listed {
        let head = self.head(MARKDOWN, HEAD).and_then(|head| head.ok_or_else(no_markdown));
        let header = head.and_then(|head| front_matter::parse(&head).map(|(header, _)| header));
        Listed {
            folder,
            result: header.map(|header| header.metadata),
            has_code: kind(&self.0, CODE) == Some(SFlag::S_IFREG),
            is_system: false,
        }
    }

    /// Whether it is a copy of a playbook that the Deno version bundled.
    pub(super) fn is_originals(&self) -> bool {
        let Ok(Some(head)) = self.head(MARKDOWN, HEAD) else { return false };
        front_matter::parse(&head).is_ok_and(|(header, _)| header.is_originals)
    }

    pub(super) fn markdown(&self) -> Result<Vec<u8>, String> {
        self.whole(MARKDOWN, MAX_FRONT_MATTER + MAX_CONTENT)?.ok_or_else(no_markdown)
    }

    pub(super) fn code(&self) -> Result<Option<String>, String> {
        let Some(bytes) = self.whole(CODE, MAX_CODE)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| format!("{CODE} is not UTF-8"))
    }

    fn whole(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
        let bytes = self.head(name, limit + 1)?;
        if bytes.as_ref().is_some_and(|bytes| bytes.len() > limit) {
            return Err(format!("{name} is larger than {} KiB", limit >> 10));
        }
        Ok(bytes)
    }

    /// At most that many bytes of a file. A FIFO is not waited for: O_NONBLOCK.
    fn head(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let unreadable = |error: io::Error| format!("{name} cannot be read: {error}");
        let file = match openat(&self.0, name, flags | OFlag::O_NOCTTY, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ELOOP) => return Err(format!("{name} is {LINK}")),
            Err(error) => return Err(unreadable(error.into())),
        };
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(format!("{name} is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(limit as u64).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(Some(bytes))
    }
}

fn no_markdown() -> String {
    format!("it has no {MARKDOWN}")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::tests::Scratch;
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_the_owners_only() {
        let scratch = Scratch::new("modes");
        let root = scratch.path().join("a/b");
        Store::new(root.clone(), Vec::new()).create("x", &[(MARKDOWN, b"m")]).unwrap();
        let paths = [scratch.path().join("a"), root.clone(), root.join("x")];
        assert_eq!(paths.each_ref().map(|path| mode(path)), [0o700; 3]);
        assert_eq!(mode(&root.join("x").join(MARKDOWN)), 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_filled_leaves_nothing() {
        let scratch = Scratch::new("half");
        let files: [(&str, &[u8]); 2] = [(MARKDOWN, b"m"), ("no/such", b"c")];
        let error =
            Store::new(scratch.path().to_owned(), Vec::new()).create("x", &files).unwrap_err();
        assert!(matches!(error, PlaybookError::Write { .. }), "{error}");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[test]
    fn of_several_writers_one_makes_the_folder() {
        let scratch = Scratch::new("race");
        let store = Store::new(scratch.path().to_owned(), Vec::new());
        let made = std::thread::scope(|scope| {
            let create = |_| scope.spawn(|| store.create("x", &[(MARKDOWN, b"m")]).is_ok());
            let writers: Vec<_> = (0..8).map(create).collect();
            writers.into_iter().filter_map(|writer| writer.join().ok()).filter(|made| *made).count()
        });
        assert_eq!(made, 1);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_with_too_many_folders_takes_no_more() {
        let scratch = Scratch::new("full");
        for n in 0..MAX_FOLDERS {
            fs::create_dir(scratch.path().join(n.to_string())).unwrap();
        }
        let store = Store::new(scratch.path().to_owned(), Vec::new());
        let error = store.create("x", &[(MARKDOWN, b"m")]).unwrap_err();
        assert!(matches!(error, PlaybookError::Full), "{error}");
        assert_eq!(store.folders().unwrap().len(), MAX_FOLDERS);
    }

    #[test]
    fn a_fifo_or_a_directory_is_no_playbook_and_is_not_waited_for() {
        let scratch = Scratch::new("kinds");
        fs::create_dir_all(scratch.path().join("x").join(CODE)).unwrap();
        let fifo = scratch.path().join("x").join(MARKDOWN);
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let folder =
            Store::new(scratch.path().to_owned(), Vec::new()).folder("x").unwrap().unwrap();
        assert_eq!(folder.markdown(), Err("playbook.md is not a regular file".to_owned()));
        assert_eq!(folder.code(), Err("playbook.ts is not a regular file".to_owned()));
    }
}
