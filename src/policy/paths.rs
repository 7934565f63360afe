//! Which paths programs may read or write. A grant is a directory (or file) that
//! is opened when the server starts; a path is allowed beneath it, never by name
//! alone: the broker opens it from the grant's descriptor and then asks
//! again with the path that the kernel says it has opened.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};

use super::closed::{Closed, FileId, Lineage, Moved, Reach, Sought};
use super::grants::{Rule, Scope, normalize};
use super::mounts::Mounts;
use super::{Denied, Permission};

/// Longest path that the kernel takes, limits.h's PATH_MAX, its NUL included.
pub(crate) const MAX_PATH_BYTES: usize = 4096;

/// File systems of the kernel's own, whose files act when they are read or
/// written: `/proc/self` is the server (CVE-2024-34346 is this, in Deno).
const SPECIAL_TREES: [&str; 3] = ["/proc", "/sys", "/dev"];

/// In a generation of packages: their files, as their authors made them. What lies beside
/// it says what else is installed.
const PACKAGE_FILES: &str = "node_modules";

/// A directory that was opened when the server started, and the grant beneath it.
#[derive(Debug)]
struct Root {
    /// As the administrator wrote it.
    lexical: PathBuf,
    /// Where that was when the server started, without symbolic links.
    real: PathBuf,
    anchor: OwnedFd,
    /// From the anchor to the grant: empty if the grant is a directory, its last
    /// names if it is a file or did not exist.
    prefix: PathBuf,
    /// Everything: symbolic links may lead anywhere.
    is_everything: bool,
    /// Of the grant, if it is a directory.
    id: Option<FileId>,
    /// The directory of all generations of packages: of each, [`PACKAGE_FILES`] only.
    is_of_generations: bool,
}

/// The rules of one permission, read or write.
#[derive(Debug)]
pub(crate) struct PathRules {
    permission: Permission,
    roots: Vec<Arc<Root>>,
    deny_all: bool,
    /// As written, without symbolic links, and as seen through other mounts.
    denied: Vec<PathBuf>,
    mounts: Mounts,
    reach: Reach,
    /// Those of them that a program may come upon under another name.
    closed: Vec<Closed>,
}

/// A path that the rules allow as it is written. What it leads to is checked by
/// [`PathRules::opened`], once it is open.
#[derive(Debug, Clone)]
pub(crate) struct AllowedPath {
    root: Arc<Root>,
    relative: PathBuf,
    is_grant: bool,
    #[cfg(test)]
    absolute: PathBuf,
    requested: String,
}

/// Why a path cannot be used.
#[derive(Debug)]
pub(crate) enum PathRefusal {
    Denied(Denied),
    /// Longer than [`MAX_PATH_BYTES`].
    TooLong,
    /// A path ends at its first NUL byte for the kernel, not for its reader.
    Nul,
    Empty,
}

impl From<Denied> for PathRefusal {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl AllowedPath {
    /// The directory to open the path from.
    pub(crate) fn anchor(&self) -> BorrowedFd<'_> {
        self.root.anchor.as_fd()
    }

    /// From the anchor to the path; `.` for the anchor itself.
    pub(crate) fn below_anchor(&self) -> PathBuf {
        // Joining nothing would leave a slash behind, which asks for a directory.
        let path: PathBuf = self.root.prefix.join(&self.relative).components().collect();
        if path.as_os_str().is_empty() { PathBuf::from(".") } else { path }
    }

    /// Whether the path is a grant itself and its name lies where nothing is granted:
    /// a directory, or a link that was followed when the server started.
    pub(crate) fn is_grant(&self) -> bool {
        self.is_grant
    }

    /// Where the anchor is, without symbolic links.
    pub(crate) fn anchor_path(&self) -> PathBuf {
        let depth = self.root.prefix.components().count();
        self.root.real.ancestors().nth(depth).unwrap_or(Path::new("/")).to_owned()
    }

    /// The one of two whose grant is deeper: its anchor is nearer. Both are of the
    /// same path.
    pub(crate) fn or_deeper(self, other: Self) -> Self {
        let depth = |path: &Self| path.root.real.as_os_str().len();
        if depth(&other) > depth(&self) { other } else { self }
    }

