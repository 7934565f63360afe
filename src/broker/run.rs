//! The state of one run. What its operations do with it is in [`super::effects`].

use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::environment::Environment;
use super::event::{Event, Outbox, Responder};
use super::handles::Handles;
use super::io::{Crowd, Fetcher};
use super::meter::Meter;
use super::quota::Quota;
use super::refusals::Refusals;
use super::services::Services;
use super::tool_calls::{ToolScope, Tools};
use crate::memory::Account;
use crate::packages::Snapshot;
use crate::telemetry::OperationSpan;

/// Bytes of one run's requests that may be queued in the server; a worker that sends more is not
/// read until some are done. One whole-file write in pieces has less.
pub(crate) const MAX_WAITING_BYTES: usize = 8 << 20;

/// Bytes that the server keeps for one run at most: requests, answers, output and its
/// value, with the windows of what is decompressed. Eight large answers at the same
/// time (8 MiB is the default limit of a tool's result); a quarter of what a principal
/// has, so that one run leaves room for others.
const RUN_BYTES: usize = 64 << 20;

/// Concurrent file operations of one run, including their answers until they are taken: enough to
/// keep a disk busy.
const FILE_OPERATIONS: usize = 16;

/// Commands of one run that are being started, or run to their end for
/// `outputSync`, at the same time.
const COMMANDS: usize = 4;

/// Pieces of whole files on their way to one worker, [`super::streams::MAX_READ`] bytes each.
const PIECES: usize = 8;

/// The account of one run, below its principal's.
/// `largest` is what the largest output, value and result of a tool take as texts, of
/// which there are up to four at the same time.
pub(crate) fn run_account(principal: &Account, largest: usize) -> Account {
    principal.share(RUN_BYTES.max(largest.saturating_mul(4)))
}

pub(super) struct Run {
    services: Arc<Services>,
    outbox: Outbox,
    /// What the server does for the run.
    pub(super) meter: Meter,
    cwd: Mutex<PathBuf>,
    pub(super) quota: Arc<Quota>,
    pub(super) handles: Handles,
    pub(super) environment: Environment,
    pub(super) fetcher: Fetcher,
    pub(super) file_operations: Arc<Semaphore>,
    pub(super) commands: Arc<Semaphore>,
    pub(super) crowd: Arc<Crowd>,
    pieces: Arc<Semaphore>,
    pub(super) tools: Tools,
    /// The packages that the worker has, if it has any.
    pub(super) packages: OnceLock<Arc<Snapshot>>,
}

impl Run {
    pub(super) fn new(
        services: Arc<Services>,
        account: Account,
        execution: u64,
        scope: ToolScope,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        let quota = Arc::new(Quota::new(services.file_limits));
        Self {
            cwd: Mutex::new(services.workspace.clone()),
            handles: Handles::new(quota.clone()),
            environment: Environment::default(),
            fetcher: Fetcher::new(
                services.policy.clone(),
                services.credentials.clone(),
                services.fetch_limits,
                services.threads.clone(),
                account.clone(),
            ),
            outbox: Outbox {
                events,
                queued: Arc::default(),
                refusals: Arc::new(Refusals::new(
                    services.audit.clone(),
                    services.metrics.clone(),
                    services.memory.clone(),
                    execution,
                )),
                account,
            },
            tools: Tools::new(scope, services.max_tool_calls),
            crowd: Crowd::of(&services.owner),
            services,
            packages: OnceLock::new(),
            meter: Meter::default(),
            quota,
            file_operations: Arc::new(Semaphore::new(FILE_OPERATIONS)),
            commands: Arc::new(Semaphore::new(COMMANDS)),
            pieces: Arc::new(Semaphore::new(PIECES)),
        }
    }

    pub(super) fn services(&self) -> &Services {
        &self.services
    }

    /// The run's account of the server's memory.
    pub(super) fn account(&self) -> &Account {
        &self.outbox.account
    }

    pub(super) fn refusals(&self) -> &Refusals {
        &self.outbox.refusals
    }

    pub(super) fn events(&self) -> mpsc::UnboundedSender<Event> {
        self.outbox.events.clone()
    }

    /// Bytes of answers that the session has yet to take.
    pub(super) fn queued(&self) -> &AtomicUsize {
        &self.outbox.queued
    }

    /// The duty to answer a request.
    pub(super) fn responder(
        &self,
        id: u32,
        operation: &'static str,
        span: OperationSpan,
    ) -> Responder {
        Responder::new(id, operation, self.outbox.clone(), span)
    }

    /// Room for one more piece of data to the session.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.pieces.clone().acquire_owned().await.ok()
    }

    /// Whether more data could be on its way to the session.
    #[cfg(test)]
    pub(super) fn room_is_left(&self) -> bool {
        self.pieces.available_permits() > 0
    }

    /// The room itself, for tasks that are not to keep the run.
    pub(super) fn pieces(&self) -> Arc<Semaphore> {
        self.pieces.clone()
    }

    /// Where relative paths start.
    pub(super) fn cwd(&self) -> PathBuf {
        self.cwd.lock().clone()
    }

    pub(super) fn set_cwd(&self, directory: PathBuf) {
        *self.cwd.lock() = directory;
    }

    /// The run has ended: waiting work is dropped, started work is stopped.
    pub(super) fn end(&self) {
        self.quota.end();
        self.file_operations.close();
        self.pieces.close();
        self.commands.close();
        self.tools.end();
        self.handles.close_all();
    }
}
