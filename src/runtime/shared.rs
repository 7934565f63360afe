//! State that all principals of a server share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use mcp_conductor_store::Store;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::DropGuard;

use super::python::{self, Included};
use super::queue::Queue;
use super::unreported::Unreported;
use crate::audit::Audit;
use crate::broker::Owner;
use crate::embedding::Search;
use crate::memory::Account;
use crate::packages::Installed;
use crate::policy::OwnAddress;
use crate::pool::Pool;
use crate::shared_limits::SharedLimits;
use crate::telemetry::Metrics;
use crate::threads::Threads;
use crate::upstream::Eras;

/// What is written of all runs, and where the server is.
#[derive(Clone)]
pub(super) struct Common {
    pub audit: Audit,
    pub metrics: Arc<Metrics>,
    pub own_address: OwnAddress,
    /// The server's memory account.
    pub memory: Account,
    /// The threads that programs of everybody may block.
    pub threads: Threads,
    /// The anonymous owner.
    pub owner: Owner,
    /// The MCP era in which each upstream server has answered.
    pub eras: Eras,
    /// The packages that are installed.
    pub installed: Installed,
    /// What the server remembers. It is opened by its first call.
    pub store: Arc<dyn Store>,
    /// Where that is on this machine, which no program may reach.
    pub store_directory: Option<PathBuf>,
    /// What holds limits of principals over all replicas. None where none share the store.
    pub limits: Option<SharedLimits>,
    /// What ranks tools.
    pub search: Search,
}

pub(super) struct Shared {
    pub pool: Pool,
    pub queue: Queue,
    pub common: Common,
    /// The packages that Python has with it.
    pub included: Mutex<Included>,
    /// The packages that workers of Python have.
    pub pypi: Mutex<python::Packages>,
    pub unreported: Arc<Unreported>,
    /// Places for programs that wait until packages are loaded.
    pub loading: Semaphore,
    /// The same for Python, so that those who wait for the one keep nobody from the other.
    pub loading_python: Semaphore,
    /// Ends an installation of packages with the server.
    pub installing: OnceLock<DropGuard>,
    executions: AtomicU64,
    /// The last program that needed packages ran without.
    lacks_packages: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        pool: Pool,
        queue: Queue,
        common: Common,
        included: Included,
        pypi: python::Packages,
    ) -> Self {
        let (included, pypi) = (Mutex::new(included), Mutex::new(pypi));
        let unreported = Arc::default();
        let installing = OnceLock::new();
        let loading = Semaphore::new(queue.places());
        let loading_python = Semaphore::new(queue.places());
        let executions = AtomicU64::new(1);
        let lacks_packages = AtomicBool::new(false);
        Self {
            pool,
            queue,
            common,
            included,
            pypi,
            unreported,
            loading,
            loading_python,
            installing,
            executions,
            lacks_packages,
        }
    }

    /// The number of a run, for the logs.
    pub(super) fn next_execution(&self) -> u64 {
        self.executions.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes down whether a program that needs packages has them. Whether that is news.
    pub(super) fn lacks_packages(&self, lacks: bool) -> bool {
        self.lacks_packages.swap(lacks, Ordering::Relaxed) != lacks
    }
}
