//! What confines a program: a plan (pure), its application in the zygote and in
//! each worker, and a status that says what is enforced.
//!
//! Layers that every worker inherits are applied once, in the zygote; those
//! that are a worker's own, after the fork. The server believes neither: before
//! a worker gets a program it reads from `/proc` what the kernel enforces.

mod plan;
mod seccomp;
mod status;
pub(crate) mod sys;
mod verify;
mod worker;
mod zygote;

pub(crate) use plan::{STACK_BYTES, SandboxPlan};
pub(crate) use seccomp::Filters;
pub use status::{LayerStatus, SandboxStatus};
pub(crate) use verify::verify_worker;
pub(crate) use worker::seal_worker;
pub(crate) use zygote::{Namespaces, confine_zygote, unshare_namespaces};
