//! Workers for the taking: the zygote's process, standby workers, kill and
//! reap. Frames are passed on and never interpreted, but for the first one,
//! which says that a worker is sealed.

mod process;
mod standby;
mod threads;
mod worker;
mod zygote;

pub(crate) use standby::{Pool, PoolConfig, PoolError};
pub(crate) use worker::{ReceiveError, Usage, Worker};
