//! The worker's one socket: frames out, in order and at once; frames in, either
//! awaited by the event loop or waited for while JavaScript stands still.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::unconstrained;

use super::work::{ScriptPlace, Work};
use crate::protocol::{
    Answer, Failure, FrameReader, MAX_IN_FLIGHT, MAX_REQUEST, Operation, Program, ServerMessage,
    WorkerMessage, decode, encode,
};
use crate::sandbox::sys;

/// Largest frame that the server sends: the output of a command, twice 16 MiB,
/// or a program of 1 MiB and its globals of 8.
const MAX_FRAME: usize = 64 << 20;

/// The socket is never waited for inside of a call.
const FLAGS: MsgFlags = MsgFlags::MSG_NOSIGNAL.union(MsgFlags::MSG_DONTWAIT);

/// Room for requests is counted in these: 4 KiB for each, or what it takes.
const UNIT: usize = 64;
const UNITS_OF_A_REQUEST: u32 = (4 << 10) / UNIT as u32;

/// All of it, 4 MiB: half of what the server takes.
const MAX_UNITS: u32 = MAX_IN_FLIGHT as u32 * UNITS_OF_A_REQUEST;

/// On the stack of a process whose every touched page costs a fault.
const READ_BYTES: usize = 8 << 10;

/// For an answer that is long; a piece of one has 256 KiB.
const LONG_READ_BYTES: usize = 256 << 10;

/// poll(2) takes an int of milliseconds.
const MAX_WAIT: Duration = Duration::from_hours(24);

/// What became of an operation, with the id of its request.
type Answered = Result<(u32, Result<Answer, Failure>), Lost>;

/// A request whose answer is awaited.
struct Waiting {
    sender: oneshot::Sender<Result<Answer, Failure>>,
    /// What has come of the answer so far.
    data: Vec<u8>,
    /// For the program's author, if it is left behind.
    work: Option<Work>,
    /// Kept until the answer has come, also of a request that was cancelled: the
    /// server counts it as long.
    _place: Option<OwnedSemaphorePermit>,
}

/// The server is gone or speaks nonsense. There is nothing left to do.
#[derive(Debug)]
pub(crate) struct Lost;

pub(crate) struct Connection {
    socket: AsyncFd<OwnedFd>,
    reader: RefCell<FrameReader>,
    long_buffer: RefCell<Vec<u8>>,
    waiting: RefCell<HashMap<u32, Waiting>>,
    /// Calls whose answers have not been handed on to the program.
    awaited: Cell<usize>,
    /// Room for requests that JavaScript does not stand still for, in units of
    /// [`UNIT`] bytes: the server ends a worker that asks for more at once.
    places: Arc<Semaphore>,
    next_id: Cell<u32>,
    stopped: Cell<bool>,
    /// Something was taken in outside of [`Connection::serve`], which epoll does not
    /// tell of any more.
    taken_in: Notify,
}

