//! Playbooks: knowledge that stays from one run to the next. Each is a folder with
//! a `playbook.md`, which models read, and perhaps a `playbook.ts`, which programs
//! import. Some are bundled; the user's are folders of one directory, where a
//! folder of the name of a bundled one takes its place.

mod front_matter;
mod store;
mod trusted;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use store::{Folder, Store};

/// Bytes of a folder's name. File systems allow 255 (NAME_MAX); it is also a part
/// of URIs and module names, which people read.
const MAX_FOLDER_NAME: usize = 128;

/// The user's playbooks. One listing of them, at some 200 bytes each, is as long
/// as a client's largest result.
const MAX_FOLDERS: usize = 1000;

/// Bytes of a playbook's Markdown, without its front matter: far above what a
/// model can read at once.
const MAX_CONTENT: usize = 1 << 20;

/// Bytes of a playbook's code: as much as a program may have.
const MAX_CODE: usize = 1 << 20;

const MARKDOWN: &str = "playbook.md";
const CODE: &str = "playbook.ts";

/// Why there is no such playbook, or none is made.
#[derive(Debug, Error)]
pub(crate) enum PlaybookError {
    #[error("Folder name must contain only alphanumeric characters, hyphens, and underscores")]
    FolderName,
    #[error("Folder name must not be longer than {} characters", MAX_FOLDER_NAME)]
    LongFolderName,
    #[error("Playbook folder not found: {0}")]
    NotFound(String),
    #[error("Playbook folder already exists: {0}")]
    Exists(String),
    #[error("Playbook {0} has no code (playbook.ts) to import")]
    NoCode(String),
    #[error("Playbook {folder} cannot be used: {problem}")]
    Unusable { folder: String, problem: String },
    #[error("The playbook is not created: {0}")]
    Invalid(String),
    #[error("The maximum number of playbooks exists: remove one before you create another")]
    Full,
    #[error("Cannot read the playbook {folder}: {error}")]
    Read { folder: String, error: io::Error },
    #[error("Cannot write the playbook {folder}: {error}")]
    Write { folder: String, error: io::Error },
}

/// What a playbook says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub name: String,
    pub description: String,
    pub author: Option<String>,
    pub version: Option<String>,
    pub tags: Vec<String>,
}

/// A playbook in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub folder: String,
    /// Or why it cannot be used.
    pub result: Result<Metadata, String>,
    pub has_code: bool,
    pub is_system: bool,
}

/// A playbook with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Playbook {
    pub folder: String,
    pub metadata: Metadata,
    /// The Markdown after the front matter.
    pub content: String,
    pub code: Option<String>,
    pub is_system: bool,
    /// Of a user's playbook.
    pub path: Option<PathBuf>,
}

/// A playbook to be made.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewPlaybook {
    pub folder: String,
    pub name: String,
    pub description: String,
    pub content: String,
    pub code: Option<String>,
    pub author: Option<String>,
    pub version: Option<String>,
    pub tags: Vec<String>,
}

struct Bundled {
    folder: &'static str,
    markdown: &'static str,
    code: Option<&'static str>,
}

static BUNDLED: [Bundled; 3] = [
    Bundled {
        folder: "http-utilities",
        markdown: include_str!("bundled/http-utilities/playbook.md"),
        code: Some(include_str!("bundled/http-utilities/playbook.ts")),
    },
    Bundled {
        folder: "mcp-conductor-guide",
        markdown: include_str!("bundled/mcp-conductor-guide/playbook.md"),
        code: None,
    },
    Bundled {
        folder: "playbook-creator",
        markdown: include_str!("bundled/playbook-creator/playbook.md"),
        code: None,
    },
];

fn bundled(folder: &str) -> Option<&'static Bundled> {
    BUNDLED.iter().find(|bundled| bundled.folder == folder)
}

impl Bundled {
    fn listed(&self) -> Listed {
        Listed {
            folder: self.folder.to_owned(),
            result: front_matter::parse(self.markdown.as_bytes())
                .map(|(header, _)| header.metadata),
            has_code: self.code.is_some(),
            is_system: true,
        }
    }

