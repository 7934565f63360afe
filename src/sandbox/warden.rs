//! The warden: a process that outlives the server for as long as it takes to kill what
//! commands have left behind, however the server ended.
//!
//! A parent-death signal ends a command with the server, but is not inherited by what
//! the command has started. So the warden is told of every command's process group, by
//! the command itself before its exec, through a pipe that only the server and children
//! on their way to exec hold open. When the pipe ends, the server is gone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, pipe2};

use super::{command_sys, sys};

/// The first argument of the warden's command line.
pub(crate) const WARDEN_ARGUMENT: &str = "mcp-conductor-warden";

/// One message, which a pipe takes whole or not at all: the pid of a group's leader,
/// with a minus when the group is gone; or one of the two below, which are no pids of
/// commands.
type Message = [u8; 4];

/// A command is about to start.
const STARTS: i32 = 1;

/// What was about to start did not: nobody knows the pid that it may have said.
const DID_NOT: i32 = -1;

/// The server's side.
#[derive(Debug)]
pub(crate) struct Warden {
    process: Child,
    /// Does not block: a warden that is stopped is not waited for.
    pipe: OwnedFd,
}

impl Warden {
    /// Starts this program, or another that has [`crate::zygote_hook`], as a warden.
    pub(crate) fn start(executable: &Path) -> io::Result<Self> {
        let (theirs, pipe) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let process = Command::new(executable)
            .arg(WARDEN_ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { process, pipe })
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// A group that lives, in the words of the server.
    pub(crate) fn watch(&self, leader: Pid) {
        self.say(leader.as_raw());
    }

    /// A group of which no process is left.
    pub(crate) fn forget(&self, leader: Pid) {
        self.say(-leader.as_raw());
    }

    /// What was to start last did not.
    pub(crate) fn forget_what_did_not_start(&self) {
        self.say(DID_NOT);
    }

    fn say(&self, message: i32) {
        let _ = nix::unistd::write(&self.pipe, &message.to_ne_bytes());
    }

    /// Lets what `command` will start say that it is a group's leader, after all other
    /// preparations and before its exec. One at a time.
    pub(crate) fn watch_what_starts(&self, command: &mut Command) -> io::Result<()> {
        let pipe = self.pipe.try_clone()?;
        self.say(STARTS);
        command_sys::before_exec(command, move || {
            let own = nix::unistd::getpid().as_raw();
            // Without a warden it runs as well.
            let _ = sys::with_broken_pipes(|| nix::unistd::write(&pipe, &own.to_ne_bytes()));
            Ok(())
        });
        Ok(())
    }
}

/// Lives as long as the server, and kills what is left. In its own process, which has
/// one thread and has been nothing else before.
pub(crate) fn run_warden() -> i32 {
    // The signals that end a server are sent to its process group, or to all of a
    // control group.
    sys::default_signals();
    sys::ignore_stop_signals();
    let _ = nix::unistd::setsid();
    let first = io::stderr().as_fd().as_raw_fd() + 1;
    // What is killed are processes of the same user.
    if sys::close_from(first).is_err() || sys::drop_capabilities().is_err() {
        return 1;
    }
    // SAFETY: the process was started with the pipe there, and nothing else reads it.
    let mut pipe = File::from(unsafe { sys::inherited(libc::STDIN_FILENO) });
    let mut groups = Groups::default();
    let mut message = Message::default();
    while pipe.read_exact(&mut message).is_ok() {
        groups.note(i32::from_ne_bytes(message));
    }
    groups.kill();
    0
}

/// Leaders of groups.
#[derive(Default)]
struct Groups {
    /// Each with a descriptor that means the group for good: its number may be another's
    /// as soon as nobody of the group is left. Without one the leader had ended before
    /// this process got to it.
    all: BTreeMap<i32, Option<OwnedFd>>,
    /// What was added since something was about to start.
    starts: Option<i32>,
}

impl Groups {
    fn note(&mut self, message: i32) {
        match message {
            STARTS => self.starts = None,
            DID_NOT => drop(self.starts.take().and_then(|leader| self.all.remove(&leader))),
            // kill(2) takes the first for the own group.
            0 | i32::MIN => {}
            group if group < 0 => drop(self.all.remove(&-group)),
            leader => {
                self.starts = Some(leader);
                self.all.insert(leader, sys::pidfd_open(Pid::from_raw(leader)).ok());
            }
        }
    }

    fn kill(self) {
        for (leader, pidfd) in self.all {
            let killed = pidfd.map(|pidfd| sys::pidfd_kill_group(pidfd.as_fd()));
            let unknown = |error: &io::Error| matches!(error.raw_os_error(), Some(libc::EINVAL));
            // Before Linux 6.9 there is the number only.
            if killed.is_none_or(|killed| killed.is_err_and(|error| unknown(&error))) {
                let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};

    use super::*;

    #[test]
    fn a_command_starts_with_default_signals_also_when_the_warden_has_died() {
        let (theirs, pipe) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let mut process = Command::new("true").spawn().unwrap();
        process.wait().unwrap();
        let warden = Warden { process, pipe };
        drop(theirs);
        let mut command = Command::new("sh");
        command.args(["-c", "echo runs; kill -PIPE $$; echo goes on"]);
        warden.watch_what_starts(&mut command).unwrap();
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "runs\n");
        assert_eq!(output.status.signal(), Some(libc::SIGPIPE));
    }

    #[test]
    fn a_group_is_killed_that_was_noted_and_not_forgotten() {
        let sleep = || Command::new("sleep").arg("100").process_group(0).spawn().unwrap();
        let (mut noted, mut forgotten) = (sleep(), sleep());
        let mut groups = Groups::default();
        for child in [&noted, &forgotten] {
            groups.note(STARTS);
            groups.note(child.id().cast_signed());
        }
        groups.note(-forgotten.id().cast_signed());
        groups.kill();
        assert!(!noted.wait().unwrap().success());
        assert!(matches!(forgotten.try_wait(), Ok(None)));
        forgotten.kill().unwrap();
        forgotten.wait().unwrap();
    }

    #[test]
    fn what_did_not_start_is_forgotten_and_what_had_is_not() {
        let mut child = Command::new("sleep").arg("100").process_group(0).spawn().unwrap();
        let mut groups = Groups::default();
        for message in [STARTS, child.id().cast_signed(), STARTS, DID_NOT] {
            groups.note(message);
        }
        assert_eq!(groups.all.len(), 1);
        groups.note(DID_NOT);
        assert_eq!(groups.all.len(), 1, "it was another one");
        for message in [STARTS, child.id().cast_signed(), DID_NOT] {
            groups.note(message);
        }
        assert!(groups.all.is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn numbers_that_mean_others_are_not_noted() {
        let mut groups = Groups::default();
        for message in [0, STARTS, DID_NOT, i32::MIN] {
            groups.note(message);
        }
        assert!(groups.all.is_empty());
    }
}
