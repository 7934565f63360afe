//! A started command: a process group that lives no longer than its [`Process`].
//!
//! The end is awaited on a pidfd, in tokio's reactor: any number of tasks can
//! wait for it, no thread does, and no SIGCHLD is missed. Waiting leaves the
//! child unreaped, so that its pid, and with it the name of its group, is nobody
//! else's until the group has been killed. Then the keeper reaps it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{self, Command};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use tokio::io::unix::AsyncFd;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::crowd::{Crowd, too_many};
use super::keeper::{Leader, Started, start};
use crate::protocol::{Exit, Failure, Stdio};
use crate::sandbox::command_sys::{self, Ended};
use crate::sandbox::{Confinement, Prepared, sys};

/// Bytes of all arguments and variables. Linux takes a quarter of the stack
/// limit, 2 MiB of 8 (execve(2)).
const MAX_ARGUMENT_BYTES: usize = 1 << 20;

/// Arguments of one command. With MAX_ARGUMENT_BYTES, 256 bytes each.
const MAX_ARGUMENTS: usize = 4096;

/// Bytes of a signal's name in an error text; the longest has 9.
const MAX_SIGNAL_CHARS: usize = 32;

/// What to start.
pub(crate) struct Launch<'a> {
    pub program: &'a Path,
    pub args: &'a [String],
    /// All of it.
    pub environment: &'a [(String, String)],
    /// The working directory that was checked, O_PATH|O_DIRECTORY.
    pub directory: OwnedFd,
    pub stdin: Stdio,
    pub stdout: Stdio,
    pub stderr: Stdio,
    pub confinement: &'a Confinement,
    /// Those that it counts with.
    pub crowd: &'a Arc<Crowd>,
}

/// The server's ends of what is piped. Output that is inherited is piped too,
/// for the caller to pass on.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<ChildStdout>,
    pub stderr: Option<ChildStderr>,
}

/// A command that was started. Dropped, it and all that it started are killed.
#[derive(Debug)]
pub(crate) struct Process {
    pidfd: AsyncFd<OwnedFd>,
    leader: Leader,
}

impl Process {
    pub(crate) async fn start(launch: Launch<'_>) -> Result<(Self, Pipes), Failure> {
        let program = launch.program;
        check_texts(&launch)?;
        let confinement = launch.confinement.clone();
        let prepared = tokio::task::spawn_blocking(move || confinement.prepare())
            .await
            .map_err(|error| not_started(program, &io::Error::other(error)))?
            .map_err(|error| not_started(program, &io::Error::other(error)))?;
        let crowd = launch.crowd.clone();
        let command = command(launch, prepared);
        let started = start(command, crowd).await.map_err(|error| not_started(program, &error))?;
        Self::adopt(started).map_err(|error| not_started(program, &error))
    }

    fn adopt(started: Started) -> io::Result<(Self, Pipes)> {
        let Started { leader, pidfd, stdin, stdout, stderr } = started;
        let pipes = Pipes {
            stdin: stdin.map(ChildStdin::from_std).transpose()?,
            stdout: stdout.map(ChildStdout::from_std).transpose()?,
            stderr: stderr.map(ChildStderr::from_std).transpose()?,
        };
        Ok((Self { pidfd: sys::watch_readable(pidfd)?, leader }, pipes))
    }

    pub(crate) fn id(&self) -> u32 {
        self.leader.pid().as_raw().cast_unsigned()
    }

    /// Waits for the end of the command, not of what it has started.
    ///
    /// # Errors
    /// It was killed because there were too many of the run.
    pub(crate) async fn wait(&self) -> Result<Exit, Failure> {
        let exit = self.ended().await;
        if self.leader.is_of_too_many() { Err(too_many()) } else { Ok(exit) }
    }

    async fn ended(&self) -> Exit {
        loop {
            if let Some(exit) = self.exit() {
                return exit;
            }
            match self.pidfd.readable().await {
                Ok(mut ready) if self.exit().is_none() => ready.clear_ready(),
                Ok(_) => {}
                // The server ends, and kills it.
                Err(_) => return exit_of(Ended::Signal(libc::SIGKILL)),
            }
        }
    }

    fn exit(&self) -> Option<Exit> {
        match command_sys::ended(self.leader.pid()) {
            Ok(ended) => ended.map(exit_of),
            // Reaped by somebody else: how it ended is lost.
            Err(_) => Some(Exit { success: false, code: -1, signal: None }),
        }
    }

