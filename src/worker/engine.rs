//! What the shell asks of an engine. It knows no more of one: neither the language nor
//! what runs it.

use std::error::Error;
use std::io;
use std::panic::Location;
use std::rc::Rc;

use tokio::runtime::Runtime;

use super::connection::{Connection, Lost};
use crate::protocol::{Outcome, Program, ZygoteSetup};

/// Why an engine cannot be loaded.
pub(crate) type LoadError = Box<dyn Error>;

/// What runs programs of one kind.
///
/// One is made in the zygote, and loaded and warmed there; no program ever runs in that.
/// Each worker has its own copy of it by the fork, and uses it for one program:
///
/// ```text
/// zygote  load → warm → confined
/// worker  fork → enter_worker → sealed → touch (standby only) → run → exit
/// ```
///
/// It is never dropped: a process that is about to exit need not take it apart.
pub(crate) trait Engine {
    /// Loads it into the zygote, which is not confined yet and may read files. There is
    /// one thread, and must be no other: it would not survive a fork. Nor may a descriptor
    /// stay open: workers would share it.
    ///
    /// # Errors
    /// What the zygote says to the server instead of a hello.
    fn load(&mut self, setup: &ZygoteSetup) -> Result<(), LoadError>;

    /// Runs a program of its own, so that what is set up on first use is there before the
    /// fork. It must not touch a source of randomness, nor leave anything that a program
    /// could see. Not called where each worker makes all of its own.
    ///
    /// # Errors
    /// As of [`Self::load`].
    fn warm(&mut self) -> Result<(), LoadError>;

    /// What a worker is to have beyond what all workers have. Asked once it is loaded.
    fn profile(&self) -> Profile;

    /// What it could not load and does without, one sentence each. Asked once it is loaded.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a panic at a place is what a program alone can bring about. Asked before it
    /// is loaded.
    fn is_panic_of_program(&self) -> fn(&Location<'_>) -> bool;

    /// Makes a worker's own what it would share with others, every random source before
    /// all, and installs the handler of
    /// [`STOP_SIGNAL`](crate::protocol::control::STOP_SIGNAL). Descriptors of the zygote are closed
    /// and system calls not filtered yet.
    ///
    /// # Errors
    /// The worker ends unsealed.
    fn enter_worker(&mut self, event_loop: &Runtime) -> io::Result<()>;

    /// Does in a worker that stands by what every run does first, so that the pages which
    /// that writes are its own before a program arrives.
    fn touch(&mut self);

    /// Runs the program to its outcome.
    ///
    /// # Errors
    /// The server is gone.
    fn run(&mut self, program: Program, shell: &Shell) -> Result<Outcome, Lost>;
}

/// What the workers of an engine have beyond others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Bytes of private writable memory that it reserves after the fork and a program does
    /// not use: added to the limit of RLIMIT_DATA.
    pub reserved_bytes: u64,
    /// Threads beside the main one. The server allows
    /// [`CRYPTO_THREADS`](crate::sandbox::CRYPTO_THREADS) at most, and ends a worker that
    /// asks for more.
    pub threads: usize,
}

/// What a sealed worker has beside its engine.
pub(crate) struct Shell {
    pub event_loop: Runtime,
    pub connection: Rc<Connection>,
    /// Processors of this machine, as programs are told.
    pub cpus: u32,
}
