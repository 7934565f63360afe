//! What one run may use up of the administrator's disk and descriptors.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::config::environment::{MAX_NEW_FILES, MAX_OPEN_FILES, MAX_WRITE_SIZE};

/// The limits of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileLimits {
    /// Bytes written, all files together.
    pub write_size: u64,
    /// Files, directories and links made.
    pub new_files: u64,
    /// Files, bodies and pipes open at the same time.
    pub open_files: usize,
}

/// What is left of them.
#[derive(Debug)]
pub(super) struct Quota {
    limits: FileLimits,
    written: AtomicU64,
    new_files: AtomicU64,
    open: AtomicUsize,
    over: AtomicBool,
}

impl Quota {
    pub(super) fn new(limits: FileLimits) -> Self {
        Self {
            limits,
            written: AtomicU64::new(0),
            new_files: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// Takes bytes that are about to be written.
    pub(super) fn write(&self, bytes: u64) -> io::Result<()> {
        let limit = self.limits.write_size;
        let take = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= limit);
        match self.written.try_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other(format!(
                "The run may write at most {limit} bytes to all files together ({MAX_WRITE_SIZE})"
            ))),
        }
    }

    /// Gives bytes back that were not written after all.
    pub(super) fn give_back(&self, bytes: u64) {
        self.written.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes a file that is about to be made.
    pub(super) fn new_file(&self) -> io::Result<()> {
        let limit = self.limits.new_files;
        if self.new_files.fetch_add(1, Ordering::Relaxed) < limit {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "The run may create at most {limit} files and directories ({MAX_NEW_FILES})"
        )))
    }

    /// Takes something that is about to be opened; [`Self::close`] gives it back.
    pub(super) fn open(&self) -> io::Result<()> {
        let limit = self.limits.open_files;
        let take = |open: usize| (open < limit).then_some(open + 1);
        match self.open.try_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other(format!(
                "Too many open files: a run may have at most {limit}, including bodies, pipes and \
                 commands ({MAX_OPEN_FILES}). Close what is no longer needed"
            ))),
        }
    }

    pub(super) fn close(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// The run has ended: what still works for it stops soon.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}