    /// Whether the path leads anywhere in the file system.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.root.is_everything
    }

    /// Absolute and lexically normal.
    #[cfg(test)]
    pub(crate) fn absolute(&self) -> &Path {
        &self.absolute
    }

    /// The same permission under the name that the program used for another path,
    /// which led here.
    pub(crate) fn asked_for_as(self, other: &AllowedPath) -> Self {
        Self { requested: other.requested.clone(), ..self }
    }

    /// As the program wrote it.
    pub(crate) fn requested(&self) -> &str {
        &self.requested
    }
}

impl Root {
    /// Opens the nearest directory that exists.
    fn open(path: &Path) -> io::Result<Self> {
        // A link to a file is the file that it leads to when the server starts.
        let is_link_to_file = path.is_file() && path.is_symlink();
        let target = if is_link_to_file { path.canonicalize()? } else { path.to_owned() };
        let mut existing = target.as_path();
        let mut prefix = PathBuf::new();
        loop {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            match open(existing, flags, Mode::empty()) {
                Ok(anchor) => {
                    let real = existing.canonicalize()?.join(&prefix);
                    let lexical = path.to_owned();
                    let is_everything = path == Path::new("/");
                    // Joining an empty prefix leaves a slash behind.
                    let real = normalize(&real);
                    let is_directory = prefix.as_os_str().is_empty();
                    let id = is_directory.then(|| fstat(&anchor)).transpose()?;
                    let id = id.as_ref().map(FileId::from);
                    let is_of_generations = false;
                    return Ok(Self {
                        lexical,
                        real,
                        anchor,
                        prefix,
                        is_everything,
                        id,
                        is_of_generations,
                    });
                }
                Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR) => {
                    let name = existing.file_name().ok_or(io::ErrorKind::NotFound)?;
                    prefix = Path::new(name).join(&prefix);
                    if prefix.as_os_str().as_encoded_bytes().ends_with(b"/") {
                        prefix = prefix.components().collect();
                    }
                    existing = existing.parent().ok_or(io::ErrorKind::NotFound)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// From the grant to a path that it grants.
    fn strip(&self, path: &Path) -> Option<PathBuf> {
        let beneath = path.strip_prefix(&self.lexical).or_else(|_| path.strip_prefix(&self.real));
        beneath.ok().filter(|beneath| self.grants(beneath)).map(Path::to_owned)
    }

    /// Whether something is granted by its real path.
    fn holds(&self, real: &Path) -> bool {
        real.strip_prefix(&self.real).is_ok_and(|beneath| self.grants(beneath))
    }

    /// Whether a path from the grant is granted.
    fn grants(&self, beneath: &Path) -> bool {
        !self.is_of_generations || beneath.iter().nth(1).is_some_and(|name| name == PACKAGE_FILES)
    }

    /// The real paths that are granted with all that is beneath them.
    fn trees(&self) -> Vec<PathBuf> {
        if !self.is_of_generations {
            return vec![self.real.clone()];
        }
        let generations = self.real.read_dir().into_iter().flatten().flatten();
        let trees = generations.map(|generation| generation.path().join(PACKAGE_FILES));
        trees.filter(|tree| tree.is_dir()).collect()
    }
}

/// Where a path really is, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let mut rest = PathBuf::new();
    for ancestor in path.ancestors() {
        if let Ok(found) = ancestor.canonicalize() {
            return normalize(&found.join(&rest));
        }
        let Some(name) = ancestor.file_name() else { break };
        rest = if rest.as_os_str().is_empty() { name.into() } else { Path::new(name).join(rest) };
    }
    path.to_owned()
}

impl PathRules {
    /// Opens what a rule grants, and directories of `generations` of packages, whose files no
    /// grant needs to name. `protected` are files of the server's own.
    ///
    /// # Errors
    /// A grant that cannot be opened, as a sentence.
    pub(crate) fn new(
        permission: Permission,
        rule: &Rule,
        generations: &[PathBuf],
        protected: &[PathBuf],
        expand: impl Fn(&str) -> Result<PathBuf, String>,
    ) -> Result<Self, String> {
        let list = |scope: &Scope| match scope {
            Scope::Nothing => Ok(Vec::new()),
            Scope::All => Ok(vec![PathBuf::from("/")]),
            Scope::Only(paths) => paths.iter().map(|path| expand(path)).collect(),
        };
        let open = |(path, is_of_generations): (PathBuf, bool)| {
            Root::open(&path)
                .map(|root| Arc::new(Root { is_of_generations, ..root }))
                .map_err(|error| format!("{} cannot be opened: {error}", path.display()))
        };
        let granted = list(&rule.allow)?.into_iter().map(|path| (path, false));
        let generations = generations.iter().map(|path| (path.clone(), true));
        let roots: Result<Vec<_>, _> = granted.chain(generations).map(open).collect();
        let roots = roots?;
        let mut rules = Self {
            permission,
            reach: Reach::of(roots.iter().map(|root| root.real.as_path())),
            roots,
            deny_all: rule.deny == Scope::All,
            denied: Vec::new(),
            mounts: Mounts::read(),
            closed: Vec::new(),
        };
        if !rules.deny_all {
            for path in list(&rule.deny)?.iter().chain(protected) {
                rules.close(path);
            }
        }
        Ok(rules)
    }

    /// Decides about a path as it is written; relative ones start at `cwd`.
    pub(crate) fn check(&self, path: &str, cwd: &Path) -> Result<AllowedPath, PathRefusal> {
        if path.len() >= MAX_PATH_BYTES {
            return Err(PathRefusal::TooLong);
        }
        if path.contains('\0') {
            return Err(PathRefusal::Nul);
        }
        if path.is_empty() {
            return Err(PathRefusal::Empty);
        }
        let absolute = normalize(&cwd.join(path));
        let shown = if Path::new(path).is_absolute() {
            absolute.to_string_lossy().into_owned()
        } else {
            path.to_owned()
        };
        if self.is_denied(&absolute) {
            return Err(self.refusal(&shown).into());
        }
        let beneath = self.roots.iter().filter_map(|root| Some((root, root.strip(&absolute)?)));
        // The deepest grant: its anchor is nearest.
        let Some((root, relative)) = beneath.max_by_key(|(root, _)| root.real.as_os_str().len())
        else {
            return Err(self.refusal(&shown).into());
        };
        if is_special(&absolute) {
            return Err(self.special(&shown).into());
        }
        let name = root.prefix.file_name();
        let is_named = name.is_some() && name == absolute.file_name();
        let is_grant = relative.as_os_str().is_empty() && !is_named;
        Ok(AllowedPath {
            root: root.clone(),
            relative,
            is_grant,
            #[cfg(test)]
            absolute,
            requested: shown,
        })
    }

    /// Decides about what a path led to: `real` is the kernel's name for what is
    /// open, without symbolic links.
    pub(crate) fn opened(&self, path: &AllowedPath, real: &Path) -> Result<(), Denied> {
        let shown = &path.requested;
        if is_special(real) {
            return Err(self.special(shown));
        }
        let granted = self.covers(real);
        if !granted || self.is_denied(real) { Err(self.refusal(shown)) } else { Ok(()) }
    }

    /// Whether what was opened must be told by its [`Lineage`] as well: something
    /// that is denied may have another name.
    pub(crate) fn tells_by_identity(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Decides about what a path led to by what it and the directories around it
    /// are, whatever they are called.
    pub(crate) fn identified(
        &self,
        path: &AllowedPath,
        real: &Path,
        lineage: &Lineage,
    ) -> Result<(), Denied> {
        let sought = Sought::new(real, lineage);
        let is_closed = self.closed.iter().any(|closed| closed.holds(&sought));
        if is_closed { Err(self.refusal(&path.requested)) } else { Ok(()) }
    }

    /// Whether this is a directory that was granted itself.
    pub(crate) fn is_grant(&self, id: FileId) -> bool {
        self.roots.iter().any(|root| root.id == Some(id))
    }

    /// As [`Self::guards`], for a directory under whatever name.
    pub(crate) fn guards_from(&self, moved: &Moved) -> bool {
        let grants = self.roots.iter().map(|root| root.real.as_path());
        grants.chain(self.closed.iter().map(Closed::path)).any(|place| moved.takes(place))
    }

    /// Whether moving or removing this directory would move or remove a grant,
    /// or a place inside of it that is denied.
    pub(crate) fn guards(&self, real: &Path) -> bool {
        self.roots.iter().any(|root| root.real.starts_with(real) || root.lexical.starts_with(real))
            || self.denied.iter().any(|denied| denied.starts_with(real))
    }

    /// The refusal of a path that is not allowed.
    pub(crate) fn refusal(&self, shown: &str) -> Denied {
        Denied::new(self.permission, Some(shown.to_owned()))
    }

    /// The refusal of a kernel's file.
    pub(crate) fn special(&self, shown: &str) -> Denied {
        let reason = "the kernel's own files (/proc, /sys, /dev) are closed to programs";
        Denied::never(self.permission, Some(shown.to_owned()), reason)
    }

    /// `Deno.permissions.query`: granted, denied, partial.
    pub(crate) fn query(&self, path: Option<&str>, cwd: &Path) -> (bool, bool, bool) {
        let Some(path) = path else {
            let everything = self.roots.iter().any(|root| root.is_everything);
            let partial = !self.denied.is_empty();
            return (everything && !self.deny_all, self.deny_all, everything && partial);
        };
        let absolute = normalize(&cwd.join(path));
        let denied = self.is_denied(&absolute);
        (
            self.check(path, cwd).is_ok(),
            denied,
            self.denied.iter().any(|d| d.starts_with(&absolute)),
        )
    }

    /// The grants' real paths, for a started command.
    pub(crate) fn granted(&self) -> Vec<PathBuf> {
        if self.deny_all {
            return Vec::new();
        }
        self.roots.iter().flat_map(|root| root.trees()).collect()
    }

    /// The real paths that stay closed, for a started command.
    pub(crate) fn closed(&self) -> &[PathBuf] {
        &self.denied
    }

    /// Whether a file lies beneath a grant.
    pub(crate) fn covers(&self, real: &Path) -> bool {
        self.roots.iter().any(|root| root.holds(real))
    }

    /// Closes one more path.
    pub(crate) fn close(&mut self, path: &Path) {
        let real = real(path);
        let grants = || self.roots.iter().map(|root| &root.real);
        let is_near = |alias: &PathBuf| {
            grants().any(|grant| alias.starts_with(grant) || grant.starts_with(alias))
        };
        // A part of what is denied that is granted by its other name stays so.
        let is_beneath =
            |part: &PathBuf| grants().any(|grant| part != grant && part.starts_with(grant));
        let parts = self.mounts.parts(&real).into_iter().filter(is_beneath);
        let aliases = self.mounts.aliases(&real).into_iter().filter(is_near).chain(parts);
        let mut places: Vec<_> = [path.to_owned(), real].into_iter().chain(aliases).collect();
        places.dedup();
        for place in places {
            if self.reach.has(&place) {
                self.closed.push(Closed::new(&place));
            }
            self.denied.push(place);
        }
    }

    fn is_denied(&self, path: &Path) -> bool {
        self.deny_all || self.denied.iter().any(|denied| path.starts_with(denied))
    }
}

fn is_special(path: &Path) -> bool {
    SPECIAL_TREES.iter().any(|tree| path.starts_with(tree))
}

/// Whether this is one name, for what is made inside of a directory.
pub(crate) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !matches!(name, "." | "..") && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::is_plain_name;

    #[test]
    fn a_plain_name_is_one_name_and_no_way() {
        for name in ["a", "...", "a..b", ".a", " ", "\u{2215}", "a\\b"] {
            assert!(is_plain_name(name), "{name:?}");
        }
        for name in ["", ".", "..", "/", "a/", "/a", "a/b", "a/.", "./", "a//", "a\0", "\0"] {
            assert!(!is_plain_name(name), "{name:?}");
        }
    }
}
