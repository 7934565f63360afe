//! HTTP/1.1 over a socket (RFC 9112) and server-sent events, as much of them as
//! these tests need: what is sent is what was asked for, byte for byte.

use std::io::{self, BufRead as _, BufReader, Error, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::waiting::PATIENCE;

/// A request that has not been sent yet.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// Without headers. `Host` and `Content-Length` are added when it is sent,
    /// unless it has some.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// What a client of MCP sends that has no session and names no version.
    pub fn post(body: impl Into<Vec<u8>>) -> Self {
        let mut request = Self::new("POST", "/mcp")
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream");
        request.body = body.into();
        request
    }

    /// With a header, instead of those of its name.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// With one more header, whatever others there are.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    /// As it is sent to a port of this machine.
    pub fn bytes(&self, port: u16) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.has("host") {
            head.push_str(&format!("Host: 127.0.0.1:{port}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let is_framed = self.has("content-length") || self.has("transfer-encoding");
        if !is_framed && (self.method == "POST" || !self.body.is_empty()) {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}

/// An answer, or its head if the body has not been read yet.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {} {}", self.status, self.text()))
    }

    fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// JSON-RPC messages: of events, or the body.
    pub fn messages(&self) -> Vec<Value> {
        if self.is_stream() {
            let text = self.text();
            let events = text.split("\n\n").filter_map(Event::parse);
            return events.filter_map(|event| event.message()).collect();
        }
        serde_json::from_slice(&self.body).into_iter().collect()
    }

    /// The JSON-RPC response: the message without a method.
    #[track_caller]
    pub fn answer(&self) -> Value {
        let mut messages = self.messages().into_iter();
        let answer = messages.find(|message| message.get("method").is_none());
        answer.unwrap_or_else(|| panic!("no answer: {} {}", self.status, self.text()))
    }
}

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub id: Option<String>,
    pub retry: Option<u64>,
    pub data: String,
}

impl Event {
    /// What stands between blank lines; none if it is only a comment.
    fn parse(block: &str) -> Option<Self> {
        let mut event = Self::default();
        let mut data: Vec<&str> = Vec::new();
        for line in block.lines() {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" => event.id = Some(value.to_owned()),
                "retry" => event.retry = value.parse().ok(),
                "data" => data.push(value),
                _ => {}
            }
        }
        event.data = data.join("\n");
        (event != Self::default()).then_some(event)
    }

    pub fn message(&self) -> Option<Value> {
        serde_json::from_str(&self.data).ok()
    }
}

/// How much of the body is still to come.
enum Framing {
    Length(usize),
    /// Bytes left in this chunk.
    Chunked(usize),
    UntilClosed,
    Ended,
}

/// A connection to a port of this machine, closed when dropped.
pub struct Connection {
    port: u16,
    reader: BufReader<TcpStream>,
    framing: Framing,
    /// What was read of an event that has not come to its end.
    pending: Vec<u8>,
    /// Whether the last request was HEAD: its answer has no body.
    without_body: bool,
}

impl Connection {
    #[track_caller]
    pub fn open(port: u16) -> Self {
        Self::try_open(port).expect("a connection")
    }

