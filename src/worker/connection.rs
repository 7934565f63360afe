//! The worker's one socket: frames out, in order and at once; frames in, either
//! awaited by the event loop or waited for while JavaScript stands still.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use crate::protocol::{
    Access, FrameReader, Program, Refusal, ServerMessage, WorkerMessage, decode, encode,
};
use crate::sandbox::sys;

/// Largest frame that the server sends: a program of 1 MiB and its globals.
const MAX_FRAME: usize = 16 << 20;

/// The socket is never waited for inside of a call.
const FLAGS: MsgFlags = MsgFlags::MSG_NOSIGNAL.union(MsgFlags::MSG_DONTWAIT);

/// On the stack of a process whose every touched page costs a fault.
const READ_BYTES: usize = 8 << 10;

type Answer = Result<(), Refusal>;

/// The server is gone or speaks nonsense. There is nothing left to do.
#[derive(Debug)]
pub(super) struct Lost;

pub(super) struct Connection {
    socket: AsyncFd<OwnedFd>,
    reader: RefCell<FrameReader>,
    waiting: RefCell<HashMap<u32, oneshot::Sender<Answer>>>,
    next_id: Cell<u32>,
    stopped: Cell<bool>,
}

impl Connection {
    /// To be called inside the worker's tokio runtime.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            socket: sys::watch_readable(socket)?,
            reader: RefCell::new(FrameReader::new(MAX_FRAME)),
            waiting: RefCell::default(),
            next_id: Cell::new(0),
            stopped: Cell::new(false),
        })
    }

    /// Sends a message. Waits while the server does not read.
    pub(super) fn send(&self, message: &WorkerMessage) -> Result<(), Lost> {
        let frame = encode(message);
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match send(self.socket.as_raw_fd(), rest, FLAGS) {
                Ok(sent) => rest = &rest[sent..],
                Err(Errno::EAGAIN) => self.wait_for(PollFlags::POLLOUT)?,
                Err(Errno::EINTR) => {}
                Err(_) => return Err(Lost),
            }
        }
        Ok(())
    }

    /// The program, which is the first message.
    pub(super) fn receive_program(&self) -> Result<Box<Program>, Lost> {
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
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Asks for an access; the answer comes when [`Self::serve`] runs.
    pub(super) fn request(&self, access: Access) -> Result<oneshot::Receiver<Answer>, Lost> {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(id, sender);
        self.send(&WorkerMessage::Request { id, access })?;
        Ok(receiver)
    }

    /// Asks for an access and waits, while JavaScript stands still.
    pub(super) fn request_and_wait(&self, access: Access) -> Result<Answer, Lost> {
        let mut answer = self.request(access)?;
        loop {
            match answer.try_recv() {
                Ok(answer) => return Ok(answer),
                Err(oneshot::error::TryRecvError::Closed) => return Err(Lost),
                Err(oneshot::error::TryRecvError::Empty) if self.stopped.get() => return Err(Lost),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            self.wait_for(PollFlags::POLLIN)?;
            self.fill()?;
            self.deliver()?;
        }
    }

    /// Delivers answers as they arrive. Returns when the server says stop.
    pub(super) async fn serve(&self) -> Result<(), Lost> {
        loop {
            self.deliver()?;
            if self.stopped.get() {
                return Ok(());
            }
            let mut ready = self.socket.readable().await.map_err(|_| Lost)?;
            self.fill()?;
            // What a synchronous request left unread makes the socket ready again.
            ready.clear_ready_matching(tokio::io::Ready::READABLE);
        }
    }

    fn deliver(&self) -> Result<(), Lost> {
        while let Some(message) = self.next_message()? {
            match message {
                ServerMessage::Run(_) => return Err(Lost),
                ServerMessage::Stop => self.stopped.set(true),
                ServerMessage::Reply { id, result } => {
                    if let Some(waiting) = self.waiting.borrow_mut().remove(&id) {
                        // The program may have stopped waiting.
                        let _ = waiting.send(result);
                    }
                }
            }
        }
        Ok(())
    }

    fn next_message(&self) -> Result<Option<ServerMessage>, Lost> {
        let mut reader = self.reader.borrow_mut();
        let body = reader.next_body().map_err(|_| Lost)?;
        body.map(|body| decode(body).map_err(|_| Lost)).transpose()
    }

    /// Reads until the socket has nothing more.
    fn fill(&self) -> Result<(), Lost> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Err(Lost),
                Ok(read) => self.reader.borrow_mut().push(&buffer[..read]),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(_) => return Err(Lost),
            }
        }
    }

    fn wait_for(&self, events: PollFlags) -> Result<(), Lost> {
        let mut descriptors = [PollFd::new(self.socket.get_ref().as_fd(), events)];
        match poll(&mut descriptors, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(_) => Err(Lost),
        }
    }
}
