//! Ports of loopback.

use std::net::Ipv4Addr;

use tokio::net::TcpSocket;

/// A port of loopback at which every connection is refused: its socket has the
/// address, so that nobody else gets it, and does not listen.
pub struct ClosedPort {
    pub number: u16,
    _socket: TcpSocket,
}

impl ClosedPort {
    #[track_caller]
    pub fn take() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a loopback port");
        let number = socket.local_addr().expect("an address").port();
        Self { number, _socket: socket }
    }
}
