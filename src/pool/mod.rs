//! Workers for the taking: the zygote's process, standby workers, kill and
//! reap. Frames are passed on and never interpreted, but for the first one,
//! which says that a worker is sealed.

mod pool;
mod process;
mod threads;
mod worker;
mod zygote;

pub(crate) use pool::{Pool, PoolConfig, PoolError};
pub(crate) use worker::{ReceiveError, Usage, Worker};
