//! Ready workers, one lane for each kind of engine: the zygote's process, standby
//! workers, kill and reap. Frames are passed on and never interpreted, except the first one, which
//! says that a worker is sealed.

mod error;
mod lane;
#[expect(clippy::module_inception, reason = "the pool itself; beside it are its parts")]
mod pool;
mod process;
mod threads;
mod worker;
mod zygote;

pub(crate) use error::PoolError;
pub(crate) use lane::{Availability, LaneConfig, Load};
pub(crate) use pool::Pool;
pub(crate) use worker::{ReceiveError, Usage, Worker};