    /// Signals the command, not what it has started. No name is SIGTERM.
    pub(crate) fn kill(&self, signal: &str) -> Result<(), Failure> {
        let signal = signal_of(signal)?;
        let ended = || Failure::type_error("Child process has already terminated");
        if self.exit().is_some() {
            return Err(ended());
        }
        sys::pidfd_send_signal(self.pidfd.get_ref().as_fd(), signal).map_err(|error| {
            match error.raw_os_error() {
                Some(libc::ESRCH) => ended(),
                _ => Failure::io(&error),
            }
        })
    }
}

fn exit_of(ended: Ended) -> Exit {
    match ended {
        Ended::Code(code) => Exit { success: code == 0, code, signal: None },
        Ended::Signal(number) => {
            let name = Signal::try_from(number)
                .map_or_else(|_| format!("SIG{number}"), |signal| signal.as_str().to_owned());
            Exit { success: false, code: 128 + number, signal: Some(name) }
        }
    }
}

fn signal_of(name: &str) -> Result<Signal, Failure> {
    let canonical = match name {
        "" => "SIGTERM",
        "SIGIOT" => "SIGABRT",
        "SIGCLD" => "SIGCHLD",
        "SIGPOLL" => "SIGIO",
        name => name,
    };
    canonical.parse().map_err(|_| {
        let name: String = name.chars().take(MAX_SIGNAL_CHARS).collect();
        Failure::type_error(format!("Invalid signal: {name}"))
    })
}

fn not_started(program: &Path, error: &io::Error) -> Failure {
    let message = format!("Failed to spawn '{}': {error}", program.display());
    Failure { message, ..Failure::io(error) }
}

