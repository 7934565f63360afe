//! What flows in pieces between a program and something open: files that are read as a
//! whole, pipes of commands, and output that is passed on.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::event::Event;
use super::failure::Problem;
use crate::config::environment::MAX_COMMAND_OUTPUT;
use crate::memory::{Account, Charge};
use crate::protocol::{Failure, Stream};

/// Bytes that one read answers at most, whatever is asked for.
pub(super) const MAX_READ: usize = 256 << 10;

/// Smallest buffer for a piece of a file: some file systems report a size of 0.
const MIN_PIECE: usize = 4096;

/// Bytes that are passed on from a command to the run's output at once.
const INHERITED_PIECE: usize = 16 << 10;

/// Bytes of a command's output that room is made for first; then it doubles.
const OUTPUT_PIECE: usize = 4 << 10;

/// A file that is read from its beginning to its end.
pub(super) struct Whole {
    file: File,
    path: String,
    /// When it was opened.
    size: u64,
    read: u64,
}

pub(super) struct Piece {
    pub bytes: Vec<u8>,
    pub is_last: bool,
}

impl Whole {
    /// `size` is that of the file when it was opened.
    pub(super) fn new(file: File, path: String, size: u64) -> Self {
        Self { file, path, size, read: 0 }
    }

    /// Bytes that were read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Bytes that are still to come, if it has not changed.
    pub(super) fn left(&self) -> u64 {
        self.size.saturating_sub(self.read)
    }

    /// Reads on, [`MAX_READ`] bytes at most. Blocks.
    pub(super) fn piece(&mut self) -> io::Result<Piece> {
        // One byte more than is left shows the end without another piece.
        let left = usize::try_from(self.left() + 1).unwrap_or(MAX_READ);
        let mut bytes = vec![0; left.clamp(MIN_PIECE, MAX_READ)];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read(&mut bytes[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        let is_last = filled < bytes.len();
        bytes.truncate(filled);
        self.read += filled as u64;
        Ok(Piece { bytes, is_last })
    }

    pub(super) fn problem(&self, error: io::Error) -> Problem {
        Problem::opening(error.into(), &format!(": readfile '{}'", self.path))
    }
}

/// Bytes that may be read from a pipe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    limit: u64,
    left: u64,
}

impl Allowance {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, left: limit }
    }
}

/// At most `max` bytes from a pipe.
pub(super) async fn read_pipe(
    pipe: &mut (impl AsyncRead + Unpin),
    allowance: &mut Allowance,
    max: usize,
) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(max);
    pipe.take(max as u64).read_buf(&mut bytes).await?;
    // It may wait for its place on the way to the worker.
    bytes.shrink_to_fit();
    match allowance.left.checked_sub(bytes.len() as u64) {
        Some(rest) => allowance.left = rest,
        None => return Err(too_much(allowance.limit).into()),
    }
    Ok(bytes)
}

/// All data from a pipe, up to the limit, with its charge to the server's memory.
pub(super) async fn collect(
    pipe: Option<impl AsyncRead + Unpin>,
    limit: u64,
    memory: &Account,
) -> Result<Option<(Vec<u8>, Charge)>, Problem> {
    let Some(pipe) = pipe else { return Ok(None) };
    let mut pipe = pipe.take(limit + 1);
    let (mut bytes, mut charge) = (Vec::new(), Charge::none());
    loop {
        if bytes.len() == bytes.capacity() {
            let more = bytes.capacity().max(OUTPUT_PIECE);
            charge.merge(
                memory.charge(more).await.map_err(|error| Failure::limit(error.to_string()))?,
            );
            bytes.reserve_exact(more);
        }
        if pipe.read_buf(&mut bytes).await? == 0 {
            break;
        }
    }
    if bytes.len() as u64 > limit {
        return Err(too_much(limit).into());
    }
    // It is held until the answer has its own charge.
    bytes.shrink_to_fit();
    charge.shrink_to(bytes.len());
    Ok(Some((bytes, charge)))
}

/// Passes a command's output on as the run's own. Beyond the limit the pipe is closed, as if the
/// program had stopped reading.
pub(super) fn forward(
    mut pipe: impl AsyncRead + Unpin + Send + 'static,
    stream: Stream,
    limit: u64,
    flooded: Arc<AtomicBool>,
    events: mpsc::UnboundedSender<Event>,
    pieces: Arc<Semaphore>,
) -> JoinHandle<()> {
    let mut left = limit;
    tokio::spawn(async move {
        let mut buffer = vec![0; INHERITED_PIECE];
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            match left.checked_sub(read as u64) {
                Some(rest) => left = rest,
                None => return flooded.store(true, Ordering::Release),
            }
            let Ok(room) = pieces.clone().acquire_owned().await else { return };
            let bytes = buffer[..read].to_vec();
            if events.send(Event::Output { stream, bytes, _room: Some(room) }).is_err() {
                return;
            }
        }
    })
}

/// A command printed more than a program may take from it.
pub(super) fn too_much(limit: u64) -> Failure {
    Failure::limit(format!(
        "The command printed more than {limit} bytes ({MAX_COMMAND_OUTPUT}). Make it print less, \
         or write to a file and read the file"
    ))
}
