//! What confines a program: a plan (pure), its application in the zygote and in
//! each worker, and a status that says what is enforced.
//!
//! Layers that every worker inherits are applied once, in the zygote; those
//! that are a worker's own, after the fork. The server believes neither: before
//! a worker gets a program it reads from `/proc` what the kernel enforces.

mod bundler;
mod capabilities;
mod command;
mod command_ioctl;
pub(crate) mod command_sys;
mod listener;
mod memory;
mod plan;
mod rlimit;
mod seccomp;
mod status;
pub(crate) mod sys;
mod verify;
mod warden;
mod worker;
mod zygote;

pub(crate) use bundler::{BUNDLER_ARGUMENT, BundlerPlan, run_bundler};
pub use capabilities::{Capabilities, drop_unneeded_capabilities};
pub(crate) use command::{CommandLimits, Confinement, Prepared, landlock_is_available};
pub(crate) use listener::{ThreadRequest, allow_thread, next_request};
pub(crate) use memory::{status_bytes, used_memory};
pub(crate) use plan::{CRYPTO_STACK_BYTES, CRYPTO_THREADS, Layer, STACK_BYTES, SandboxPlan};
pub(crate) use seccomp::Filters;
pub use status::{LayerStatus, SandboxStatus};
pub(crate) use verify::{verify_threads, verify_worker};
pub(crate) use warden::{WARDEN_ARGUMENT, Warden, run_warden};
pub(crate) use worker::seal_worker;
pub(crate) use zygote::{Namespaces, confine_zygote, unshare_namespaces};

/// Confines and seals the calling process as a worker, for tests that make
/// forbidden system calls. There is no way back.
///
/// # Errors
/// The layer that could not be applied.
#[doc(hidden)]
pub fn seal_this_process(without: &[&str]) -> Result<SandboxStatus, Box<dyn std::error::Error>> {
    // A process in a new PID namespace cannot make threads, only children.
    let without = ["namespaces"].iter().chain(without).map(|&layer| layer.to_owned()).collect();
    // Room for what a test harness has mapped already.
    let plan = SandboxPlan::new(4 << 30, 10, without);
    let mut filters = Filters::compile()?;
    let (_other, socket) = std::os::unix::net::UnixStream::pair()?;
    let namespaces = unshare_namespaces(&plan);
    let status = confine_zygote(&plan, &namespaces, &mut filters)?;
    // Sealing closes it, and then nobody allows threads.
    std::mem::forget(filters.take_listener());
    seal_worker(&plan, &filters, nix::unistd::getppid(), socket.into(), || Ok(()))?;
    std::mem::forget(_other);
    Ok(status)
}
