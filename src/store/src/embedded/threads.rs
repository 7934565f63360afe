//! Two threads, of changes and of reads. Each takes what waits for it together: all changes that
//! came while the last ones were written are made durable at once.

use std::io;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::table::Changed;
use super::{failed, file};
use crate::{CALL_TIMEOUT, StoreError};

/// Calls that wait for one of the threads; others wait for room, within their time. With their
/// values at most 64 MiB.
const WAITING: usize = 64;

/// Makes a change, or is told why it cannot be made; returns what tells its caller once it is
/// durable or has failed.
type Change = Box<dyn FnOnce(Result<&mut Changed<'_>, StoreError>) -> Made + Send>;

/// What became of a change.
struct Made {
    /// The file failed, and no change beside it can be kept.
    broke: Option<StoreError>,
    tell: Tell,
}

/// Called with why the changes were not kept, if they were not.
type Tell = Box<dyn FnOnce(Option<StoreError>) + Send>;

type Read = Box<dyn FnOnce(Result<&ReadTransaction, StoreError>) + Send>;

/// The threads of one open file, which end when this is dropped.
#[derive(Debug)]
pub(super) struct Threads {
    changes: mpsc::Sender<Change>,
    reads: mpsc::Sender<Read>,
}

impl Threads {
    /// Opens the file on the threads, as [`super::embedded`] says.
    ///
    /// # Errors
    /// As [`file::open`].
    pub(super) async fn start(directory: &Path) -> Result<Self, StoreError> {
        let (changes, to_change) = mpsc::channel(WAITING);
        let (reads, to_read) = mpsc::channel(WAITING);
        let (opened, is_open) = oneshot::channel();
        let directory = directory.to_owned();
        spawn("store-changes", move || {
            let database = match file::open(&directory) {
                Ok(database) => Arc::new(database),
                Err(error) => return drop(opened.send(Err(error))),
            };
            let for_reads = Arc::clone(&database);
            let started = spawn("store-reads", move || read_all(&for_reads, to_read));
            if opened.send(started).is_ok() {
                change_all(&database, to_change);
            }
        })?;
        is_open.await.map_err(|_| ended())??;
        Ok(Self { changes, reads })
    }

    /// Makes a change, and returns once it is durable.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        apply: impl FnOnce(&mut Changed<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel::<Result<T, StoreError>>();
        let change: Change = Box::new(move |tables| {
            if tell.is_closed() {
                // Its caller has been told that it was too late.
                return Made { broke: None, tell: Box::new(|_| ()) };
            }
            let made = tables.and_then(apply);
            let broke = made.as_ref().err().filter(|error| error.is_unavailable()).cloned();
            let tell: Tell = Box::new(move |failed| drop(tell.send(failed.map_or(made, Err))));
            Made { broke, tell }
        });
        let answer = async {
            self.changes.send(change).await.map_err(|_| ended())?;
            told.await.map_err(|_| ended())?
        };
        within(answer).await?
    }

    /// Reads from the latest state.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let read: Read = Box::new(move |begun| drop(tell.send(begun.and_then(read))));
        let answer = async {
            self.reads.send(read).await.map_err(|_| ended())?;
            told.await.map_err(|_| ended())?
        };
        within(answer).await?
    }
}

/// Bounds a call.
async fn within<T>(call: impl Future<Output = T>) -> Result<T, StoreError> {
    timeout(CALL_TIMEOUT, call).await.map_err(|_| StoreError::Timeout)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let started: io::Result<_> = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    started.map(drop).map_err(|error| failed(format!("no thread can be started: {error}")))
}

fn ended() -> StoreError {
    failed("its thread has ended")
}

fn change_all(database: &Database, mut changes: mpsc::Receiver<Change>) {
    let mut batch = Vec::new();
    while changes.blocking_recv_many(&mut batch, WAITING) != 0 {
        let mut tells = Vec::new();
        let failed = keep(database, &mut batch, &mut tells).err();
        // Those that the failure came before.
        for change in batch.drain(..) {
            tells.push(change(Err(failed.clone().unwrap_or_else(ended))).tell);
        }
        for tell in tells {
            tell(failed.clone());
        }
    }
}

/// Makes changes together. Where one breaks the file, none is kept.
fn keep(
    database: &Database,
    changes: &mut Vec<Change>,
    tells: &mut Vec<Tell>,
) -> Result<(), StoreError> {
    // Waits for another process without an end; the callers do not.
    let transaction = database.begin_write().map_err(failed)?;
    let mut tables = Changed::open(&transaction)?;
    for change in changes.drain(..) {
        let made = change(Ok(&mut tables));
        tells.push(made.tell);
        if let Some(error) = made.broke {
            return Err(error);
        }
    }
    tables.finish()?;
    transaction.commit().map_err(failed)
}

fn read_all(database: &Database, mut reads: mpsc::Receiver<Read>) {
    let mut batch = Vec::new();
    while reads.blocking_recv_many(&mut batch, WAITING) != 0 {
        let begun = database.begin_read().map_err(failed);
        for read in batch.drain(..) {
            read(begun.as_ref().map_err(Clone::clone));
        }
    }
}