/// What execve takes: no NUL, no more than fits, and names that are names.
fn check_texts(launch: &Launch<'_>) -> Result<(), Failure> {
    let variables = launch.environment.iter().flat_map(|(name, value)| [name, value]);
    let texts = || launch.args.iter().chain(variables.clone());
    let problem = |error| Err(not_started(launch.program, &error));
    if texts().any(|text| text.contains('\0')) {
        let text = "nul byte found in provided data";
        return problem(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    if launch.environment.iter().any(|(name, _)| name.is_empty() || name.contains('=')) {
        let text = "the name of an environment variable is empty or contains '='";
        return problem(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let bytes: usize = texts().map(|text| text.len() + 1).sum();
    if launch.args.len() > MAX_ARGUMENTS || bytes > MAX_ARGUMENT_BYTES {
        return problem(Errno::E2BIG.into());
    }
    Ok(())
}

fn command(launch: Launch<'_>, prepared: Prepared) -> Command {
    let mut command = Command::new(launch.program);
    command
        .args(launch.args)
        .env_clear()
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .stdin(match launch.stdin {
            Stdio::Piped => process::Stdio::piped(),
            Stdio::Null | Stdio::Inherit => process::Stdio::null(),
        })
        .stdout(output(launch.stdout))
        .stderr(output(launch.stderr));
    prepared.confine(&mut command, launch.directory);
    command
}

fn output(stdio: Stdio) -> process::Stdio {
    match stdio {
        Stdio::Null => process::Stdio::null(),
        Stdio::Piped | Stdio::Inherit => process::Stdio::piped(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::sandbox::{CommandLimits, landlock_is_available};

    /// A directory that is removed at the end.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let parent = fs::canonicalize(std::env::temp_dir()).unwrap();
            let path = parent.join(format!("conductor-command-{name}-{}", process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, content: &str) -> String {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn confinement(program: &str) -> Confinement {
        Confinement {
            read: Vec::new(),
            write: Vec::new(),
            deny_read: Vec::new(),
            deny_write: Vec::new(),
            program: PathBuf::from(program),
            unconfined: false,
            network: false,
            limits: CommandLimits {
                cpu_seconds: 10,
                file_size: 1 << 20,
                data: 1 << 30,
                open_files: 64,
                processes: 1 << 16,
            },
            without_landlock: true,
        }
    }

    async fn start(
        confinement: &Confinement,
        args: &[&str],
        environment: &[(String, String)],
    ) -> Result<(Process, Pipes), Failure> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let launch = Launch {
            program: &confinement.program,
            args: &args,
            environment,
            directory: fs::File::open("/").unwrap().into(),
            stdin: Stdio::Piped,
            stdout: Stdio::Piped,
            stderr: Stdio::Null,
            confinement,
            crowd: &Arc::default(),
        };
        Process::start(launch).await
    }

    /// The output and the exit of a command that runs to its end.
    async fn run(confinement: &Confinement, args: &[&str]) -> (String, Exit) {
        let path = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
        let (process, mut pipes) = start(confinement, args, &[path]).await.unwrap();
        drop(pipes.stdin.take());
        let mut output = String::new();
        pipes.stdout.unwrap().read_to_string(&mut output).await.unwrap();
        (output, process.wait().await.unwrap())
    }

    fn shell() -> Confinement {
        confinement("/bin/sh")
    }

    async fn eventually(condition: impl Fn() -> bool) -> bool {
        for _ in 0..500 {
            if condition() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// No process, or one that its parent has yet to reap.
    fn is_dead(pid: &str) -> bool {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.is_empty() || status.contains("\nState:\tZ")
    }

    #[tokio::test]
    async fn a_command_reads_its_input_and_its_output_is_read() {
        let (process, mut pipes) =
            start(&shell(), &["-c", "read x; echo $x; exit 3"], &[]).await.unwrap();
        pipes.stdin.take().unwrap().write_all(b"hello\n").await.unwrap();
        let mut output = String::new();
        pipes.stdout.unwrap().read_to_string(&mut output).await.unwrap();
        assert_eq!(output, "hello\n");
        let (one, other) = tokio::join!(process.wait(), process.wait());
        assert_eq!(one, Ok(Exit { success: false, code: 3, signal: None }));
        assert_eq!(one, other);
    }

    #[tokio::test]
    async fn a_command_has_exactly_the_environment_that_it_was_given() {
        let variable = ("ONLY".to_owned(), "this one".to_owned());
        let (_process, pipes) =
            start(&confinement("/usr/bin/env"), &[], &[variable]).await.unwrap();
        let mut output = String::new();
        pipes.stdout.unwrap().read_to_string(&mut output).await.unwrap();
        assert_eq!(output, "ONLY=this one\n");
    }

    #[tokio::test]
    async fn a_command_has_stdin_stdout_and_stderr_only() {
        // The fourth is ls's own, of the directory.
        let (output, exit) = run(&confinement("/bin/ls"), &["/proc/self/fd"]).await;
        assert_eq!((output.as_str(), exit.code), ("0\n1\n2\n3\n", 0));
    }

    #[tokio::test]
    async fn a_command_reads_inside_of_its_grant_only() {
        if !landlock_is_available() {
            return;
        }
        let inside = Directory::new("inside");
        let outside = Directory::new("outside");
        let mut cat = confinement("/bin/cat");
        cat.read.push(inside.0.clone());
        let (output, _) = run(&cat, &[&inside.file("a", "in")]).await;
        assert_eq!(output, "in");
        let (output, exit) = run(&cat, &[&outside.file("a", "out")]).await;
        assert_eq!((output.as_str(), exit.success), ("", false));
    }

    #[tokio::test]
    async fn a_command_does_not_read_what_is_denied_inside_of_its_grant() {
        if !landlock_is_available() {
            return;
        }
        let directory = Directory::new("denied");
        let (open, closed) = (directory.file("a/open", "1"), directory.file("a/b/closed", "2"));
        let mut cat = confinement("/bin/cat");
        cat.read.push(directory.0.clone());
        cat.deny_read.push(directory.0.join("a/b"));
        let (output, _) = run(&cat, &[&open, &closed]).await;
        assert_eq!(output, "1");
    }

    /// The link stands for another spelling, on a file system that ignores case.
    #[tokio::test]
    async fn a_command_does_not_read_what_is_denied_by_another_name() {
        if !landlock_is_available() {
            return;
        }
        let directory = Directory::new("spelled");
        let (open, closed) = (directory.file("a/open", "1"), directory.file("a/b/closed", "2"));
        std::os::unix::fs::symlink("a", directory.0.join("A")).unwrap();
        let mut cat = confinement("/bin/cat");
        cat.read.push(directory.0.clone());
        cat.deny_read.push(directory.0.join("A/b"));
        let (output, _) = run(&cat, &[&open, &closed]).await;
        assert_eq!(output, "1");
    }

    #[tokio::test]
    async fn a_root_that_became_a_link_grants_nothing() {
        if !landlock_is_available() {
            return;
        }
        let directory = Directory::new("swapped");
        let secret = directory.file("secret/file", "secret");
        std::os::unix::fs::symlink(directory.0.join("secret"), directory.0.join("data")).unwrap();
        let mut cat = confinement("/bin/cat");
        cat.read.push(directory.0.join("data"));
        let (output, exit) = run(&cat, &[&secret]).await;
        assert_eq!((output.as_str(), exit.success), ("", false));
    }

    #[tokio::test]
    async fn a_command_writes_inside_of_its_grant_only() {
        if !landlock_is_available() {
            return;
        }
        let inside = Directory::new("written");
        let outside = Directory::new("unwritten");
        let mut shell = shell();
        shell.write.push(inside.0.clone());
        let write = |directory: &Directory| format!("echo x > {}/new", directory.0.display());
        assert!(run(&shell, &["-c", &write(&inside)]).await.1.success);
        assert!(!run(&shell, &["-c", &write(&outside)]).await.1.success);
        assert!(inside.0.join("new").exists() && !outside.0.join("new").exists());
    }

    #[tokio::test]
    async fn passwords_are_not_read_even_as_root() {
        if !landlock_is_available() {
            return;
        }
        let (output, exit) = run(&confinement("/bin/cat"), &["/etc/shadow"]).await;
        assert_eq!((output.as_str(), exit.success), ("", false));
    }

    #[tokio::test]
    async fn a_script_in_a_writable_root_is_not_executed() {
        if !landlock_is_available() {
            return;
        }
        let directory = Directory::new("script");
        let script = directory.file("run", "#!/bin/sh\necho ran\n");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let mut shell = shell();
        shell.read.push(directory.0.clone());
        shell.write.push(directory.0.clone());
        let (output, exit) = run(&shell, &["-c", &script]).await;
        assert_eq!((output.as_str(), exit.code), ("", 126));
        let failure = start(&Confinement { program: script.into(), ..shell }, &[], &[]).await;
        let failure = failure.map(drop).unwrap_err();
        assert_eq!((failure.class.as_str(), failure.code.as_deref()), DENIED);
    }

    const DENIED: (&str, Option<&str>) = ("PermissionDenied", Some("EACCES"));

    #[tokio::test]
    async fn a_command_goes_first_when_memory_is_short() {
        let of = |process: &str| -> i32 {
            let text = fs::read_to_string(format!("/proc/{process}/oom_score_adj")).unwrap();
            text.trim().parse().unwrap()
        };
        // However many files the server has open, of which it may have 64.
        let _open: Vec<_> = (0..100).map(|_| fs::File::open("/").unwrap()).collect();
        // It waits for its input.
        let (process, pipes) = start(&confinement("/bin/cat"), &[], &[]).await.unwrap();
        let (own, command) = (of("self"), of(&process.id().to_string()));
        drop(pipes);
        assert!(command > own || own >= 500, "{command}, {own} of the server");
    }

    #[tokio::test]
    async fn a_command_changes_no_mode() {
        let directory = Directory::new("mode");
        let file = directory.file("a", "");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut chmod = confinement("/bin/chmod");
        chmod.write.push(directory.0.clone());
        assert!(run(&chmod, &["777", &file]).await.1.success);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_daemon_ends_with_the_process_that_left_it() {
        let path = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
        let script = "setsid sleep 100 >/dev/null 2>&1 & echo $!";
        let (process, pipes) = start(&shell(), &["-c", script], &[path]).await.unwrap();
        let mut daemon = String::new();
        pipes.stdout.unwrap().read_to_string(&mut daemon).await.unwrap();
        assert!(process.wait().await.unwrap().success);
        assert!(!is_dead(daemon.trim()), "a daemon lives as long as the run");
        drop(process);
        assert!(eventually(|| is_dead(daemon.trim())).await);
    }

    #[tokio::test]
    async fn a_process_that_is_dropped_is_killed_and_reaped() {
        let (process, _pipes) = start(&confinement("/bin/sleep"), &["100"], &[]).await.unwrap();
        let status = format!("/proc/{}", process.id());
        assert!(Path::new(&status).exists());
        drop(process);
        assert!(eventually(|| !Path::new(&status).exists()).await);
    }

    #[tokio::test]
    async fn a_signal_ends_a_process_once() {
        let (process, _pipes) = start(&confinement("/bin/sleep"), &["100"], &[]).await.unwrap();
        assert_eq!(process.kill("SIGNOT").unwrap_err().class, "TypeError");
        process.kill("SIGTERM").unwrap();
        let exit = process.wait().await.unwrap();
        assert_eq!(exit, Exit { success: false, code: 143, signal: Some("SIGTERM".into()) });
        let failure = process.kill("SIGTERM").unwrap_err();
        assert_eq!(failure.message, "Child process has already terminated");
    }

    #[tokio::test]
    async fn a_program_that_does_not_exist_is_not_found() {
        let failure = start(&confinement("/no/such/program"), &[], &[]).await.map(drop);
        let failure = failure.unwrap_err();
        assert_eq!((failure.class.as_str(), failure.code.as_deref()), ("NotFound", Some("ENOENT")));
        assert!(failure.message.starts_with("Failed to spawn '/no/such/program': "));
    }

    #[tokio::test]
    async fn a_nul_byte_is_wrong_use() {
        let failure = start(&shell(), &["a\0b"], &[]).await.map(drop).unwrap_err();
        assert_eq!(failure.class, "TypeError");
    }

    #[tokio::test]
    async fn too_many_arguments_are_refused() {
        let failure = start(&shell(), &["x"; MAX_ARGUMENTS + 1], &[]).await.map(drop);
        assert_eq!(failure.unwrap_err().code.as_deref(), Some("E2BIG"));
    }
}
