//! HTTP/1.1 servers on loopback, a thread for each connection. They do as they
//! are asked and check nothing: what programs reach of them is what is tested.

use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Never granted, but in one case: whoever connects has got through.
pub static P1: LazyLock<Loopback> = LazyLock::new(|| Loopback::start("P1-CANARY"));

/// Granted in most cases.
pub static P2: LazyLock<Loopback> = LazyLock::new(|| Loopback::start("P2"));

/// Another origin, granted where a case needs two.
pub static P3: LazyLock<Loopback> = LazyLock::new(|| Loopback::start("P3"));

pub struct Loopback {
    pub port: u16,
    accepted: Arc<Accepted>,
    /// Connections that [`Self::connections`] made; locked while it makes one.
    own: Mutex<usize>,
    open: Arc<AtomicUsize>,
}

/// Who connected, in the order of the connections.
#[derive(Default)]
struct Accepted {
    peers: Mutex<Vec<SocketAddr>>,
    more: Condvar,
}

impl Accepted {
    fn push(&self, peer: SocketAddr) {
        self.peers.lock().unwrap().push(peer);
        self.more.notify_all();
    }

    /// How many had connected when `peer` had, but none of the first `known` is it.
    fn up_to(&self, peer: SocketAddr, known: usize) -> usize {
        let at = |peers: &[SocketAddr]| peers[known..].iter().position(|one| *one == peer);
        let peers = self.peers.lock().unwrap();
        let bound = Duration::from_secs(60);
        let waiting = |peers: &mut Vec<SocketAddr>| at(peers).is_none();
        let (peers, _) = self.more.wait_timeout_while(peers, bound, waiting).unwrap();
        known + at(&peers).expect("the server accepts its connections") + 1
    }
}

/// Requests of `/next`: after each of them `/chunks` goes on once.
struct Next {
    requests: Sender<()>,
    waited_for: Mutex<Receiver<()>>,
}

impl Next {
    fn new() -> Self {
        let (requests, waited_for) = mpsc::channel();
        Self { requests, waited_for: Mutex::new(waited_for) }
    }

    fn wait(&self) -> io::Result<()> {
        let bound = Duration::from_secs(60);
        self.waited_for.lock().unwrap().recv_timeout(bound).map_err(io::Error::other)
    }
}

