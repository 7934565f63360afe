//! Directories for one test: a workspace with traps in it, and what lies
//! outside of it and must stay as it is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use nix::sys::stat::Mode;
use serde_json::Value;

use crate::servers::{P1, P2, P3};
use crate::support::directory::{Directory, number};

/// Held for reading by tests that run side by side, and for writing by those
/// that count descriptors and processes.
static TURN: RwLock<()> = RwLock::new(());

pub fn alone() -> RwLockWriteGuard<'static, ()> {
    TURN.write().unwrap_or_else(PoisonError::into_inner)
}

/// Held by a test whose directories are not its own.
pub fn turn() -> RwLockReadGuard<'static, ()> {
    TURN.read().unwrap_or_else(PoisonError::into_inner)
}

/// Larger than what a run may read or write, and no block of it exists.
const SPARSE_BYTES: u64 = 8 << 30;

/// `@ROOT@`, removed at the end, when `outside/` must be as it was.
pub struct Fixture {
    root: Directory,
    /// In no program's source, so that a code frame cannot hold it.
    mark: String,
    outside: BTreeMap<String, Option<Vec<u8>>>,
    _socket: UnixListener,
    _turn: Option<RwLockReadGuard<'static, ()>>,
}

impl Fixture {
    pub fn new() -> Self {
        let turn = TURN.read().unwrap_or_else(PoisonError::into_inner);
        let mut fixture = Self::in_the_same_turn();
        fixture._turn = Some(turn);
        fixture
    }

    /// For the holder of [`alone`], or of another fixture.
    pub fn in_the_same_turn() -> Self {
        let mark = format!("{}x{}", std::process::id(), number());
        let root = Directory::named(&format!("mcp-conductor-permissions-{mark}"));
        Self::over(root, mark)
    }

    /// For what a static keeps, whose users hold a [`turn`] each; see [`Directory::kept`].
    pub fn kept(name: &str) -> Self {
        let mark = format!("{}x{}", std::process::id(), number());
        Self::over(Directory::kept(name), mark)
    }

    fn over(root: Directory, mark: String) -> Self {
        let outside = root.path("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("canary.txt"), format!("FS-CANARY-{mark}")).unwrap();
        fs::write(outside.join("victim.txt"), "victim").unwrap();
        fs::write(outside.join("mod.js"), format!("export default 'FS-CANARY-{mark}'")).unwrap();
        fs::write(outside.join("data.json"), format!("\"FS-CANARY-{mark}\"")).unwrap();
        let socket = UnixListener::bind(outside.join("s.sock")).unwrap();
        make_workspace(root.root(), &mark);
        let outside = contents(&outside);
        Self { root, mark, outside, _socket: socket, _turn: None }
    }

    /// Adds `ws/repo`, with one commit, if there is a git.
    pub fn with_repository(self) -> Self {
        let repository = self.path("ws/repo");
        if has_git() {
            fs::create_dir(&repository).unwrap();
            fs::write(repository.join("a.txt"), "a").unwrap();
            git(&repository, &["init", "--quiet"]);
            git(&repository, &["add", "a.txt"]);
            let author = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
            git(&repository, &[&author[..], &["commit", "--quiet", "-m", "one"]].concat());
        }
        self
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.path(below)
    }

    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    /// A text with its tokens replaced.
    pub fn text(&self, text: &str) -> String {
        text.replace("@ROOT@", &self.root.root().to_string_lossy())
            .replace("@P1@", &P1.port.to_string())
            .replace("@P2@", &P2.port.to_string())
            .replace("@P3@", &P3.port.to_string())
            .replace("@MARK@", &self.mark)
    }

    /// A value with the tokens put back.
    pub fn tokens(&self, value: &Value) -> Value {
        let text = value.to_string().replace(&*self.root.root().to_string_lossy(), "@ROOT@");
        let ports = [(P1.port, "@P1@"), (P2.port, "@P2@"), (P3.port, "@P3@")];
        let text = ports.into_iter().fold(text, |text, (port, token)| {
            text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{token}"))
        });
        serde_json::from_str(&text).expect("tokens need no escapes")
    }

    /// What no program may print that was not granted it. Git names a file's
    /// contents by their hash, which gives them away too.
    pub fn canaries(&self) -> Vec<String> {
        let mark = &self.mark;
        let mut canaries: Vec<_> = ["FS-CANARY-", "SECRET-CANARY-", "ENV-CANARY-"]
            .into_iter()
            .map(|canary| format!("{canary}{mark}"))
            .collect();
        canaries.push("P1-CANARY".to_owned());
        if has_git() {
            let hash = Command::new("git")
                .arg("hash-object")
                .arg(self.path("outside/canary.txt"))
                .output()
                .expect("git runs");
            canaries.push(String::from_utf8_lossy(&hash.stdout).trim().to_owned());
        }
        canaries
    }

    /// What is different in `outside/`.
    pub fn changes_outside(&self) -> Option<String> {
        let now = contents(&self.path("outside"));
        (now != self.outside).then(|| format!("outside/ was {:?} and is {now:?}", self.outside))
    }

    /// Processes that a program started here: each has its home in the workspace.
    pub fn strays(&self) -> Vec<String> {
        let root = self.root.root().to_string_lossy();
        let own = std::process::id().to_string();
        let mut strays = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let process = entry.path();
            let read = |file| fs::read(process.join(file)).unwrap_or_default();
            let words = [read("environ"), read("cmdline")].concat();
            let place = fs::read_link(process.join("cwd")).unwrap_or_default();
            let found = String::from_utf8_lossy(&words).contains(&*root);
            if (found || place.starts_with(self.root.root())) && entry.file_name() != *own {
                strays.push(String::from_utf8_lossy(&read("cmdline")).replace('\0', " "));
            }
        }
        strays
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let changes = self.changes_outside();
        if !std::thread::panicking() {
            assert_eq!(changes, None);
        }
    }
}