impl Connection {
    /// To be called inside the worker's tokio runtime.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            socket: sys::watch_readable(socket)?,
            reader: RefCell::new(FrameReader::new(MAX_FRAME)),
            long_buffer: RefCell::default(),
            waiting: RefCell::default(),
            awaited: Cell::new(0),
            places: Arc::new(Semaphore::new(MAX_IN_FLIGHT * UNITS_OF_A_REQUEST as usize)),
            next_id: Cell::new(0),
            stopped: Cell::new(false),
            taken_in: Notify::new(),
        })
    }

    /// Sends a message. While the server does not read, what it sends is taken in:
    /// it may wait for that itself.
    pub(crate) fn send(&self, message: &WorkerMessage) -> Result<(), Lost> {
        self.send_frame(&encode(message))
    }

    fn send_frame(&self, frame: &[u8]) -> Result<(), Lost> {
        let mut rest = frame;
        while !rest.is_empty() {
            match send(self.socket.as_raw_fd(), rest, FLAGS) {
                Ok(sent) => rest = &rest[sent..],
                Err(Errno::EAGAIN) => {
                    self.wait_for(PollFlags::POLLOUT | PollFlags::POLLIN)?;
                    self.fill()?;
                    self.taken_in.notify_one();
                }
                Err(Errno::EINTR) => {}
                Err(_) => return Err(Lost),
            }
        }
        Ok(())
    }

    /// The program, which is the first message.
    pub(crate) fn receive_program(&self) -> Result<Box<Program>, Lost> {
        loop {
            match self.next_message()? {
                Some(ServerMessage::Run(program)) => return Ok(program),
                Some(_) => return Err(Lost),
                None => {
                    self.wait_for(PollFlags::POLLIN)?;
                    self.fill()?;
                }
            }
        }
    }

    /// Whether the server asked the program to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Asks for an operation. The answer comes while [`Self::serve`] runs.
    /// Dropping the future cancels the operation.
    pub(crate) async fn call(
        self: Rc<Self>,
        operation: Operation,
        from: Option<Rc<ScriptPlace>>,
    ) -> Answered {
        let work = Work::of(&operation, from);
        let (id, frame) = self.frame(operation);
        let units = u32::try_from(frame.len() / UNIT).unwrap_or(u32::MAX);
        let units = units.clamp(UNITS_OF_A_REQUEST, MAX_UNITS);
        // Unconstrained: a task that has used its budget up would not even get in
        // line, and calls would lose their order.
        let place = unconstrained(self.places.clone().acquire_many_owned(units)).await;
        let answer = self.begin(id, &frame, Some(place.map_err(|_| Lost)?), Some(work))?;
        drop(frame);
        self.awaited.set(self.awaited.get() + 1);
        let mut pending = Pending { connection: &self, id, answer };
        let answer = (&mut pending.answer).await;
        Ok((id, answer.map_err(|_| Lost)?))
    }

    /// Asks for an operation and waits, while JavaScript stands still.
    pub(crate) fn call_and_wait(
        &self,
        operation: Operation,
        from: Option<Rc<ScriptPlace>>,
    ) -> Answered {
        let work = Work::of(&operation, from);
        let (id, frame) = self.frame(operation);
        let mut answer = self.begin(id, &frame, None, Some(work))?;
        loop {
            // What a call before took in may be the answer.
            self.deliver()?;
            match answer.try_recv() {
                Ok(answer) => return Ok((id, answer)),
                Err(oneshot::error::TryRecvError::Closed) => return Err(Lost),
                Err(oneshot::error::TryRecvError::Empty) if self.stopped.get() => return Err(Lost),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            self.wait_for(PollFlags::POLLIN)?;
            self.fill()?;
        }
    }

    /// Asks for an operation whose answer does not matter.
    pub(crate) fn forget(&self, operation: Operation) {
        // A server that is gone has forgotten everything.
        let (id, frame) = self.frame(operation);
        let _ = self.begin(id, &frame, None, None);
    }

    fn frame(&self, operation: Operation) -> (u32, Vec<u8>) {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        (id, encode(&WorkerMessage::Request { id, operation }))
    }

    fn begin(
        &self,
        id: u32,
        frame: &[u8],
        place: Option<OwnedSemaphorePermit>,
        work: Option<Work>,
    ) -> Result<oneshot::Receiver<Result<Answer, Failure>>, Lost> {
        let (sender, receiver) = oneshot::channel();
        if frame.len() > MAX_REQUEST {
            let message =
                "The arguments of the call are too large: at most 1 MiB in all is accepted";
            let _ = sender.send(Err(Failure {
                class: "RangeError".into(),
                message: message.into(),
                code: None,
                refused: false,
            }));
            return Ok(receiver);
        }
        let waiting = Waiting { sender, data: Vec::new(), work, _place: place };
        self.waiting.borrow_mut().insert(id, waiting);
        self.send_frame(frame)?;
        Ok(receiver)
    }

    /// Whether the server has been asked for something that it has not answered, or that
    /// has not been handed on.
    pub(crate) fn awaits_answers(&self) -> bool {
        self.awaited.get() > 0
    }

    /// What the program still waits for, in the order in which it was asked for.
    pub(crate) fn unanswered(&self) -> Vec<Work> {
        let waiting = self.waiting.borrow();
        let awaited = waiting.iter().filter(|(_, waiting)| !waiting.sender.is_closed());
        let mut found: Vec<_> =
            awaited.filter_map(|(id, waiting)| Some((*id, waiting.work.clone()?))).collect();
        found.sort_unstable_by_key(|(id, _)| *id);
        found.into_iter().map(|(_, work)| work).collect()
    }

    /// Waits until something has come, a signal arrives or the time is over, and delivers
    /// what has come. For engines that stand still while they wait.
    pub(crate) fn take_in(&self, until: Option<Instant>) -> Result<(), Lost> {
        let timeout = match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => PollTimeout::NONE,
            Some(left) => PollTimeout::try_from(left.min(MAX_WAIT).as_micros().div_ceil(1000))
                .unwrap_or(PollTimeout::MAX),
        };
        self.wait(PollFlags::POLLIN, timeout)?;
        self.fill()?;
        self.deliver()
    }

    /// Delivers answers as they arrive. Returns when the server says stop.
    pub(crate) async fn serve(&self) -> Result<(), Lost> {
        loop {
            self.deliver()?;
            if self.stopped.get() {
                return Ok(());
            }
            tokio::select! {
                ready = self.socket.readable() => {
                    let mut ready = ready.map_err(|_| Lost)?;
                    // What a synchronous request left unread makes the socket ready again.
                    if self.fill()? {
                        ready.clear_ready_matching(tokio::io::Ready::READABLE);
                    }
                }
                () = self.taken_in.notified() => {}
            }
        }
    }

    /// Hands on what was taken in.
    pub(crate) fn deliver(&self) -> Result<(), Lost> {
        while let Some(message) = self.next_message()? {
            match message {
                ServerMessage::Run(_) => return Err(Lost),
                ServerMessage::Stop => {
                    self.stopped.set(true);
                    self.taken_in.notify_one();
                }
                ServerMessage::Data { id, left, bytes } => {
                    if let Some(waiting) = self.waiting.borrow_mut().get_mut(&id)
                        && !waiting.sender.is_closed()
                    {
                        if waiting.data.is_empty() {
                            // All of it at once: a buffer that grows is copied.
                            let left = usize::try_from(left).unwrap_or(0);
                            let _ = waiting.data.try_reserve_exact(bytes.len() + left);
                        }
                        waiting.data.extend_from_slice(&bytes);
                    }
                }
                ServerMessage::Reply { id, result } => self.answered(id, result),
            }
        }
        Ok(())
    }

    fn answered(&self, id: u32, result: Result<Answer, Failure>) {
        let Some(Waiting { sender, mut data, .. }) = self.waiting.borrow_mut().remove(&id) else {
            return;
        };
        let result = match result {
            Ok(Answer::Bytes(last)) if !data.is_empty() => {
                data.extend_from_slice(&last);
                Ok(Answer::Bytes(data.into()))
            }
            other => other,
        };
        // The program may have stopped waiting.
        if let Err(Ok(answer)) = sender.send(result) {
            self.close(&answer);
        }
    }

    /// Closes what an answer opened that nobody waits for.
    fn close(&self, answer: &Answer) {
        for handle in answer.handles() {
            self.forget(Operation::close(handle));
        }
    }

    fn next_message(&self) -> Result<Option<ServerMessage>, Lost> {
        let mut reader = self.reader.borrow_mut();
        let body = reader.next_body().map_err(|_| Lost)?;
        body.map(|body| decode(body).map_err(|_| Lost)).transpose()
    }

    /// Takes in what has come, [`LONG_READ_BYTES`] and a little at most: as fast as the
    /// server may send, no more of it is kept than that before it is handed on (but while
    /// a frame of ours waits for room in the socket). Whether that was all.
    fn fill(&self) -> Result<bool, Lost> {
        let mut buffer = [0; READ_BYTES];
        let read = self.receive(&mut buffer)?;
        self.reader.borrow_mut().push(&buffer[..read]);
        if read < READ_BYTES { Ok(true) } else { self.fill_long() }
    }

    /// As [`Self::fill`], when there is a lot.
    fn fill_long(&self) -> Result<bool, Lost> {
        let mut buffer = self.long_buffer.borrow_mut();
        buffer.resize(LONG_READ_BYTES, 0);
        let read = self.receive(&mut buffer)?;
        self.reader.borrow_mut().push(&buffer[..read]);
        Ok(read < LONG_READ_BYTES)
    }

    /// Bytes that have come; none if there are no more. Fewer than there is room for are
    /// all there are, since a stream's recv(2) goes on to the next message.
    fn receive(&self, buffer: &mut [u8]) -> Result<usize, Lost> {
        loop {
            match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Err(Lost),
                Ok(read) => return Ok(read),
                Err(Errno::EAGAIN) => return Ok(0),
                Err(Errno::EINTR) => {}
                Err(_) => return Err(Lost),
            }
        }
    }

    fn wait_for(&self, events: PollFlags) -> Result<(), Lost> {
        self.wait(events, PollTimeout::NONE)
    }

    fn wait(&self, events: PollFlags, timeout: PollTimeout) -> Result<(), Lost> {
        let mut descriptors = [PollFd::new(self.socket.get_ref().as_fd(), events)];
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(_) => Err(Lost),
        }
    }
}

/// An answer that is awaited. The server is told when nobody waits any more.
struct Pending<'a> {
    connection: &'a Connection,
    id: u32,
    answer: oneshot::Receiver<Result<Answer, Failure>>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.connection.awaited.set(self.connection.awaited.get() - 1);
        // The answer still comes, and gives the place back.
        if self.connection.waiting.borrow().contains_key(&self.id) {
            let _ = self.connection.send(&WorkerMessage::Cancel { id: self.id });
        } else if !self.answer.is_terminated()
            && let Ok(Ok(answer)) = self.answer.try_recv()
        {
            self.connection.close(&answer);
        }
    }
}