impl Loopback {
    pub fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(Accepted::default());
        let open = Arc::new(AtomicUsize::new(0));
        let own = Mutex::default();
        let server = Self { port, accepted: Arc::clone(&accepted), own, open: Arc::clone(&open) };
        let next = Arc::new(Next::new());
        std::thread::spawn(move || {
            loop {
                let Ok((stream, peer)) = listener.accept() else { continue };
                open.fetch_add(1, Ordering::SeqCst);
                accepted.push(peer);
                let (open, next) = (Arc::clone(&open), Arc::clone(&next));
                std::thread::spawn(move || {
                    // A client that goes away is none of the server's errors.
                    let _ = serve(&stream, name, &next);
                    drop(stream);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    /// Connections since the start, each that a client has seen succeed among them:
    /// connect(2) succeeds before the server accepts, so this makes a connection of
    /// its own, which is accepted after them, and waits for it.
    pub fn connections(&self) -> usize {
        let mut own = self.own.lock().unwrap();
        let known = self.accepted.peers.lock().unwrap().len();
        let last = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let all = self.accepted.up_to(last.local_addr().unwrap(), known);
        *own += 1;
        all - *own
    }

    /// Connections that are not closed yet.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

struct Request {
    method: String,
    target: String,
    /// As they came, a line each.
    headers: String,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let (mut line, mut headers) = (String::new(), String::new());
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, target) = (word(), word());
        let (mut length, mut chunked) = (0, false);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim_end();
            if header.is_empty() {
                break;
            }
            let lower = header.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            chunked |= lower == "transfer-encoding: chunked";
            headers += &format!("{header}\n");
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        while chunked {
            // RFC 9112, 7.1: a size in hexadecimal, the bytes, a line end; 0 is the last.
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            body.extend_from_slice(&chunk[..size]);
            chunked = size > 0;
        }
        Ok(Self { method, target, headers, body })
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let url = url::Url::parse("http://x/").ok()?.join(&self.target).ok()?;
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    fn echo(&self) -> String {
        let Self { method, target, headers, body } = self;
        format!("{method} {target}\n{headers}\n{}", String::from_utf8_lossy(body))
    }
}

fn serve(stream: &TcpStream, name: &str, next: &Next) -> io::Result<()> {
    let request = Request::read(stream)?;
    if name == "P1-CANARY" {
        return text(stream, &format!("{name}\n{}", request.echo()));
    }
    match request.path() {
        "/hello" => text(stream, &format!("{name}-HELLO")),
        "/echo" => text(stream, &request.echo()),
        "/json" => answer(stream, "200 OK", "content-type: application/json\r\n", b"{\"a\":[1,2]}"),
        "/headers" => {
            let headers = "x-one: 1\r\nx-two: a\r\nx-two: b\r\nset-cookie: a=1\r\n\
                set-cookie: b=2\r\n";
            answer(stream, "200 OK", headers, b"")
        }
        "/setcookie" => answer(stream, "200 OK", "set-cookie: jar=1\r\n", b"set"),
        "/redirect" => {
            let to = request.parameter("to").unwrap_or_default();
            let code = request.parameter("code").unwrap_or_else(|| "302".to_owned());
            redirect(stream, &code, &to)
        }
        "/loop" => redirect(stream, "302", "/loop"),
        "/mod.js" => {
            let headers = "content-type: text/javascript\r\n";
            answer(stream, "200 OK", headers, format!("export default '{name}-MOD'").as_bytes())
        }
        "/gzip" => answer(stream, "200 OK", "content-encoding: gzip\r\n", &gzip(b"unpacked")),
        "/gzipbomb" => gzip_bomb(stream),
        "/zstd" => {
            let window = request.parameter("window").and_then(|log| log.parse().ok());
            answer(stream, "200 OK", "content-encoding: zstd\r\n", &zstd(window.unwrap_or(20)))
        }
        // Nothing, with a window of 16 MiB and with a "large window" of as much.
        "/brotli" => answer(stream, "200 OK", "content-encoding: br\r\n", &[0x3f]),
        "/large-brotli" => answer(stream, "200 OK", "content-encoding: br\r\n", &[0x11, 0xd8]),
        "/chunks" => chunks(stream, next),
        "/next" => {
            next.requests.send(()).map_err(io::Error::other)?;
            text(stream, "")
        }
        "/big" => big(stream),
        "/slow" => slow(stream),
        "/byte" => byte(stream),
        "/hang" => hang(stream),
        path => {
            let code = path.strip_prefix("/status/").unwrap_or("404");
            answer(stream, &format!("{code} Said So"), "", b"status")
        }
    }
}

fn head(mut stream: &TcpStream, status: &str, headers: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n")
}

fn answer(mut stream: &TcpStream, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    // RFC 9110, 8.6: none with 204, and 304 has no body.
    let length = match status.split(' ').next() {
        Some("204" | "304") => String::new(),
        _ => format!("content-length: {}\r\n", body.len()),
    };
    head(stream, status, &format!("{headers}{length}"))?;
    if length.is_empty() { Ok(()) } else { stream.write_all(body) }
}

fn text(stream: &TcpStream, body: &str) -> io::Result<()> {
    answer(stream, "200 OK", "content-type: text/plain\r\n", body.as_bytes())
}

fn redirect(stream: &TcpStream, code: &str, to: &str) -> io::Result<()> {
    answer(stream, &format!("{code} Over There"), &format!("location: {to}\r\n"), b"moved")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes it")
}

/// `unpacked`, in a frame with a window of so many bits (RFC 8878, section 3.1.1).
fn zstd(window: u8) -> Vec<u8> {
    let text = b"unpacked";
    let magic_and_descriptor = [0x28, 0xb5, 0x2f, 0xfd, 0];
    let last_raw_block = [(text.len() as u8) << 3 | 1, 0, 0];
    [&magic_and_descriptor[..], &[(window - 10) << 3], &last_raw_block, text].concat()
}

/// 1 GiB of zeros in about 5 MB.
fn gzip_bomb(stream: &TcpStream) -> io::Result<()> {
    head(stream, "200 OK", "content-encoding: gzip\r\n")?;
    let mut encoder = GzEncoder::new(stream, Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..1024 {
        encoder.write_all(&zeros)?;
    }
    encoder.finish().map(drop)
}

/// Three, each once the client has said that it read the one before it.
fn chunks(mut stream: &TcpStream, next: &Next) -> io::Result<()> {
    head(stream, "200 OK", "transfer-encoding: chunked\r\n")?;
    stream.set_nodelay(true)?;
    for chunk in ["one", "two", "six"] {
        write!(stream, "3\r\n{chunk}\r\n")?;
        next.wait()?;
    }
    write!(stream, "0\r\n\r\n")
}

fn big(mut stream: &TcpStream) -> io::Result<()> {
    head(stream, "200 OK", "")?;
    let chunk = vec![b'b'; 64 << 10];
    loop {
        stream.write_all(&chunk)?;
    }
}

/// A byte, and nothing after it.
fn byte(mut stream: &TcpStream) -> io::Result<()> {
    head(stream, "200 OK", "")?;
    stream.write_all(b"s")?;
    hang(stream)
}

/// Until the client has enough.
fn hang(mut stream: &TcpStream) -> io::Result<()> {
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

/// A byte a second, until the client goes away, which ends the read.
fn slow(mut stream: &TcpStream) -> io::Result<()> {
    head(stream, "200 OK", "content-type: text/plain\r\n")?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    loop {
        stream.write_all(b"s")?;
        match stream.read(&mut [0; 16]).map_err(|error| error.kind()) {
            // A socket with a time limit is interrupted by SIGCONT too, signal(7).
            Err(io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Ok(n) if n > 0 => {}
            _ => return Ok(()),
        }
    }
}
