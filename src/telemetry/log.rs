//! The log, which goes to standard error. Nobody waits for whoever reads it: a pipe that
//! is not read would stop every thread that has something to say. A thread of its own
//! writes; what it has no room for is lost, counted and told.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tracing_subscriber::fmt::MakeWriter;

use crate::audit::timestamp;
use crate::text::escaped::{visible, visible_lines};

/// Bytes of lines that wait for their reader: a second of the 2,500 runs a second that
/// one zygote gave at most, with a line of 400 bytes each.
const MAX_BYTES: usize = 1 << 20;

/// Bytes that a line costs beside its text: its place in the queue, and its allocation.
const LINE: usize = 64;

/// The wait for the last lines when the process ends, in all. A reader that is there
/// takes [`MAX_BYTES`] in milliseconds.
const MAX_FLUSH: Duration = Duration::from_secs(1);

/// Lines that nobody read, since the process began: standard error is the process's.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Lines of the log that were lost.
pub(crate) fn lines_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Standard error behind a queue. All clones are one.
#[derive(Debug, Clone)]
pub struct Log(Arc<QueueOwner>);

/// Ends the thread when the last clone is dropped.
#[derive(Debug)]
struct QueueOwner(Arc<Queue>);

impl Drop for QueueOwner {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.filled.notify_one();
    }
}

impl Log {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// There is no thread, or no descriptor.
    pub fn to_stderr() -> io::Result<Self> {
        // Not `Stderr`, whose lock a thread that is stuck in it would hold.
        Self::to(File::from(io::stderr().as_fd().try_clone_to_owned()?))
    }

    fn to(file: File) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let own = queue.clone();
        let write = move || {
            while let Some(line) = own.next() {
                if write_all(&file, &line).is_err() {
                    // It would not be told either.
                    LOST.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        std::thread::Builder::new().name("log".into()).spawn(write)?;
        Ok(Self(Arc::new(QueueOwner(queue))))
    }

    /// Says something beside the log's own events, in lines of its own.
    pub fn say(&self, text: &str) {
        let mut text = visible_lines(text).into_owned();
        text.push('\n');
        self.0.0.send(text.into_bytes());
    }

    /// Waits until all that was said is written, for up to a second. False: it is not.
    pub fn flush(&self) -> bool {
        self.0.0.wait_until_written()
    }

    /// Panics are said here too, instead of on standard error directly, and are written
    /// before they go on.
    pub fn say_panics(&self) {
        let log = self.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("<unnamed>");
            let trace = std::backtrace::Backtrace::capture();
            let mut text = format!("mcp-conductor: thread '{name}' {panic}");
            if trace.status() == std::backtrace::BacktraceStatus::Captured {
                text.push_str(&format!("\n{trace}"));
            }
            log.say(&text);
            log.flush();
        }));
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Event<'a>;

    fn make_writer(&'a self) -> Event<'a> {
        Event(self)
    }
}

/// What takes one event: the formatter writes it whole (tracing-subscriber 0.3,
/// `fmt_layer.rs`).
#[derive(Debug)]
pub struct Event<'a>(&'a Log);

impl Write for Event<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        // An event is one line, whatever somebody put in it.
        let line = format!("{}\n", visible(text.strip_suffix('\n').unwrap_or(&text)));
        self.0.0.0.send(line.into_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines that were lost after the last one here.
    lost: u64,
    /// The thread has a line that is not written yet.
    is_writing: bool,
    /// Somebody waited for the last lines in vain, and none was written since.
    is_stuck: bool,
    closed: bool,
}

impl State {
    fn lose(&mut self) {
        self.lost += 1;
        LOST.fetch_add(1, Ordering::Relaxed);
    }

    /// Half of the queue, where lines were lost: they are lost in few places, each of
    /// which is told, and not here and there.
    fn room(&self) -> usize {
        let all = if self.lost > 0 { MAX_BYTES / 2 } else { MAX_BYTES };
        all.saturating_sub(self.bytes)
    }

    fn push(&mut self, line: Vec<u8>) {
        self.bytes += line.len() + LINE;
        self.lines.push_back(line);
    }

