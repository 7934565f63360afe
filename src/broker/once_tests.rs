//! Counts: each path of an operation is resolved once, and by a bounded number of
//! system calls, whatever links a program has made.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::failure::Problem;
use super::files::Files;
use super::quota::{FileLimits, Quota};
use super::tally;
use super::walk::MAX_STEPS;
use crate::policy::{Grants, Policy, PolicyInput};
use crate::protocol::{OpenOptions, Time, WriteOptions};

/// Calls of one path at most: the names that are taken one by one, two calls for
/// each of 40 links, the attempts to have it at once, the directories around what
/// was found (2048 of one path, and as many names of the climb to be sure), and what
/// is asked about it.
const MOST_CALLS: usize = MAX_STEPS + 2 * 40 + 2 + 2 * 2048 + 8;

/// A workspace for one test, removed at the end.
struct Workspace {
    root: PathBuf,
    policy: Policy,
    quota: Arc<Quota>,
}

impl Workspace {
    /// `ROOT` in the grants is the directory around the workspace.
    fn new(grants: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mcp-conductor-once-{}-{number}", std::process::id());
        let parent = std::env::temp_dir().canonicalize().expect("a directory for temporary files");
        let root = parent.join(name);
        fs::create_dir_all(root.join("ws/d/secret")).unwrap();
        fs::write(root.join("ws/d/f"), "f").unwrap();
        fs::create_dir(root.join("other")).unwrap();
        symlink(root.join("ws/d"), root.join("ws/absolute")).unwrap();
        symlink("d", root.join("ws/relative")).unwrap();
        symlink("../ws/d", root.join("ws/around")).unwrap();
        let grants = Grants::parse(&grants.replace("ROOT", &root.to_string_lossy())).unwrap();
        let policy = Policy::new(&PolicyInput {
            grants: &grants,
            workspace: &root.join("ws"),
            home: None,
            search_path: "".as_ref(),
            protected: &[],
            packages: &Default::default(),
            is_narrowed: false,
            install_dir: None,
            code: &[],
            secrets: &[],
            unconfined: false,
            own_address: &Arc::default(),
        })
        .expect("the grants are valid");
        let (write_size, new_files, open_files) = (u64::MAX, u64::MAX, usize::MAX);
        let quota = Arc::new(Quota::new(FileLimits { write_size, new_files, open_files }));
        Self { root, policy, quota }
    }

