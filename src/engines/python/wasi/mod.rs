//! The system interface of the interpreter: the 42 functions of `wasi_snapshot_preview1`
//! that it imports, over its memory. Nothing here knows V8, and nothing here decides: files
//! are the broker's.
//!
//! Every argument is attacker-chosen.

mod ahead;
mod clock;
mod descriptors;
mod errno;
mod files;
mod import;
mod locks;
mod memory;
mod path;
mod paths;
mod position;
mod process;
mod readdir;
mod stat;
mod status;
#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::time::Instant;

pub(super) use import::{Arguments, Import};

use self::ahead::Ahead;
use self::descriptors::Descriptors;
use self::errno::{Done, Errno, Fault};
use self::locks::Locks;
use self::memory::Memory;
use self::stat::Filestat;
use super::image::Image;
use super::world::{End, World};

/// The interpreter's own arguments.
const ARGUMENTS: &[&str] = &["python"];

/// What one interpreter has of the system.
pub(super) struct Wasi {
    image: Rc<Image>,
    environment: Vec<String>,
    descriptors: Descriptors,
    /// The directory of the run. Empty before there is one.
    workspace: String,
    /// Nothing has asked for that directory yet. The first that does is `chdir` at the run's
    /// beginning, which is not worth a round trip: what is refused there is refused, by its
    /// whole name, when a program uses it.
    to_be_entered: bool,
    /// Monotonic time is since then: a program is not told since when the machine runs.
    since: Instant,
    /// Of a file that the call before this one has opened: `open` of Python asks at once,
    /// and the broker has said it.
    just_opened: Option<(u32, Filestat)>,
    ahead: Ahead,
    locks: Locks,
}

impl Wasi {
    /// With variables of the interpreter's own environment, which no program sees as it is.
    pub(super) fn new(image: Rc<Image>, environment: &[(&str, &str)]) -> Self {
        Self {
            image,
            environment: environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            descriptors: Descriptors::default(),
            workspace: String::new(),
            to_be_entered: false,
            since: Instant::now(),
            just_opened: None,
            ahead: Ahead::default(),
            locks: Locks::default(),
        }
    }

    /// Begins monotonic time anew: what the zygote has taken is none of a run.
    pub(in crate::engines::python) fn begin_time(&mut self) {
        self.since = Instant::now();
    }

    /// Names the directory of the run: what is above it exists, and the broker need not be
    /// asked for that.
    pub(super) fn set_workspace(&mut self, workspace: &str) {
        workspace.trim_end_matches('/').clone_into(&mut self.workspace);
        self.to_be_entered = true;
    }

    /// Forgets what it knows of the world: something else has acted on it.
    pub(super) fn forget(&mut self) {
        self.just_opened = None;
        self.ahead.clear();
    }

    /// One call, and the error number for the guest: 0 is success.
    ///
    /// # Errors
    /// The guest does not run on.
    pub(super) fn call(
        &mut self,
        memory: &mut [u8],
        import: Import,
        arguments: &Arguments,
        world: &dyn World,
    ) -> Result<u32, End> {
        let just_opened = self.just_opened.take();
        self.forget_before(import);
        let memory = Memory::new(memory);
        let mut call = Call { wasi: self, memory, arguments, world, just_opened };
        match call.perform(import) {
            Ok(()) => Ok(0),
            Err(Fault::Errno(errno)) => Ok(errno as u32),
            Err(Fault::End(end)) => Err(end),
        }
    }
}

/// One call.
struct Call<'a> {
    wasi: &'a mut Wasi,
    memory: Memory<'a>,
    arguments: &'a Arguments,
    world: &'a dyn World,
    just_opened: Option<(u32, Filestat)>,
}

impl Call<'_> {
    /// An argument of 32 bits.
    #[allow(clippy::cast_possible_truncation)]
    fn word(&self, index: usize) -> u32 {
        self.arguments[index] as u32
    }

    /// An argument of 32 bits of which the lower 16 count.
    #[allow(clippy::cast_possible_truncation)]
    fn half(&self, index: usize) -> u16 {
        self.arguments[index] as u16
    }

    /// An argument of 64 bits.
    fn long(&self, index: usize) -> u64 {
        self.arguments[index]
    }

    fn perform(&mut self, import: Import) -> Done {
        match import {
            Import::ArgsGet => self.args_get(),
            Import::ArgsSizesGet => self.args_sizes_get(),
            Import::EnvironGet => self.environ_get(),
            Import::EnvironSizesGet => self.environ_sizes_get(),
            Import::ClockResGet => self.clock_res_get(),
            Import::ClockTimeGet => self.clock_time_get(),
            Import::FdAdvise => self.fd_advise(),
            Import::FdClose => self.fd_close(),
            Import::FdDatasync => self.sync(true),
            Import::FdFdstatGet => self.fd_fdstat_get(),
            Import::FdFdstatSetFlags => self.fd_fdstat_set_flags(),
            Import::FdFilestatGet => self.fd_filestat_get(),
            Import::FdFilestatSetSize => self.fd_filestat_set_size(),
            Import::FdFilestatSetTimes => self.fd_filestat_set_times(),
            Import::FdPread => self.fd_pread(),
            Import::FdPrestatGet => self.fd_prestat_get(),
            Import::FdPrestatDirName => self.fd_prestat_dir_name(),
            Import::FdPwrite => self.fd_pwrite(),
            Import::FdRead => self.fd_read(),
            Import::FdReaddir => self.fd_readdir(),
            Import::FdSeek => self.fd_seek(),
            Import::FdSync => self.sync(false),
            Import::FdTell => self.fd_tell(),
            Import::FdWrite => self.fd_write(),
            Import::PathCreateDirectory => self.path_create_directory(),
            Import::PathFilestatGet => self.path_filestat_get(),
            Import::PathFilestatSetTimes => self.path_filestat_set_times(),
            Import::PathLink => self.path_link(),
            Import::PathOpen => self.path_open(),
            Import::PathReadlink => self.path_readlink(),
            Import::PathRemoveDirectory => self.path_remove_directory(),
            Import::PathRename => self.path_rename(),
            Import::PathSymlink => self.path_symlink(),
            Import::PathUnlinkFile => self.path_unlink_file(),
            Import::PollOneoff => self.poll_oneoff(),
            Import::ProcExit => Err(Fault::End(End::Exit(self.word(0)))),
            Import::SchedYield => Ok(()),
            Import::RandomGet => self.random_get(),
            Import::SockAccept | Import::SockRecv | Import::SockSend | Import::SockShutdown => {
                self.socket()
            }
        }
    }

    /// There are no sockets.
    fn socket(&mut self) -> Done {
        let number = self.word(0);
        self.wasi.descriptors.get(number)?;
        Err(Errno::Notsock.into())
    }
}
