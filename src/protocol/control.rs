//! How server, zygote and workers reach each other: the zygote's command line, the number
//! of its socket, the signal that stops a program, and the socket between server and
//! zygote, with one message a packet and a descriptor with it where the message says so.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::sandbox::sys;

/// The first argument of a zygote's command line.
pub(crate) const ZYGOTE_ARGUMENT: &str = "mcp-conductor-zygote";

/// The control socket's number in a zygote, and a worker's socket in a worker.
pub(crate) const CONTROL_FD: RawFd = 3;

/// Asks a worker to stop its program.
pub(crate) const STOP_SIGNAL: Signal = Signal::SIGUSR1;

/// Largest packet. A hello with its sandbox status is about 1 KiB.
const MAX_PACKET: usize = 16 << 10;

/// The two ends, both closed on exec.
pub(crate) fn control_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// A worker's socket: the worker's end and the server's.
pub(crate) fn worker_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)?)
}

/// Sends one message.
pub(crate) fn send_control<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    let raw: Vec<RawFd> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let rights = if raw.is_empty() { &[] } else { &rights[..] };
    loop {
        let sent = sendmsg::<()>(
            socket.as_raw_fd(),
            &[IoSlice::new(&bytes)],
            rights,
            MsgFlags::MSG_NOSIGNAL,
            None,
        );
        match sent {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Receives one message; `None` when the other side is gone.
pub(crate) fn receive_control<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
) -> io::Result<Option<(T, Option<OwnedFd>)>> {
    let mut buffer = vec![0; MAX_PACKET];
    let mut space = cmsg_space!(RawFd);
    let (length, descriptor) = loop {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let received = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        );
        match received {
            Ok(message) => {
                let mut descriptor = None;
                for control in message.cmsgs()? {
                    if let ControlMessageOwned::ScmRights(raw) = control {
                        // SAFETY: the kernel just made these descriptors for
                        // this process and nobody else knows them. Dropping
                        // all but the last closes them.
                        let mut owned: Vec<_> =
                            raw.into_iter().map(|fd| unsafe { sys::inherited(fd) }).collect();
                        descriptor = owned.pop();
                    }
                }
                break (message.bytes, descriptor);
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    if length == 0 {
        return Ok(None);
    }
    let message = postcard::from_bytes(&buffer[..length]).map_err(io::Error::other)?;
    Ok(Some((message, descriptor)))
}