fn make_workspace(root: &Path, mark: &str) {
    let ws = root.join("ws");
    for directory in ["secret", "x", "swap", "fakebin"] {
        fs::create_dir_all(ws.join(directory)).unwrap();
    }
    fs::write(ws.join("hello.txt"), "hello").unwrap();
    fs::set_permissions(ws.join("hello.txt"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(ws.join("secret/s.txt"), format!("SECRET-CANARY-{mark}")).unwrap();
    fs::write(ws.join("swap/canary.txt"), "inside").unwrap();
    symlink("../outside", ws.join("linkdir_out")).unwrap();
    symlink("../outside/victim.txt", ws.join("link_out2")).unwrap();
    symlink(root.join("outside/canary.txt"), ws.join("link_out")).unwrap();
    symlink("/proc/self/environ", ws.join("link_proc")).unwrap();
    nix::unistd::mkfifo(&ws.join("fifo"), Mode::from_bits_truncate(0o600)).unwrap();
    fs::File::create(ws.join("sparse")).unwrap().set_len(SPARSE_BYTES).unwrap();
    for (file, text) in [
        ("fakebin/git", format!("#!/bin/sh\ncat {}/outside/canary.txt\n", root.display())),
        ("tool.sh", "#!/bin/sh\necho tool\n".to_owned()),
    ] {
        fs::write(ws.join(file), text).unwrap();
        fs::set_permissions(ws.join(file), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Names and contents; a socket has none.
fn contents(directory: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    fs::read_dir(directory)
        .unwrap()
        .flatten()
        .map(|entry| {
            let content = entry.file_type().unwrap().is_file().then(|| fs::read(entry.path()));
            (entry.file_name().to_string_lossy().into_owned(), content.map(Result::unwrap))
        })
        .collect()
}

pub fn has_git() -> bool {
    Command::new("git").arg("--version").stdout(Stdio::null()).status().is_ok()
}

fn git(directory: &Path, args: &[&str]) {
    let status = Command::new("git").arg("-C").arg(directory).args(args).status().unwrap();
    assert!(status.success(), "git {args:?}");
}