    pub fn try_open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            port,
            reader: BufReader::new(stream),
            framing: Framing::Ended,
            pending: Vec::new(),
            without_body: false,
        })
    }

    /// The longest wait for bytes from now on.
    pub fn patience(&self, limit: Duration) {
        self.reader.get_ref().set_read_timeout(Some(limit)).expect("a timeout");
    }

    /// Sends bytes. The server may have closed its side.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Sends a request. The server may answer and close before it has read all.
    pub fn send(&mut self, request: &Request) {
        self.without_body = request.method == "HEAD";
        let bytes = request.bytes(self.port);
        let _ = self.write(&bytes);
    }

    /// Sends a request and reads its answer to the end.
    #[track_caller]
    pub fn exchange(&mut self, request: &Request) -> Response {
        self.send(request);
        let answer = self.receive();
        answer.unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.path))
    }

    /// An answer, to its end.
    pub fn receive(&mut self) -> io::Result<Response> {
        let mut response = self.head()?;
        loop {
            let piece = self.piece()?;
            if piece.is_empty() {
                return Ok(response);
            }
            response.body.extend_from_slice(&piece);
        }
    }

    /// An answer's head. Interim answers (1xx) are passed over.
    pub fn head(&mut self) -> io::Result<Response> {
        loop {
            let line = self.line()?;
            let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
            let Some(status) = status.filter(|_| line.starts_with("HTTP/1.")) else {
                return Err(Error::new(ErrorKind::InvalidData, format!("no status: {line}")));
            };
            let mut response = Response { status, headers: Vec::new(), body: Vec::new() };
            loop {
                let line = self.line()?;
                let Some((name, value)) = line.split_once(':') else { break };
                response.headers.push((name.to_owned(), value.trim().to_owned()));
            }
            if status >= 200 {
                self.framing = self.framing_of(&response);
                self.pending.clear();
                return Ok(response);
            }
        }
    }

    /// RFC 9112, section 6.3.
    fn framing_of(&self, response: &Response) -> Framing {
        let length = response.header("content-length").and_then(|length| length.parse().ok());
        match (self.without_body, response.status) {
            (true, _) | (_, 204 | 304) => Framing::Ended,
            _ if response.header("transfer-encoding").is_some() => Framing::Chunked(0),
            _ => length.map_or(Framing::UntilClosed, Framing::Length),
        }
    }

    /// A line without its end.
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        if self.reader.read_until(b'\n', &mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Some of the body, as it comes; nothing at its end.
    pub fn piece(&mut self) -> io::Result<Vec<u8>> {
        if let Framing::Chunked(0) = self.framing {
            self.framing = self.next_chunk()?;
        }
        let most = match self.framing {
            Framing::Length(0) | Framing::Ended => 0,
            Framing::Length(left) | Framing::Chunked(left) => left,
            Framing::UntilClosed => usize::MAX,
        };
        if most == 0 {
            self.framing = Framing::Ended;
            return Ok(Vec::new());
        }
        let mut piece = vec![0; most.min(64 << 10)];
        let length = self.some(&mut piece)?;
        piece.truncate(length);
        match &mut self.framing {
            Framing::UntilClosed => {}
            _ if length == 0 => return Err(ErrorKind::UnexpectedEof.into()),
            Framing::Length(left) => *left -= length,
            Framing::Chunked(left) => {
                *left -= length;
                if *left == 0 {
                    self.line()?;
                }
            }
            Framing::Ended => unreachable!("nothing is read then"),
        }
        Ok(piece)
    }

    /// Reads some bytes. A socket with a time limit is interrupted by SIGCONT too, signal(7).
    fn some(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn next_chunk(&mut self) -> io::Result<Framing> {
        let line = self.line()?;
        let size = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16)
            .map_err(|error| Error::new(ErrorKind::InvalidData, format!("{error}: {line}")))?;
        if size == 0 {
            while !self.line()?.is_empty() {}
            return Ok(Framing::Ended);
        }
        Ok(Framing::Chunked(size))
    }

    /// The next event of a stream; none at its end. Comments, which keep a connection
    /// alive, are passed over, but not for ever.
    pub fn event(&mut self) -> io::Result<Option<Event>> {
        let end = Instant::now() + 2 * PATIENCE;
        while Instant::now() < end {
            if let Some(end) = self.pending.windows(2).position(|bytes| bytes == b"\n\n") {
                let block: Vec<u8> = self.pending.drain(..end + 2).collect();
                if let Some(event) = Event::parse(&String::from_utf8_lossy(&block)) {
                    return Ok(Some(event));
                }
                continue;
            }
            let piece = self.piece()?;
            if piece.is_empty() {
                return Ok(None);
            }
            self.pending.extend_from_slice(&piece);
        }
        Err(ErrorKind::TimedOut.into())
    }

    /// The next JSON-RPC message of a stream; none at its end.
    pub fn message(&mut self) -> io::Result<Option<Value>> {
        loop {
            let Some(event) = self.event()? else { return Ok(None) };
            if let Some(message) = event.message() {
                return Ok(Some(message));
            }
        }
    }

    /// The next message of a stream that fits; those before it are passed over.
    #[track_caller]
    pub fn message_where(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.message().expect("a stream").expect("it goes on");
            if fits(&message) {
                return message;
            }
        }
    }

    /// What comes until the server closes the connection, or says nothing for a time.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.reader.read_to_end(&mut rest);
        rest
    }

    /// Whether the server has closed its side. Waits for that at most for a time.
    pub fn closes_within(&mut self, limit: Duration) -> bool {
        self.patience(limit);
        let mut byte = [0; 1];
        loop {
            match self.some(&mut byte) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                }
            }
        }
    }
}
