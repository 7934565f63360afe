//! A command that was started, with what becomes of its output.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::process::Process;
use crate::broker::streams::too_much;
use crate::protocol::{Exit, Failure};

/// How long the rest of a command's output is waited for when it has ended: what
/// it left behind may hold the pipe open. Twice: a server that had no time itself for
/// so long finds the output in the pipe and the time over at the same moment.
const REST_OF_OUTPUT: Duration = Duration::from_millis(250);

/// A command that was started, with the tasks that pass its output on.
pub(in crate::broker) struct Running {
    pub process: Process,
    pub forwards: tokio::sync::Mutex<Vec<JoinHandle<()>>>,
    /// It printed more than a program may take from it.
    pub flooded: Arc<AtomicBool>,
    pub limit: u64,
}

impl Running {
    /// Waits for the end, and for output that is on its way.
    pub(in crate::broker) async fn wait(&self) -> Result<Exit, Failure> {
        let exit = self.process.wait().await;
        for mut forward in self.forwards.lock().await.drain(..) {
            if timeout(REST_OF_OUTPUT, &mut forward).await.is_err() {
                let _ = timeout(REST_OF_OUTPUT, forward).await;
            }
        }
        if self.flooded.load(Ordering::Acquire) { Err(too_much(self.limit)) } else { exit }
    }
}
