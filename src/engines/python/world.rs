//! What is around the interpreter: files by the broker, output, time that passes. In the
//! zygote there is none of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::engines::v8::stop;
use crate::protocol::{Answer, Failure, Limit, Operation, Program, Stream, WorkerMessage};
use crate::worker::{Connection, Lost};

/// A program that prints a lot in one call is sent in pieces of this size, far
/// below the server's frame limit.
const OUTPUT_CHUNK: usize = 64 << 10;

/// The longest that the zygote's warm-up may sleep at once: it has nothing to wait for.
const ZYGOTE_SLEEP: Duration = Duration::from_millis(100);

/// Bytes of output in the zygote that are kept for the error of a load that fails.
const KEPT_OUTPUT: usize = 8 << 10;

/// Why the guest does not run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// `proc_exit`.
    Exit(u32),
    /// The server's stop.
    Stopped,
    /// The server is gone or speaks nonsense.
    Lost,
    Exceeded(Limit),
}

/// What WASI's calls act on.
pub(super) trait World {
    /// Asks for an operation and waits for its answer.
    ///
    /// # Errors
    /// The run is over. What the broker says of the operation is inside.
    fn ask(&self, operation: Operation) -> Result<Result<Answer, Failure>, End>;

    /// Prints what the program wrote.
    ///
    /// # Errors
    /// The run is over, perhaps because of that.
    fn print(&self, stream: Stream, bytes: &[u8]) -> Result<(), End>;

    /// Lets time pass, until the server says stop.
    ///
    /// # Errors
    /// The run is over.
    fn sleep(&self, time: Duration) -> Result<(), End>;

    /// # Errors
    /// The run is over: for calls that take long by themselves.
    fn check(&self) -> Result<(), End>;
}

/// In the zygote: no file but the image's.
#[derive(Debug, Default)]
pub(super) struct NoWorld {
    printed: RefCell<Vec<u8>>,
}

impl NoWorld {
    /// The end of what was printed, such as the traceback of a boot that failed.
    pub(super) fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed.borrow()).into_owned()
    }
}

impl World for NoWorld {
    fn ask(&self, _operation: Operation) -> Result<Result<Answer, Failure>, End> {
        Ok(Err(Failure {
            class: "NotFound".into(),
            message: "There are no files before a program runs".into(),
            code: Some("ENOENT".into()),
            refused: false,
        }))
    }

    fn print(&self, _stream: Stream, bytes: &[u8]) -> Result<(), End> {
        let mut printed = self.printed.borrow_mut();
        printed.extend_from_slice(bytes);
        let surplus = printed.len().saturating_sub(KEPT_OUTPUT);
        printed.drain(..surplus);
        Ok(())
    }

    fn sleep(&self, time: Duration) -> Result<(), End> {
        std::thread::sleep(time.min(ZYGOTE_SLEEP));
        Ok(())
    }

    fn check(&self) -> Result<(), End> {
        Ok(())
    }
}

/// What the broker said of a file call that the guest has only the number of.
#[derive(Debug)]
pub(super) struct Refusal {
    pub request: u32,
    pub failure: Failure,
}

/// In a worker, for its one program.
pub(super) struct RunWorld {
    pub(super) connection: Rc<Connection>,
    max_output: u64,
    max_flood: u64,
    /// The server was told that the program runs.
    has_started: Cell<bool>,
    printed: Cell<u64>,
    is_full: Cell<bool>,
    refusal: RefCell<Option<Refusal>>,
}

impl RunWorld {
    pub(super) fn new(connection: Rc<Connection>, program: &Program) -> Self {
        Self {
            connection,
            max_output: program.max_output,
            max_flood: program.max_flood,
            has_started: Cell::new(false),
            printed: Cell::new(0),
            is_full: Cell::new(false),
            refusal: RefCell::default(),
        }
    }

    /// The last file call that failed for a reason which its errno does not tell.
    pub(super) fn take_refusal(&self) -> Option<Refusal> {
        self.refusal.take()
    }

    /// Why the connection does not go on.
    pub(super) fn end(&self) -> End {
        if self.connection.is_stopped() || stop::requested() { End::Stopped } else { End::Lost }
    }

    /// Waits until something comes from the server, or the time is over.
    ///
    /// # Errors
    /// The run is over.
    pub(super) fn wait(&self, until: Option<Instant>) -> Result<(), End> {
        self.connection.take_in(until).map_err(|Lost| self.end())?;
        self.check()
    }

    /// Tells the server that the program runs, once. It takes no request before that, and a
    /// program has begun, for the server, when it has made one: its boot program makes some
    /// before it has parsed it.
    ///
    /// # Errors
    /// The run is over.
    pub(super) fn start(&self) -> Result<(), End> {
        if self.has_started.replace(true) { Ok(()) } else { self.send(&WorkerMessage::Started) }
    }

    /// # Errors
    /// The run is over.
    pub(super) fn send(&self, message: &WorkerMessage) -> Result<(), End> {
        self.connection.send(message).map_err(|Lost| self.end())
    }
}

/// Whether the guest could tell its author no more than "permission denied".
fn says_more(failure: &Failure) -> bool {
    failure.refused || failure.code.is_none()
}

impl World for RunWorld {
    fn ask(&self, operation: Operation) -> Result<Result<Answer, Failure>, End> {
        self.check()?;
        self.start()?;
        let answered = self.connection.call_and_wait(operation, None);
        let (request, answer) = answered.map_err(|Lost| self.end())?;
        if let Err(failure) = &answer {
            let more = says_more(failure).then(|| Refusal { request, failure: failure.clone() });
            self.refusal.replace(more);
        }
        Ok(answer)
    }

    fn print(&self, stream: Stream, bytes: &[u8]) -> Result<(), End> {
        let before = self.printed.get();
        let after = before.saturating_add(bytes.len() as u64);
        self.printed.set(after);
        if after > self.max_flood {
            return Err(End::Exceeded(Limit::Output));
        }
        let room = usize::try_from(self.max_output.saturating_sub(before)).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        for chunk in kept.chunks(OUTPUT_CHUNK) {
            self.send(&WorkerMessage::Output { stream, bytes: chunk.to_vec().into() })?;
        }
        if kept.len() < bytes.len() && !self.is_full.replace(true) {
            self.send(&WorkerMessage::OutputFull)?;
        }
        Ok(())
    }

    fn sleep(&self, time: Duration) -> Result<(), End> {
        let Some(until) = Instant::now().checked_add(time) else {
            // Longer than any run: until the server says stop.
            loop {
                self.wait(None)?;
            }
        };
        self.check()?;
        while Instant::now() < until {
            self.wait(Some(until))?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), End> {
        if self.connection.is_stopped() || stop::requested() { Err(End::Stopped) } else { Ok(()) }
    }
}
