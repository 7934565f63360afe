//! `mcp-conductor healthcheck`: whether the server on this machine is alive. For
//! images that have neither a shell nor curl.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// For all of it. Below the 5 s after which the image's HEALTHCHECK is given up, so
/// that there is a text to read.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of the answer that are read: the status line, which is 17 bytes long
/// ("HTTP/1.1 200 OK" and its end), with room for a longer reason.
const MAX_STATUS_LINE: usize = 256;

/// Asks `/health` on loopback. Exit code 1 if it does not answer 200.
pub(crate) fn healthcheck(port: u16) -> ExitCode {
    match probe(port, Instant::now() + TIMEOUT) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("mcp-conductor: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn probe(port: u16, deadline: Instant) -> Result<(), String> {
    let mut stream = connect(port, deadline)?;
    let host = stream.peer_addr().map_err(|error| error.to_string())?;
    let line = ask(&mut stream, host, deadline)
        .map_err(|error| format!("http://{host}/health does not answer: {error}"))?;
    let code = line.split(' ').nth(1);
    if line.starts_with("HTTP/1.") && code == Some("200") {
        return Ok(());
    }
    Err(format!("http://{host}/health answers {line:?}, not 200"))
}

/// To the server on any address, or on one of loopback's.
fn connect(port: u16, deadline: Instant) -> Result<TcpStream, String> {
    let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port);
    TcpStream::connect_timeout(&v4, left(deadline)).or_else(|error| {
        TcpStream::connect_timeout(&v6, left(deadline))
            .map_err(|_| format!("nothing answers on {v4}: {error}"))
    })
}

/// The status line of the answer.
fn ask(stream: &mut TcpStream, host: SocketAddr, deadline: Instant) -> std::io::Result<String> {
    stream.set_write_timeout(Some(left(deadline)))?;
    let request = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut buffer = [0; MAX_STATUS_LINE];
    let mut length = 0;
    while length < buffer.len() && !buffer[..length].contains(&b'\n') {
        stream.set_read_timeout(Some(left(deadline)))?;
        match stream.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            // By SIGCONT, as from `docker unpause`: signal(7) on sockets with a time limit.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let text = String::from_utf8_lossy(&buffer[..length]);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Never zero, which the timeouts of a socket do not take.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What a probe says of a server that answers with this.
    fn answered(answer: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).unwrap();
            // The probe may have read enough.
            let _ = stream.write_all(answer);
            String::from_utf8(request[..read].to_vec()).unwrap()
        });
        let result = probe(port, Instant::now() + Duration::from_secs(30));
        let request = server.join().unwrap();
        let expected =
            format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        assert_eq!(request, expected);
        result.map_err(|problem| problem.replace(&port.to_string(), "PORT"))
    }

    #[test]
    fn a_server_that_answers_200_is_alive() {
        assert_eq!(answered(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"), Ok(()));
    }

    #[test]
    fn a_server_that_answers_otherwise_is_not() {
        let problem =
            "http://127.0.0.1:PORT/health answers \"HTTP/1.1 503 Service Unavailable\", not 200";
        assert_eq!(answered(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), Err(problem.into()));
    }

    #[test]
    fn an_answer_that_is_no_http_is_not_a_server() {
        let problem = "http://127.0.0.1:PORT/health answers \"SSH-2.0 200\", not 200";
        assert_eq!(answered(b"SSH-2.0 200\r\n"), Err(problem.into()));
    }

    #[test]
    fn an_answer_without_an_end_of_line_is_read_up_to_a_limit() {
        assert!(answered(&[b'x'; 200_000]).is_err_and(|problem| problem.len() < 400));
    }

    #[test]
    fn a_server_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let started = Instant::now();
        assert!(probe(port, started + Duration::from_millis(50)).is_err());
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn no_server_is_no_health() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert!(probe(port, Instant::now() + Duration::from_secs(30)).is_err());
    }
}