    fn tell_of_losses(&mut self) {
        match std::mem::take(&mut self.lost) {
            0 => {}
            lost => self.push(told(lost)),
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn send(&self, line: Vec<u8>) {
        let mut state = self.lock();
        if line.len() + LINE > state.room() {
            return state.lose();
        }
        state.tell_of_losses();
        state.push(line);
        drop(state);
        self.filled.notify_one();
    }

    /// The next line to write; the one before is written. None: no more will come.
    fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        if std::mem::take(&mut state.is_writing) {
            state.is_stuck = false;
        }
        if state.lines.is_empty() {
            state.tell_of_losses();
        }
        if state.lines.is_empty() {
            self.written.notify_all();
        }
        let idle = |state: &mut State| state.lines.is_empty() && !state.closed;
        self.filled.wait_while(&mut state, idle);
        let line = state.lines.pop_front()?;
        state.bytes -= line.len() + LINE;
        state.is_writing = true;
        Some(line)
    }

    fn wait_until_written(&self) -> bool {
        let mut state = self.lock();
        let patience = if state.is_stuck { Duration::ZERO } else { MAX_FLUSH };
        let busy = |state: &mut State| state.is_writing || !state.lines.is_empty();
        self.written.wait_while_for(&mut state, busy, patience);
        let was_in_vain = busy(&mut state);
        state.is_stuck |= was_in_vain;
        !was_in_vain
    }
}

/// As an event of this module would be.
fn told(lost: u64) -> Vec<u8> {
    let lines = if lost == 1 { "line was" } else { "lines were" };
    let time = timestamp(SystemTime::now());
    let problem =
        format!("{lost} log {lines} lost: standard error is not read, or not fast enough");
    format!("{time}  WARN {}: {problem}\n", module_path!()).into_bytes()
}

/// Whoever started this process may have set the descriptor not to block, as Node.js does
/// with pipes.
fn write_all(mut file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait_for_room(file.as_fd()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait_for_room(file: BorrowedFd<'_>) {
    // What is wrong, the next write says.
    let _ = poll(&mut [PollFd::new(file, PollFlags::POLLOUT)], PollTimeout::NONE);
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const LONG: usize = 1000;

    /// A log whose reader has not read yet: what was sent is in the pipe and in the queue.
    fn unread() -> (Log, File) {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        (Log::to(File::from(writer)).unwrap(), File::from(reader))
    }

    /// Reads until a line has this text in it.
    fn read_until(reader: &mut File, end: &str) -> String {
        let (mut text, mut piece) = (String::new(), [0; 1 << 16]);
        while !(text.ends_with('\n') && text.contains(end)) {
            let read = reader.read(&mut piece).unwrap();
            assert!(read > 0, "{end} is not in the log");
            text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        text
    }

    #[test]
    fn lines_that_nobody_reads_are_lost_counted_and_told() {
        let (log, mut reader) = unread();
        let before = lines_lost();
        let sent = 4 * MAX_BYTES / LONG;
        for number in 0..sent {
            log.say(&format!("{number:0LONG$}"));
        }
        assert!(lines_lost() - before > sent as u64 / 2);
        // After the last one that there was room for.
        let text = read_until(&mut reader, "lost");
        let (lines, told): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.len() == LONG);
        assert!(lines.iter().enumerate().all(|(at, line)| line.parse() == Ok(at)), "{text}");
        let [told] = told[..] else { panic!("{told:#?}") };
        let lost = (sent - lines.len()).to_string();
        assert!(told.contains(&format!(" WARN mcp_conductor::telemetry::log: {lost} log lines")));
        log.say("again");
        assert_eq!(read_until(&mut reader, "again"), "again\n");
        assert!(log.flush());
    }

    #[test]
    fn the_end_of_a_log_that_nobody_reads_costs_one_wait() {
        let (log, _reader) = unread();
        for _ in 0..MAX_BYTES / LONG {
            log.say(&"x".repeat(LONG));
        }
        assert!(!log.flush());
        let start = std::time::Instant::now();
        assert!(!log.flush() && !log.flush() && !log.flush());
        assert!(start.elapsed() < 3 * MAX_FLUSH);
    }

    #[test]
    fn what_was_said_is_written_before_the_end() {
        let (log, reader) = unread();
        for number in 0..100 {
            log.say(&number.to_string());
        }
        assert!(log.flush());
        drop(log);
        let text = io::read_to_string(reader).unwrap();
        assert_eq!(text.lines().count(), 100);
    }

    #[test]
    fn an_event_is_one_line_without_what_is_hidden() {
        let (log, reader) = unread();
        log.make_writer().write_all("a\nb\u{202e}\x1b[2J\n".as_bytes()).unwrap();
        log.say("c\nd\u{202e}");
        assert!(log.flush());
        drop(log);
        let text = io::read_to_string(reader).unwrap();
        assert_eq!(text, "a\\nb\\u{202e}\\u{1b}[2J\nc\nd\\u{202e}\n");
    }

    #[test]
    fn a_pipe_that_does_not_block_loses_nothing() {
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap();
        let log = Log::to(File::from(writer)).unwrap();
        let reader = File::from(reader);
        let blocking = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty());
        nix::fcntl::fcntl(&reader, blocking).unwrap();
        // More than a pipe has room for (pipe(7)).
        for _ in 0..200 {
            log.say(&"x".repeat(LONG));
        }
        drop(log);
        assert_eq!(io::read_to_string(reader).unwrap().lines().count(), 200);
    }
}