    /// The resolutions and system calls of one operation, and what came of it.
    fn count<T>(
        &self,
        operation: impl FnOnce(&Files<'_>) -> Result<T, Problem>,
    ) -> (usize, usize, Result<T, Problem>) {
        let workspace = self.root.join("ws");
        let files = Files {
            policy: &self.policy,
            cwd: &workspace,
            workspace: &workspace,
            quota: &self.quota,
        };
        tally::take();
        let result = operation(&files);
        let (resolutions, calls) = tally::take();
        (resolutions, calls, result)
    }

    /// The work of an operation on so many paths that must succeed.
    #[track_caller]
    fn once<T>(&self, paths: usize, operation: impl FnOnce(&Files<'_>) -> Result<T, Problem>) {
        let (resolutions, calls, result) = self.count(operation);
        if let Err(problem) = result {
            panic!("{problem:?}");
        }
        assert_eq!(resolutions, paths, "paths that were looked up");
        assert!(calls <= paths * MOST_CALLS, "{calls} calls");
    }

    #[track_caller]
    fn refused<T>(&self, path: &str, operation: impl FnOnce(&Files<'_>) -> Result<T, Problem>) {
        let (_, _, result) = self.count(operation);
        assert!(matches!(result, Err(Problem::Denied(_))), "{path}");
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn write_options() -> WriteOptions {
    WriteOptions { append: false, create: true, create_new: false, mode: None }
}

fn every_operation(workspace: &Workspace, at: &str) {
    let path = |name: &str| format!("{at}/{name}");
    let time = || Time { seconds: 1, nanos: 0 };
    let create = OpenOptions { write: true, create: true, ..OpenOptions::default() };
    let both = OpenOptions { read: true, ..create };
    let new = OpenOptions { create_new: true, ..create };
    workspace.once(1, |files| files.open(&path("made"), create, "open"));
    workspace.once(1, |files| files.open(&path("made"), create, "open"));
    workspace.once(1, |files| files.open(&path("made"), both, "open"));
    workspace.once(1, |files| files.open(&path("new"), new, "open"));
    workspace.once(1, |files| files.open(&path("f"), OpenOptions::default(), "open"));
    workspace.once(1, |files| files.open_whole(&path("f")));
    workspace.once(1, |files| files.write_file(&path("f"), b"x", write_options()));
    workspace.once(1, |files| files.write_file(&path("g"), b"x", write_options()));
    workspace.once(1, |files| files.stat(&path("f"), true));
    workspace.once(1, |files| files.stat(&path("f"), false));
    workspace.once(1, |files| files.stat("../ws", false));
    workspace.once(1, |files| files.read_dir(at));
    workspace.once(1, |files| files.mkdir(&path("one"), false, None));
    workspace.once(1, |files| files.mkdir(&path("x/y/z"), true, None));
    workspace.once(1, |files| files.mkdir(&path("x/y/z"), true, None));
    workspace.once(2, |files| files.rename(&path("g"), &path("h")));
    workspace.once(2, |files| files.copy_file(&path("f"), &path("copy")));
    workspace.once(2, |files| files.link(&path("f"), &path("second")));
    workspace.once(2, |files| files.symlink("f", &path("link")));
    workspace.once(2, |files| files.symlink("nothing", &path("nowhere")));
    workspace.once(1, |files| files.write_file(&path("nowhere"), b"x", write_options()));
    workspace.once(1, |files| files.read_link(&path("link")));
    workspace.once(1, |files| files.real_path(&path("link")));
    workspace.once(1, |files| files.directory(at));
    workspace.once(1, |files| files.truncate(&path("f"), 1));
    workspace.once(1, |files| files.chmod(&path("f"), 0o600));
    workspace.once(1, |files| files.utime(&path("f"), (time(), time())));
    workspace.once(1, |files| files.make_temp(false, Some(at), "a", "b"));
    workspace.once(1, |files| files.make_temp(true, Some(at), "a", "b"));
    workspace.once(1, |files| files.remove(&path("x"), true));
    workspace.once(1, |files| files.remove(&path("copy"), false));
}

const PLAIN: &str = "allow-read=ROOT/ws,allow-write=ROOT/ws";

/// With something that is denied, which is told by what it is.
const DENIED: &str = "allow-read=ROOT/ws,allow-write=ROOT/ws,\
    deny-read=ROOT/ws/d/secret,deny-write=ROOT/ws/d/secret";

#[test]
fn every_operation_resolves_each_of_its_paths_once() {
    for grants in [PLAIN, DENIED] {
        for at in ["d", "relative", "absolute", "around"] {
            every_operation(&Workspace::new(grants), at);
        }
    }
}

/// As a program can have the link: it moves the directory that holds it.
#[test]
fn names_in_a_denied_directory_are_not_told_through_a_link() {
    let workspace = Workspace::new(DENIED);
    let secret = workspace.root.join("ws/d/secret");
    fs::write(secret.join("file"), "").unwrap();
    fs::create_dir(secret.join("sub")).unwrap();
    symlink("d/secret", workspace.root.join("ws/planted")).unwrap();
    for name in ["file", "sub", "none", "file/x", "sub/x", "none/x", "none/x/y"] {
        let path = format!("planted/{name}");
        let path = path.as_str();
        workspace.refused(path, |files| files.stat(path, true));
        workspace.refused(path, |files| files.stat(path, false));
        workspace.refused(path, |files| files.open_whole(path));
        workspace.refused(path, |files| files.write_file(path, b"x", write_options()));
        workspace.refused(path, |files| files.truncate(path, 0));
        workspace.refused(path, |files| files.read_dir(path));
        workspace.refused(path, |files| files.directory(path));
        workspace.refused(path, |files| files.real_path(path));
        workspace.refused(path, |files| files.read_link(path));
        workspace.refused(path, |files| files.mkdir(path, false, None));
        workspace.refused(path, |files| files.mkdir(path, true, None));
        workspace.refused(path, |files| files.remove(path, true));
        workspace.refused(path, |files| files.rename("d/f", path));
        workspace.refused(path, |files| files.rename(path, "d/g"));
        workspace.refused(path, |files| files.link("d/f", path));
        workspace.refused(path, |files| files.copy_file(path, "d/g"));
        workspace.refused(path, |files| files.symlink(path, "link"));
        workspace.refused(path, |files| files.make_temp(false, Some(path), "a", "b"));
    }
}

#[test]
fn what_is_missing_elsewhere_is_told_and_costs_a_call_where_nothing_is_denied() {
    for (grants, is_plain) in [(PLAIN, true), (DENIED, false)] {
        let workspace = Workspace::new(grants);
        for (path, class) in [
            ("d/none", "NotFound"),
            ("d/none/x/y", "NotFound"),
            ("d/f/x", "NotADirectory"),
            ("relative/none/x", "NotFound"),
        ] {
            let (_, calls, result) = workspace.count(|files| files.stat(path, true));
            let Err(Problem::Failed(failure)) = result else { panic!("{path}") };
            assert_eq!(failure.class, class, "{path}");
            assert!(!is_plain || calls == 1, "{path}: {calls} calls");
        }
    }
}

/// 38 links in a deep tree, each with an absolute target: what used to take 15 s.
fn deep(workspace: &Workspace) -> String {
    let deep = workspace.root.join("ws").join("d/".repeat(200));
    fs::create_dir_all(&deep).unwrap();
    for link in 0..38 {
        symlink(deep.join(format!("l{}", link + 1)), deep.join(format!("l{link}"))).unwrap();
    }
    fs::create_dir(deep.join("l38")).unwrap();
    symlink(deep.join("l0"), workspace.root.join("ws/l")).unwrap();
    format!("l/{}y", "x/".repeat(50))
}

#[test]
fn links_in_a_deep_tree_cost_a_call_for_each_name() {
    for grants in [PLAIN, DENIED] {
        let workspace = Workspace::new(grants);
        let path = deep(&workspace);
        let (resolutions, calls, result) = workspace.count(|files| files.mkdir(&path, true, None));
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(resolutions, 1);
        // 200 names twice, 39 links, 51 directories, and what is around them.
        assert!(calls < 1000, "{calls} calls");
        workspace.once(1, |files| files.stat(&path, true));
        workspace.once(1, |files| files.write_file(&format!("{path}/f"), b"x", write_options()));
    }
}

/// Each link goes back to the beginning: no walk can go on from where it is.
#[test]
fn links_that_lead_back_cost_no_more_than_the_bound() {
    let workspace = Workspace::new(PLAIN);
    let ws = workspace.root.join("ws");
    let names = "d/".repeat(400);
    fs::create_dir_all(ws.join(&names)).unwrap();
    for link in 0..39 {
        let place = ws.join(&names).join(format!("l{link}"));
        let target = format!("{names}l{}", link + 1);
        symlink(ws.join("b").join(target), place).unwrap();
    }
    symlink(&ws, ws.join("b")).unwrap();
    for path in [format!("{names}l0"), format!("b/{names}l0/x")] {
        let (_, calls, result) = workspace.count(|files| files.stat(&path, true));
        assert!(result.is_err());
        assert!(calls <= MOST_CALLS, "{calls} calls");
    }
}

#[test]
fn nothing_is_looked_for_when_the_run_is_over() {
    let workspace = Workspace::new(PLAIN);
    let path = deep(&workspace);
    workspace.quota.end();
    let (_, calls, result) = workspace.count(|files| files.mkdir(&path, true, None));
    let Err(Problem::Failed(failure)) = result else { panic!("{result:?}") };
    assert_eq!(failure.class, "Interrupted");
    assert!(calls < 10, "{calls} calls");
}

/// Descriptors of this process that are open beneath a directory now. Other tests
/// have theirs elsewhere.
fn descriptors(directory: &Path) -> usize {
    let all = fs::read_dir("/proc/self/fd").expect("it is this process").flatten();
    let places = all.filter_map(|entry| fs::read_link(entry.path()).ok());
    places.filter(|place| place.starts_with(directory)).count()
}

#[test]
fn a_deep_tree_is_removed_with_few_descriptors() {
    let workspace = Workspace::new(PLAIN);
    let tree = workspace.root.join("ws/tree");
    for branch in 0..3 {
        let deep = tree.join(branch.to_string()).join("x/".repeat(200));
        fs::create_dir_all(&deep).unwrap();
        for file in 0..100 {
            fs::create_dir(deep.join(file.to_string())).unwrap();
            fs::write(deep.join(format!("f{file}")), "").unwrap();
        }
        symlink(workspace.root.join("other"), deep.join("link")).unwrap();
    }
    fs::write(workspace.root.join("other/kept"), "").unwrap();
    let most = std::cell::Cell::new(0);
    let seen = || {
        most.set(descriptors(&tree).max(most.get()));
        false
    };
    let directory = fs::File::open(workspace.root.join("ws")).unwrap().into();
    let place = super::place::Place::new(directory, "tree".into(), tree.clone());
    super::directory::remove_tree(&place, &seen).expect("it is removed");
    assert!(!tree.exists() && workspace.root.join("other/kept").exists());
    // One level, the same once more to be read, and the next one.
    assert!((1..=3).contains(&most.get()), "{} at once", most.get());
}

#[test]
fn a_tree_that_is_too_deep_is_refused() {
    let workspace = Workspace::new(PLAIN);
    fs::create_dir_all(workspace.root.join("ws/t").join("x/".repeat(256))).unwrap();
    workspace.once(1, |files| files.remove("t", true));
    fs::create_dir_all(workspace.root.join("ws/t").join("x/".repeat(257))).unwrap();
    let (_, _, result) = workspace.count(|files| files.remove("t", true));
    assert!(matches!(result, Err(Problem::Failed(_))), "{result:?}");
    assert!(Path::new(&workspace.root).join("ws/t").exists());
}