    fn playbook(&self) -> Result<Playbook, PlaybookError> {
        playbook(self.folder, self.markdown.as_bytes(), self.code.map(str::to_owned), None)
    }
}

/// The bundled playbooks and those of one directory. Files are read when they are
/// asked for: a change counts at once.
#[derive(Debug, Clone)]
pub(crate) struct Playbooks {
    store: Store,
}

impl Playbooks {
    /// The user's playbooks are in `directory`, which need not exist. `writable` are
    /// the real paths beneath which programs may write.
    pub(crate) fn new(directory: PathBuf, writable: Vec<PathBuf>) -> Self {
        Self { store: Store::new(directory, writable) }
    }

    /// All of them, in the order of their folders' names.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let bundled = BUNDLED.iter().map(|bundled| (bundled.folder.to_owned(), bundled.listed()));
        let mut all: BTreeMap<String, Listed> = bundled.collect();
        let folders = self.store.folders().unwrap_or_else(|error| {
            tracing::warn!("cannot read the playbooks in {}: {error}", self.store.path().display());
            Vec::new()
        });
        for name in folders {
            match self.users(&name) {
                Ok(Some(folder)) => all.insert(name.clone(), folder.listed(name)),
                // A copy from the Deno version, or removed a moment ago.
                Ok(None) => None,
                Err(error) => all.insert(name.clone(), unusable_listed(name, &error)),
            };
        }
        all.into_values().collect()
    }

    /// One playbook.
    pub(crate) fn get(&self, folder: &str) -> Result<Playbook, PlaybookError> {
        let Some(users) = self.users(folder)? else {
            return bundled(folder).ok_or_else(|| not_found(folder))?.playbook();
        };
        let unusable = |problem| PlaybookError::Unusable { folder: folder.to_owned(), problem };
        let markdown = users.markdown().map_err(unusable)?;
        let code = users.code().map_err(unusable)?;
        playbook(folder, &markdown, code, Some(self.store.path().join(folder)))
    }

    /// The TypeScript of a playbook.
    pub(crate) fn code(&self, folder: &str) -> Result<String, PlaybookError> {
        let code = match self.users(folder)? {
            Some(users) => users.code().map_err(|problem| PlaybookError::Unusable {
                folder: folder.to_owned(),
                problem,
            })?,
            None => {
                let bundled = bundled(folder).ok_or_else(|| not_found(folder))?;
                bundled.code.map(str::to_owned)
            }
        };
        code.ok_or_else(|| PlaybookError::NoCode(folder.to_owned()))
    }

    /// Makes a playbook, all of it or nothing, and returns the path of its folder.
    pub(crate) fn create(&self, new: NewPlaybook) -> Result<PathBuf, PlaybookError> {
        check_folder(&new.folder)?;
        let markdown = front_matter::compose(&new).map_err(PlaybookError::Invalid)?;
        let code = new.code.filter(|code| !code.trim().is_empty());
        if code.as_ref().is_some_and(|code| code.len() > MAX_CODE) {
            let problem = format!("its code is longer than {} KiB", MAX_CODE >> 10);
            return Err(PlaybookError::Invalid(problem));
        }
        let mut files = vec![(MARKDOWN, markdown.as_bytes())];
        files.extend(code.as_ref().map(|code| (CODE, code.as_bytes())));
        self.store.create(&new.folder, &files)?;
        Ok(self.store.path().join(new.folder))
    }

    /// A user's folder. The Deno version copied its bundled playbooks to the user's
    /// directory at each start: such a copy does not stand in for ours.
    fn users(&self, folder: &str) -> Result<Option<Folder>, PlaybookError> {
        check_folder(folder)?;
        let found = self.store.folder(folder)?;
        Ok(found.filter(|found| bundled(folder).is_none() || !found.is_originals()))
    }
}

