//! JSON Web Tokens as an issuer signs them, and its keys, in a file or on loopback.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://issuer.example";

/// `/mcp` as the clients of these tests are told to see it, and the audience.
pub const PUBLIC_URL: &str = "https://conductor.example/mcp";

/// For these tests only, as is [`OTHER_KEY`].
pub const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvKDu+M/r0jVavb5A
BdWe7RtCFzfP50Sd9IlxPj/weXOhRANCAAS9DqQUPse6LDpC7+vLKhTXHawWAWgV
Jh3tjkxiHC0FbG3Fy/ELxikfIKs1c2woX3PDW2GBM6M7i/k+oX1icFkU
-----END PRIVATE KEY-----
";

pub const OTHER_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg713B84I89puh23H4
WFzJ19z/fxG9LzD0LIH1nRx/AWGhRANCAASdWi3MImOh5K91TC689xaLyImitHCx
tjCVhvUvcT9MklgGYHyo2zjZQm4dkrDpDI45NWNRbyt1En7aXVjYZJkJ
-----END PRIVATE KEY-----
";

/// The public half of [`KEY`].
pub fn key() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": "first", "use": "sig", "alg": "ES256",
        "x": "vQ6kFD7Huiw6Qu_ryyoU1x2sFgFoFSYd7Y5MYhwtBWw",
        "y": "bcXL8QvGKR8gqzVzbChfc8NbYYEzozuL-T6hfWJwWRQ",
    })
}

/// The public half of [`OTHER_KEY`].
pub fn other_key() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": "second", "use": "sig", "alg": "ES256",
        "x": "nVotzCJjoeSvdUwuvPcWi8iJorRwsbYwlYb1L3E_TJI",
        "y": "WAZgfKjbONlCbh2SsOkMjjk1Y1FvK3USftpdWNhkmQk",
    })
}

/// Seconds since 1970, and these more.
pub fn seconds(more: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("64 bits") + more
}

/// What a good token says.
pub fn claims(subject: &str) -> Value {
    json!({
        "iss": ISSUER, "aud": PUBLIC_URL, "sub": subject,
        "iat": seconds(0), "exp": seconds(600), "scope": "openid mcp:run",
    })
}

/// The claims of a good token with one that is different.
pub fn claims_but(name: &str, value: Value) -> Value {
    let mut claims = claims("ada");
    claims[name] = value;
    claims
}

/// The claims of a good token without one.
pub fn claims_without(name: &str) -> Value {
    let mut claims = claims("ada");
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

/// A token with these claims.
pub fn signed(claims: &Value) -> String {
    signed_by(KEY, "first", claims)
}

pub fn signed_by(key: &str, id: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(id.to_owned());
    let key = EncodingKey::from_ec_pem(key.as_bytes()).expect("a key");
    encode(&header, claims, &key).expect("a token")
}

/// Answers every request with the same text of JSON, until the test process ends.
pub struct TextServer {
    pub port: u16,
    text: Arc<Mutex<String>>,
    count: Arc<AtomicUsize>,
}

impl TextServer {
    pub fn start(text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let port = listener.local_addr().expect("an address").port();
        let text = Arc::new(Mutex::new(text.to_owned()));
        let count = Arc::new(AtomicUsize::new(0));
        let (answered, counted) = (text.clone(), count.clone());
        spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let text = answered.lock().unwrap().clone();
                // A client may go away before it has read all: its test notices.
                spawn(move || answer(&stream, &text));
            }
        });
        Self { port, text, count }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/keys", self.port)
    }

    pub fn says(&self, text: &str) {
        text.clone_into(&mut self.text.lock().unwrap());
    }

    /// Requests so far.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: &TcpStream, text: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{text}", text.len())
}
