//! Between the runs and the log's file: a bounded queue and the thread that
//! empties it, so that no run waits for a slow disk.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::file::LogFile;
use super::record::lost_line;
use super::{AuditError, TARGET};

/// Lines that wait for the disk: 0.4 seconds of the 2,500 runs a second that one
/// zygote gave at most. A line is less than a kilobyte as a rule, and 28 KiB where
/// a program chose a target and a reason that are all escapes (six bytes for
/// one): 28 MiB in all.
const MAX_LINES: usize = 1024;

/// A caller's wait for room: a disk that writes out its journal is busy for tens
/// of milliseconds.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// The wait for the last lines: twenty times [`MAX_WAIT`], and less than the ten
/// seconds after which Docker kills what it stops.
const MAX_FLUSH: Duration = Duration::from_secs(2);

/// The thread that writes, and the way to it.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(file: LogFile) -> Result<Self, AuditError> {
        let queue = Arc::new(Queue::default());
        let path = file.path().to_owned();
        let shared = queue.clone();
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || {
                let _ended = Ended(&shared);
                Sink { file, failing: false }.run(&shared);
            })
            .map_err(|error| AuditError::Thread { path, error })?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// Lines that were lost since the start.
    pub(super) fn lost_in_all(&self) -> u64 {
        self.queue.lock().lost_in_all
    }

    /// Hands one line to the thread. It brings no newline.
    pub(super) fn send(&self, line: String) {
        self.queue.send(line);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.filled.notify_one();
        if !self.queue.wait_for_the_end() {
            tracing::error!(target: TARGET, "The audit log's disk is stuck: its last lines are lost");
        } else if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    room: Condvar,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    /// Lines that are not in the file, and that the file does not tell of yet.
    lost: u64,
    /// All lines that never were in the file.
    lost_in_all: u64,
    /// A caller waited in vain, and half of the queue has not been written since: a slow
    /// disk costs one wait for 500 lines, and not one for each.
    stuck: bool,
    closed: bool,
    ended: bool,
}

impl State {
    fn lose(&mut self) {
        self.lost += 1;
        self.lost_in_all += 1;
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Waits for room at most [`MAX_WAIT`], and not at all after another caller
    /// did so in vain: a stuck disk must not cost every refusal that much.
    fn send(&self, line: String) {
        let mut state = self.lock();
        let patience = if state.stuck { Duration::ZERO } else { MAX_WAIT };
        let is_full = |state: &mut State| state.lines.len() >= MAX_LINES;
        self.room.wait_while_for(&mut state, is_full, patience);
        if state.lines.len() < MAX_LINES {
            state.lines.push_back(line);
            self.filled.notify_one();
            return;
        }
        state.lose();
        let known = std::mem::replace(&mut state.stuck, true);
        drop(state);
        if !known {
            tracing::error!(target: TARGET, "The audit log's disk is too slow: lines are lost");
        }
    }

    /// Waits for a line. None: no more will come.
    fn next(&self) -> Option<String> {
        let mut state = self.lock();
        self.filled.wait_while(&mut state, |state| state.lines.is_empty() && !state.closed);
        let line = state.lines.pop_front()?;
        state.stuck &= state.lines.len() > MAX_LINES / 2;
        self.room.notify_one();
        Some(line)
    }

    fn wait_for_the_end(&self) -> bool {
        let mut state = self.lock();
        self.ended.wait_while_for(&mut state, |state| !state.ended, MAX_FLUSH);
        state.ended
    }
}

/// Says that the thread has ended, also when it panicked.
struct Ended<'a>(&'a Queue);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.ended.notify_all();
    }
}

/// The thread's own.
struct Sink {
    file: LogFile,
    failing: bool,
}

impl Sink {
    fn run(mut self, queue: &Queue) {
        while let Some(line) = queue.next() {
            if !(self.tell_of_losses(queue) && self.write(line)) {
                queue.lock().lose();
            }
        }
        self.tell_of_losses(queue);
    }

    fn tell_of_losses(&mut self, queue: &Queue) -> bool {
        let lost = queue.lock().lost;
        if lost == 0 {
            return true;
        }
        let told = self.write(lost_line(lost));
        if told {
            queue.lock().lost -= lost;
        }
        told
    }

    fn write(&mut self, mut line: String) -> bool {
        line.push('\n');
        match self.file.write_line(line.as_bytes()) {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::warn!(target: TARGET, "The audit log can be written again");
                }
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(target: TARGET, "{error}; until then its lines are lost");
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

    use super::super::tests::Scratch;
    use super::*;

    #[test]
    fn a_full_queue_costs_one_wait_and_counts_what_is_lost() {
        let queue = Queue::default();
        for _ in 0..MAX_LINES {
            queue.send("{}".into());
        }
        let start = Instant::now();
        queue.send("{}".into());
        assert!(start.elapsed() >= MAX_WAIT);
        let start = Instant::now();
        queue.send("{}".into());
        assert!(start.elapsed() < MAX_WAIT);
        let state = queue.lock();
        assert_eq!((state.lost, state.lost_in_all), (2, 2));
    }

    #[test]
    fn room_in_the_queue_ends_the_loss() {
        let queue = Queue::default();
        for _ in 0..=MAX_LINES {
            queue.send("{}".into());
        }
        queue.next().unwrap();
        queue.send("{}".into());
        let state = queue.lock();
        assert_eq!((state.lost, state.lines.len()), (1, MAX_LINES));
    }

    #[test]
    fn a_slow_disk_does_not_cost_each_line_a_wait() {
        let queue = Queue::default();
        for _ in 0..=MAX_LINES {
            queue.send("{}".into());
        }
        let start = Instant::now();
        for _ in 0..50 {
            queue.next().unwrap();
            queue.send("{}".into());
            queue.send("{}".into());
        }
        // It is lost fifty times, and not waited for.
        assert!(start.elapsed() < 25 * MAX_WAIT);
        assert_eq!(queue.lock().lost, 51);
    }

    #[test]
    fn lines_that_could_not_be_written_are_counted_in_the_next_one() {
        let scratch = Scratch::new("lost");
        let (directory, path) = (scratch.path("logs"), scratch.path("logs/audit.log"));
        fs::create_dir(&directory).unwrap();
        let mut sink = Sink { file: LogFile::open(&path).unwrap(), failing: false };
        fs::remove_dir_all(&directory).unwrap();
        assert!(!sink.write("{}".into()));
        let queue = Queue::default();
        queue.lock().lost = 1;
        fs::create_dir(&directory).unwrap();
        queue.send("{\"kind\":\"next\"}".into());
        queue.lock().closed = true;
        sink.run(&queue);
        let text = fs::read_to_string(&path).unwrap();
        let (lost, next) = text.split_once('\n').unwrap();
        assert!(lost.ends_with("\"kind\":\"lost\",\"count\":1}"), "{lost}");
        assert_eq!(next, "{\"kind\":\"next\"}\n");
        assert_eq!(queue.lock().lost, 0);
    }
}