fn playbook(
    folder: &str,
    markdown: &[u8],
    code: Option<String>,
    path: Option<PathBuf>,
) -> Result<Playbook, PlaybookError> {
    let unusable = |problem| PlaybookError::Unusable { folder: folder.to_owned(), problem };
    let (header, rest) = front_matter::parse(markdown).map_err(unusable)?;
    let content = front_matter::content(rest).map_err(unusable)?.to_owned();
    let (folder, is_system) = (folder.to_owned(), path.is_none());
    Ok(Playbook { folder, metadata: header.metadata, content, code, is_system, path })
}

fn unusable_listed(folder: String, error: &PlaybookError) -> Listed {
    let problem = match error {
        PlaybookError::Unusable { problem, .. } => problem.clone(),
        PlaybookError::Read { error, .. } => error.to_string(),
        other => other.to_string(),
    };
    Listed { folder, result: Err(problem), has_code: false, is_system: false }
}

fn not_found(folder: &str) -> PlaybookError {
    PlaybookError::NotFound(folder.to_owned())
}

/// A folder's name is one name, never a path: it has no dot and no slash.
fn is_folder(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn check_folder(name: &str) -> Result<(), PlaybookError> {
    if !is_folder(name) {
        Err(PlaybookError::FolderName)
    } else if name.len() > MAX_FOLDER_NAME {
        Err(PlaybookError::LongFolderName)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    /// A directory that goes with the test.
    pub(super) struct Scratch(PathBuf);

    impl Scratch {
        pub(super) fn new(name: &str) -> Self {
            let name = format!("conductor-playbooks-{name}-{}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            fs::create_dir(&directory).unwrap();
            Self(directory)
        }

        pub(super) fn path(&self) -> &Path {
            &self.0
        }

        pub(super) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn playbooks(&self) -> Playbooks {
            Playbooks::new(self.0.clone(), Vec::new())
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn markdown(name: &str) -> String {
        format!("---\nname: {name}\ndescription: d\n---\n\nbody\n")
    }

    fn new_playbook(folder: &str) -> NewPlaybook {
        NewPlaybook {
            folder: folder.to_owned(),
            name: "N".to_owned(),
            description: "d".to_owned(),
            content: "body".to_owned(),
            ..NewPlaybook::default()
        }
    }

    fn summary(listed: &Listed) -> String {
        let Listed { folder, result, has_code, is_system } = listed;
        let what = match result {
            Ok(metadata) => &metadata.name,
            Err(problem) => problem,
        };
        format!("{folder}: {what} {has_code} {is_system}")
    }

    fn users(playbooks: &Playbooks) -> Vec<String> {
        playbooks.list().iter().filter(|listed| !listed.is_system).map(summary).collect()
    }

    fn error<T: std::fmt::Debug>(result: Result<T, PlaybookError>) -> String {
        result.unwrap_err().to_string()
    }

    const BAD_NAME: &str =
        "Folder name must contain only alphanumeric characters, hyphens, and underscores";

    #[test]
    fn the_bundled_playbooks_are_there_without_a_directory() {
        let playbooks = Playbooks::new("/nowhere/playbooks".into(), Vec::new());
        let all: Vec<String> = playbooks.list().iter().map(summary).collect();
        assert_eq!(
            all,
            [
                "http-utilities: HTTP Utilities true true",
                "mcp-conductor-guide: MCP Conductor Guide false true",
                "playbook-creator: Playbook Creator false true",
            ]
        );
        for bundled in &BUNDLED {
            let playbook = playbooks.get(bundled.folder).unwrap();
            assert!(playbook.content.starts_with("# ") && playbook.is_system);
            assert_eq!((playbook.code.as_deref(), playbook.path), (bundled.code, None));
        }
        assert_eq!(playbooks.code("http-utilities").ok().as_deref(), BUNDLED[0].code);
    }

    #[test]
    fn a_created_playbook_is_listed_read_and_imported() {
        let scratch = Scratch::new("created");
        let directory = scratch.path().join("a/playbooks");
        let playbooks = Playbooks::new(directory.clone(), Vec::new());
        let code = "export const add = (a: number, b: number) => a + b".to_owned();
        let new = NewPlaybook {
            name: "A: B: C".to_owned(),
            description: "d: e".to_owned(),
            code: Some(code.clone()),
            ..new_playbook("math-utils")
        };
        assert_eq!(playbooks.create(new).unwrap(), directory.join("math-utils"));
        assert_eq!(users(&playbooks), ["math-utils: A: B: C true false"]);
        assert_eq!(
            playbooks.get("math-utils").unwrap(),
            Playbook {
                folder: "math-utils".to_owned(),
                metadata: Metadata {
                    name: "A: B: C".to_owned(),
                    description: "d: e".to_owned(),
                    author: None,
                    version: None,
                    tags: Vec::new(),
                },
                content: "body".to_owned(),
                code: Some(code.clone()),
                is_system: false,
                path: Some(directory.join("math-utils")),
            }
        );
        assert_eq!(playbooks.code("math-utils").unwrap(), code);
    }

    #[test]
    fn empty_code_makes_no_file() {
        let scratch = Scratch::new("no-code");
        let new = NewPlaybook { code: Some(" \n".to_owned()), ..new_playbook("x") };
        let path = scratch.playbooks().create(new).unwrap();
        assert!(path.join(MARKDOWN).exists() && !path.join(CODE).exists());
        let problem = error(scratch.playbooks().code("x"));
        assert_eq!(problem, "Playbook x has no code (playbook.ts) to import");
    }

    #[test]
    fn a_name_that_is_no_folder_is_refused_everywhere() {
        let scratch = Scratch::new("names");
        scratch.write("x/playbook.md", markdown("X"));
        let playbooks = Playbooks::new(scratch.path().join("x"), Vec::new());
        for name in ["", ".", "..", "../x", "../../etc", "a/b", "/etc", "a.b", "a b", "é", "a\0"] {
            assert_eq!(error(playbooks.get(name)), BAD_NAME, "{name:?}");
            assert_eq!(error(playbooks.code(name)), BAD_NAME, "{name:?}");
            assert_eq!(error(playbooks.create(new_playbook(name))), BAD_NAME, "{name:?}");
        }
        let long = "x".repeat(129);
        assert_eq!(
            error(playbooks.get(&long)),
            "Folder name must not be longer than 128 characters"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_found() {
        let scratch = Scratch::new("missing");
        assert_eq!(error(scratch.playbooks().get("nope")), "Playbook folder not found: nope");
        assert_eq!(error(scratch.playbooks().code("nope")), "Playbook folder not found: nope");
    }

    #[test]
    fn a_folder_that_exists_is_not_replaced() {
        let scratch = Scratch::new("exists");
        scratch.write("x/notes.txt", "mine");
        fs::create_dir(scratch.path().join("empty")).unwrap();
        scratch.write("file", "mine");
        symlink("/nowhere", scratch.path().join("link")).unwrap();
        for folder in ["x", "empty", "file", "link"] {
            let problem = error(scratch.playbooks().create(new_playbook(folder)));
            assert_eq!(problem, format!("Playbook folder already exists: {folder}"));
        }
        assert_eq!(fs::read_to_string(scratch.path().join("x/notes.txt")).unwrap(), "mine");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_users_folder_takes_the_place_of_a_bundled_one() {
        let scratch = Scratch::new("override");
        scratch.write("http-utilities/playbook.md", markdown("Mine"));
        let playbooks = scratch.playbooks();
        assert_eq!(users(&playbooks), ["http-utilities: Mine false false"]);
        assert_eq!(playbooks.get("http-utilities").unwrap().metadata.name, "Mine");
        assert_eq!(
            error(playbooks.code("http-utilities")),
            "Playbook http-utilities has no code (playbook.ts) to import"
        );
    }

    #[test]
    fn a_copy_that_the_original_left_does_not() {
        let scratch = Scratch::new("originals");
        let old = "---\nname: Old\ndescription: d\nsource: system\n---\n\nold\n";
        scratch.write("http-utilities/playbook.md", old);
        scratch.write("http-utilities/playbook.ts", "old");
        scratch.write("other/playbook.md", old);
        let playbooks = scratch.playbooks();
        assert_eq!(users(&playbooks), ["other: Old false false"]);
        assert_eq!(playbooks.get("http-utilities").unwrap().metadata.name, "HTTP Utilities");
        assert_eq!(playbooks.code("http-utilities").ok().as_deref(), BUNDLED[0].code);
    }

    #[test]
    fn what_cannot_be_used_is_listed_with_the_reason() {
        let scratch = Scratch::new("broken");
        scratch.write("dashes/playbook.md", "# Title");
        scratch.write("no-name/playbook.md", "---\ndescription: d\n---\n");
        scratch.write("no-file/other.txt", "");
        scratch.write("bytes/playbook.md", b"---\nname: \xff\n---\n");
        scratch.write("with space/playbook.md", markdown("X"));
        scratch.write("file", "");
        symlink("dashes", scratch.path().join("link")).unwrap();
        fs::create_dir(scratch.path().join("linked")).unwrap();
        symlink("/etc/passwd", scratch.path().join("linked/playbook.md")).unwrap();
        assert_eq!(
            users(&scratch.playbooks()),
            [
                "bytes: the front matter is not UTF-8 false false",
                "dashes: it does not begin with front matter: a line ---, YAML, a line --- false \
                 false",
                "link: it is a symbolic link, which is not followed false false",
                "linked: playbook.md is a symbolic link, which is not followed false false",
                "no-file: it has no playbook.md false false",
                "no-name: the front matter has no name false false",
            ]
        );
        assert_eq!(
            error(scratch.playbooks().get("no-name")),
            "Playbook no-name cannot be used: the front matter has no name"
        );
    }

    /// `ROOT/playbooks` is a link, and so is what it leads to.
    fn linked(name: &str) -> (Scratch, PathBuf) {
        let scratch = Scratch::new(name);
        scratch.write("elsewhere/x/playbook.md", markdown("X"));
        scratch.write("elsewhere/x/playbook.ts", "export {}");
        fs::create_dir(scratch.path().join("root")).unwrap();
        fs::create_dir(scratch.path().join("mid")).unwrap();
        symlink("../elsewhere", scratch.path().join("mid/hop")).unwrap();
        symlink("../mid/hop", scratch.path().join("root/playbooks")).unwrap();
        let directory = scratch.path().join("root/playbooks");
        (scratch, directory)
    }

    #[test]
    fn a_link_of_the_administrators_is_followed() {
        let (scratch, directory) = linked("trusted");
        let elsewhere = scratch.path().join("elsewhere");
        for writable in [vec![], vec![elsewhere.clone()], vec![scratch.path().join("ro")]] {
            let playbooks = Playbooks::new(directory.clone(), writable);
            assert_eq!(users(&playbooks), ["x: X true false"]);
            assert_eq!(playbooks.code("x").unwrap(), "export {}");
        }
        let playbooks = Playbooks::new(directory, vec![elsewhere.clone()]);
        playbooks.create(new_playbook("new")).unwrap();
        assert!(elsewhere.join("new").join(MARKDOWN).exists());
    }

    #[test]
    fn a_link_that_a_program_can_have_made_is_not_followed() {
        let (scratch, directory) = linked("planted");
        let root = scratch.path().canonicalize().unwrap();
        // Where the first link lies, or the second one, or what a grant named that was
        // not there when the server started.
        for (writable, link) in
            [("root", "root/playbooks"), ("mid", "mid/hop"), ("mid/hop", "mid/hop")]
        {
            let playbooks = Playbooks::new(directory.clone(), vec![root.join(writable)]);
            assert_eq!(users(&playbooks), [""; 0]);
            let refusal = format!(
                "{} is a symbolic link where programs may write, which is not followed",
                root.join(link).display()
            );
            for problem in [
                error(playbooks.get("x")),
                error(playbooks.code("x")),
                error(playbooks.create(new_playbook("new"))),
            ] {
                assert!(problem.ends_with(&refusal), "{problem}");
            }
        }
        assert_eq!(fs::read_dir(root.join("elsewhere")).unwrap().count(), 1);
    }

    /// The directory is exchanged with a link that leads out, as fast as the kernel
    /// can, for as long as the races of tests/permissions take.
    #[test]
    fn nothing_is_made_outside_whatever_is_exchanged_meanwhile() {
        use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
        use std::sync::atomic::{AtomicBool, Ordering};
        use std::time::{Duration, Instant};

        let scratch = Scratch::new("exchanged");
        let root = scratch.path().canonicalize().unwrap();
        let (directory, link) = (root.join("ws/playbooks"), root.join("ws/link"));
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir(root.join("outside")).unwrap();
        symlink("../outside", &link).unwrap();
        let seconds = std::env::var("MCP_CONDUCTOR_RACE_SECONDS").ok();
        let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(2);
        let playbooks = Playbooks::new(directory.clone(), vec![root.join("ws")]);
        let stop = AtomicBool::new(false);
        let (mut made, mut refused) = (0_u32, 0_u32);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let exchange = RenameFlags::RENAME_EXCHANGE;
                    renameat2(AT_FDCWD, &directory, AT_FDCWD, &link, exchange).unwrap();
                    std::thread::yield_now();
                }
            });
            let end = Instant::now() + Duration::from_secs(seconds);
            let last = end + Duration::from_secs(60);
            let is_met = |made, refused| made > 0 && refused > 0;
            while Instant::now() < end || !is_met(made, refused) && Instant::now() < last {
                let folder = format!("p{}", made % 100);
                let real = [&directory, &link].map(|place| place.join(&folder));
                for place in real {
                    // It is behind the link at one moment.
                    let _ = fs::remove_dir_all(place);
                }
                match playbooks.create(new_playbook(&folder)) {
                    Ok(_) => made += 1,
                    Err(_) => refused += 1,
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(made > 0 && refused > 0, "{made} made, {refused} refused");
        assert_eq!(fs::read_dir(root.join("outside")).unwrap().count(), 0);
    }

    #[test]
    fn no_directory_is_made_behind_a_link_that_a_program_can_have_made() {
        let scratch = Scratch::new("made");
        let root = scratch.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("ws")).unwrap();
        fs::create_dir(root.join("outside")).unwrap();
        symlink("../outside", root.join("ws/a")).unwrap();
        symlink("../outside/nothing", root.join("ws/dangling")).unwrap();
        for directory in ["ws/a/b/playbooks", "ws/dangling"] {
            let playbooks = Playbooks::new(root.join(directory), vec![root.join("ws")]);
            assert!(playbooks.create(new_playbook("x")).is_err(), "{directory}");
        }
        assert_eq!(fs::read_dir(root.join("outside")).unwrap().count(), 0);
    }

    #[test]
    fn too_much_code_or_text_is_refused() {
        let scratch = Scratch::new("sizes");
        let code = "x".repeat(MAX_CODE + 1);
        let new = NewPlaybook { code: Some(code.clone()), ..new_playbook("x") };
        assert_eq!(
            error(scratch.playbooks().create(new)),
            "The playbook is not created: its code is longer than 1024 KiB"
        );
        scratch.write("y/playbook.md", markdown("Y"));
        scratch.write("y/playbook.ts", code);
        scratch.write("z/playbook.md", format!("{}{}", markdown("Z"), "z".repeat(2 * MAX_CONTENT)));
        let problem = "Playbook y cannot be used: playbook.ts is larger than 1024 KiB";
        assert_eq!(error(scratch.playbooks().code("y")), problem);
        let problem = "Playbook z cannot be used: playbook.md is larger than 1088 KiB";
        assert_eq!(error(scratch.playbooks().get("z")), problem);
        assert_eq!(users(&scratch.playbooks()), ["y: Y true false", "z: Z false false"]);
    }
}
