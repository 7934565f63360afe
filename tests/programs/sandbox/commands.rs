//! What is left of commands when the server ends, and what the server itself may do.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::directory::{Directory, number, set_mode};
use crate::support::processes::Family;
use crate::support::waiting::within;

/// Longer than any machine needs; what is left behind would live for longer still.
const PATIENCE: Duration = Duration::from_secs(60);

/// nobody: owns nothing.
const NOBODY: u32 = 65534;

/// A program file and a workspace, with a number that a command's arguments carry.
struct Program {
    directory: Directory,
    mark: String,
}

impl Program {
    /// `@MARK@` in the source stands for a number of seconds that no other test sleeps.
    fn new(source: &str) -> Self {
        let mark = format!("{}.{}", 3600 + number(), std::process::id());
        let directory = Directory::named(&format!("conductor-left-{mark}"));
        // Every user makes a workspace in it.
        set_mode(directory.root(), 0o777);
        fs::write(directory.path("program.ts"), source.replace("@MARK@", &mark)).unwrap();
        Self { directory, mark }
    }

    fn start(&self) -> Child {
        self.command(Path::new(env!("CARGO_BIN_EXE_mcp-conductor"))).spawn().unwrap()
    }

    /// As a user that owns nothing, who may not reach the binary where it was built.
    fn start_as_nobody(&self) -> Child {
        let binary = self.directory.path("mcp-conductor");
        fs::copy(env!("CARGO_BIN_EXE_mcp-conductor"), &binary).unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            match self.command(&binary).uid(NOBODY).gid(NOBODY).spawn() {
                // A fork of another test still holds the copy open, until its exec.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                    assert!(Instant::now() < end, "{error}");
                    std::thread::sleep(Duration::from_millis(10));
                }
                child => return child.unwrap(),
            }
        }
    }

    fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .arg("run")
            .arg(self.directory.path("program.ts"))
            .env_clear()
            .env("HOME", self.directory.root())
            .env("PATH", "/usr/bin:/bin")
            .env("MCP_CONDUCTOR_RUN_ARGS", "allow-run=sh")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Processes that a command started, zombies left out.
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            let is_program = words.contains("program.ts");
            if words.contains(&self.mark) && !is_program {
                left.push(words);
            }
        }
        left
    }

    #[track_caller]
    fn until(&self, what: &str, condition: impl Fn(&[String]) -> bool) {
        let mut left = Vec::new();
        let is_so = within(PATIENCE, || {
            left = self.left();
            condition(&left)
        });
        assert!(is_so, "{what}: {left:?}");
    }
}

/// Whether commands can be confined here.
fn has_landlock() -> bool {
    // SAFETY: asks for the version only; no pointer is followed.
    let version = unsafe {
        let (none, version) = (std::ptr::null::<u8>(), 1);
        libc::syscall(libc::SYS_landlock_create_ruleset, none, 0, version)
    };
    if version <= 0 {
        eprintln!("skipped: this machine has no Landlock");
    }
    version > 0
}

#[test]
fn nothing_that_a_command_started_is_there_when_the_server_has_ended() {
    if !has_landlock() {
        return;
    }
    let program = Program::new(
        r#"
        const args = ["-c", "sleep @MARK@ & setsid sleep @MARK@ & kill -STOP $$"];
        for (let i = 0; i < 12; i++) new Deno.Command("sh", { args }).spawn();
        // They are on their way: before their exec, after it, stopped.
        await new Promise((later) => setTimeout(later, 60));
        Deno.exit(0)"#,
    );
    for _ in 0..10 {
        let mut server = program.start();
        assert!(server.wait().unwrap().success());
        assert_eq!(program.left(), Vec::<String>::new());
    }
}

#[test]
fn nothing_that_a_command_started_outlives_a_server_that_is_killed() {
    if !has_landlock() {
        return;
    }
    let source = r#"
        const args = ["-c", "sleep @MARK@ & (setsid sleep @MARK@ &) ; sleep @MARK@"];
        await new Deno.Command("sh", { args }).output()"#;
    let is_root = nix::unistd::getuid().is_root();
    let as_nobody = is_root.then_some(Program::start_as_nobody as fn(&Program) -> Child);
    for start in [Some(Program::start as fn(&Program) -> Child), as_nobody].into_iter().flatten() {
        let program = Program::new(source);
        let mut server = start(&program);
        program.until("not started", |left| {
            left.iter().filter(|words| words.starts_with("sleep")).count() == 3
        });
        server.kill().unwrap();
        server.wait().unwrap();
        program.until("left behind", <[String]>::is_empty);
    }
}

/// A set of /proc/PID/status.
fn capabilities(pid: u32, field: &str) -> u64 {
    capabilities_of(format!("/proc/{pid}"), field).unwrap()
}

/// Nothing of a process or thread that has ended.
fn capabilities_of(process: impl AsRef<Path>, field: &str) -> Option<u64> {
    let status = fs::read_to_string(process.as_ref().join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    Some(u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap())
}

#[test]
fn the_server_of_root_keeps_the_capabilities_that_it_needs() {
    const FSETID: u64 = 1 << 4;
    const SYS_PTRACE: u64 = 1 << 19;
    const SYS_ADMIN: u64 = 1 << 21;
    const KILL: u64 = 1 << 5;
    const SETPCAP: u64 = 1 << 8;
    let own = capabilities(std::process::id(), "CapPrm");
    let mut server = Command::new(env!("CARGO_BIN_EXE_mcp-conductor"))
        .arg("stdio")
        .env_clear()
        .env("HOME", std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A zygote is started after they were given up.
    let has_zygote = || !Family::below(server.id()).is_empty();
    assert!(within(PATIENCE, has_zygote), "there is no zygote");
    let pid = server.id();
    for field in ["CapPrm", "CapEff"] {
        let found = capabilities(pid, field);
        assert_eq!(found & (FSETID | SYS_PTRACE), 0, "{field}: {found:x}");
        assert_eq!(found & KILL, own & KILL, "{field}: {found:x}");
        assert_eq!(found & !own, 0);
    }
    // For the zygote only.
    assert_eq!(capabilities(pid, "CapEff") & SYS_ADMIN, 0);
    // What no child needs is for none, if the server may say so.
    if own & SETPCAP != 0 {
        assert_eq!(capabilities(pid, "CapBnd") & (FSETID | SYS_PTRACE), 0);
    }
    // All of its threads: a set is a thread's.
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        // One may have ended meanwhile.
        let found = capabilities_of(task.path(), "CapPrm").unwrap_or_default();
        assert_eq!(found & FSETID, 0);
    }
    drop(server.stdin.take());
    server.wait().unwrap();
}
