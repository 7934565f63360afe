//! The life of a worker: seal, receive, run, answer, exit.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use nix::unistd::Pid;
use tokio::runtime::Runtime;

use super::alloc::{self, EXIT_LOST, EXIT_UNSEALED};
use super::connection::Connection;
use super::engine::{Engine, Profile, Shell};
use crate::protocol::WorkerMessage;
use crate::protocol::control::CONTROL_FD;
use crate::sandbox::{CRYPTO_STACK_BYTES, Filters, SandboxPlan, seal_worker, sys};

/// What a worker inherits from its zygote and uses.
pub(super) struct Inherited<'a> {
    pub engine: &'a mut dyn Engine,
    pub profile: Profile,
    pub plan: &'a SandboxPlan,
    pub filters: &'a Filters,
    pub cpus: u32,
}

/// Turns this process, which was just forked, into a worker of `zygote`.
pub(super) fn run_worker(from: Inherited<'_>, zygote: Pid, socket: OwnedFd, standby: bool) -> ! {
    alloc::enter_worker();
    let Inherited { engine, profile, plan, filters, cpus } = from;
    let sealed = seal_worker(plan, filters, zygote, socket, || {
        let event_loop = event_loop(profile)?;
        if filters.threads_are_made_before() {
            make_threads(&event_loop, profile);
        }
        engine.enter_worker(&event_loop)?;
        Ok(event_loop)
    });
    let Ok(event_loop) = sealed else { sys::exit_now(EXIT_UNSEALED) };

    // SAFETY: seal_worker put the socket there and closed everything above.
    let socket = unsafe { sys::inherited(CONTROL_FD) };
    let connection = {
        let _guard = event_loop.enter();
        Connection::new(socket).map(Rc::new)
    };
    let Ok(connection) = connection else { sys::exit_now(EXIT_LOST) };
    let lost = |_| sys::exit_now(EXIT_LOST);
    if standby {
        // Nobody waits for this worker yet.
        engine.touch();
    }
    connection.send(&WorkerMessage::Ready).unwrap_or_else(lost);
    let program = match connection.receive_program() {
        Ok(program) => program,
        Err(_) => sys::exit_now(EXIT_LOST),
    };
    let shell = Shell { event_loop, connection, cpus };
    match engine.run(*program, &shell) {
        Ok(outcome) => {
            shell.connection.send(&WorkerMessage::Outcome(Box::new(outcome))).unwrap_or_else(lost);
            sys::exit_now(0)
        }
        Err(_) => sys::exit_now(EXIT_LOST),
    }
}

/// A worker's event loop. Its threads are kept for its whole life: only so many can be
/// made.
fn event_loop(profile: Profile) -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // tokio wants a number; an engine without threads asks for none.
        .max_blocking_threads(profile.threads.max(1))
        .thread_stack_size(CRYPTO_STACK_BYTES)
        .thread_keep_alive(Duration::MAX)
        .build()
}

/// Makes all threads that a worker will have, where none can be made after the seal.
fn make_threads(event_loop: &Runtime, profile: Profile) {
    // One that has nothing to do would be given what the next is made for: they are held
    // until all are there.
    let all_there = Arc::new(RwLock::new(()));
    let held = all_there.write();
    for _ in 0..profile.threads {
        let all_there = all_there.clone();
        event_loop.spawn_blocking(move || drop(all_there.read()));
    }
    drop(held);
}
