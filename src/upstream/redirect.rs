//! Where a browser arrives after a login: a port of this machine that answers
//! until the right request has come (RFC 8252 section 7.3).

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// The path of the redirect URI.
const PATH: &str = "/callback";

/// Bytes of a request up to its empty line: what browsers send at most of cookies
/// (other ports of the address share them) and of the URL, with room.
const MAX_HEAD: usize = 64 << 10;

/// Concurrent connections. Browsers open one or two ahead of need.
const MAX_OPEN: usize = 16;

/// For a request that has begun to be sent, and for the answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the authorization server has sent the browser with.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Redirect {
    Code { code: String, issuer: Option<String> },
    Refused { error: String, description: Option<String> },
}

pub(super) struct Listener {
    socket: TcpListener,
    port: u16,
}

impl Listener {
    pub(super) async fn bind() -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = socket.local_addr()?.port();
        Ok(Self { socket, port })
    }

    /// The redirect URI. The address and not `localhost`, which may be another one
    /// (RFC 8252 section 8.3).
    pub(super) fn uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Waits for the redirect that has this `state`. Anybody on the machine, and any
    /// page in the browser, can send others: they are answered and do not count.
    pub(super) async fn wait(&self, state: &str) -> Redirect {
        let mut open = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.socket.accept(), if open.len() < MAX_OPEN => match accepted {
                    Ok((stream, _)) => open.push(serve(stream, state)),
                    // Too many descriptors, or a client that went away.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(redirect) = open.next() => {
                    if let Some(redirect) = redirect {
                        return redirect;
                    }
                }
            }
        }
    }
}

async fn serve(mut stream: TcpStream, state: &str) -> Option<Redirect> {
    let head = tokio::time::timeout(PATIENCE, read_head(&mut stream)).await.ok()??;
    let parsed = parse(&head, state);
    let page = match &parsed {
        Ok(Redirect::Code { .. }) => {
            page("200 OK", "Go back to the terminal, which shows whether the login succeeded.")
        }
        Ok(Redirect::Refused { .. }) => page("200 OK", "The login was refused."),
        Err(problem) => page(problem.status, problem.text),
    };
    let answering = async {
        stream.write_all(page.as_bytes()).await?;
        stream.shutdown().await
    };
    // Whether the browser takes the page does not matter.
    let _ = tokio::time::timeout(PATIENCE, answering).await;
    parsed.ok()
}

/// All of a request without a body, so that closing does not reset the connection
/// before the answer is read.
async fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while head.len() < MAX_HEAD {
        let read = stream.read(&mut chunk).await.ok()?;
        if read == 0 {
            return None;
        }
        let seen = head.len().saturating_sub(END.len() - 1);
        head.extend_from_slice(&chunk[..read]);
        if head[seen..].windows(END.len()).any(|window| window == END) {
            return Some(head);
        }
    }
    None
}

/// A request that is not the redirect.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    status: &'static str,
    text: &'static str,
}

const BAD: Problem =
    Problem { status: "400 Bad Request", text: "This is not the redirect of a login." };
const OTHER_METHOD: Problem =
    Problem { status: "405 Method Not Allowed", text: "A redirect is a GET." };
const NOT_HERE: Problem = Problem { status: "404 Not Found", text: "There is nothing here." };
const OTHER_LOGIN: Problem =
    Problem { status: "400 Bad Request", text: "This is the redirect of another login." };

fn parse(head: &[u8], state: &str) -> Result<Redirect, Problem> {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| BAD)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BAD);
    };
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return Err(BAD);
    }
    if method != "GET" {
        return Err(OTHER_METHOD);
    }
    let url = Url::parse(&format!("http://127.0.0.1{target}")).map_err(|_| BAD)?;
    if url.path() != PATH {
        return Err(NOT_HERE);
    }
    if parameter(&url, "state")?.as_deref() != Some(state) {
        return Err(OTHER_LOGIN);
    }
    match (parameter(&url, "code")?, parameter(&url, "error")?) {
        (Some(code), None) => Ok(Redirect::Code { code, issuer: parameter(&url, "iss")? }),
        (None, Some(error)) => {
            let description = parameter(&url, "error_description")?;
            Ok(Redirect::Refused { error, description })
        }
        _ => Err(BAD),
    }
}

/// A parameter, which is there once at most (RFC 6749 section 3.1).
fn parameter(url: &Url, name: &str) -> Result<Option<String>, Problem> {
    let mut values = url.query_pairs().filter(|pair| pair.0.as_ref() == name);
    let value = values.next().map(|pair| pair.1.into_owned());
    if values.next().is_some() {
        return Err(BAD);
    }
    Ok(value)
}

/// An answer with nothing in it that the request chose. The address of the page has
/// the code in it, which nobody else is to be told.
fn page(status: &str, text: &str) -> String {
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>MCP Conductor</title>\
         <p>{text}</p></html>\n"
    );
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
         Content-Security-Policy: default-src 'none'\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(target: &str) -> Result<Redirect, Problem> {
        parse(format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes(), "s1")
    }

    #[test]
    fn a_redirect_has_a_code_and_perhaps_an_issuer() {
        assert_eq!(
            parsed("/callback?code=a%2Bb&state=s1"),
            Ok(Redirect::Code { code: "a+b".to_owned(), issuer: None })
        );
        assert_eq!(
            parsed("/callback?state=s1&iss=https%3A%2F%2Fauth.example.com&code=c"),
            Ok(Redirect::Code {
                code: "c".to_owned(),
                issuer: Some("https://auth.example.com".to_owned()),
            })
        );
    }

    #[test]
    fn a_redirect_may_say_no() {
        assert_eq!(
            parsed("/callback?error=access_denied&error_description=Not+you&state=s1"),
            Ok(Redirect::Refused {
                error: "access_denied".to_owned(),
                description: Some("Not you".to_owned()),
            })
        );
        assert_eq!(
            parsed("/callback?error=access_denied&state=s1"),
            Ok(Redirect::Refused { error: "access_denied".to_owned(), description: None })
        );
    }

    #[test]
    fn another_state_or_none_is_another_login() {
        for target in [
            "/callback?code=c&state=s2",
            "/callback?code=c",
            "/callback?error=access_denied",
            "/callback",
            "/callback?code=c&state=S1",
        ] {
            assert_eq!(parsed(target), Err(OTHER_LOGIN), "{target}");
        }
    }

    #[test]
    fn parameters_are_there_once_and_make_sense() {
        for target in [
            "/callback?state=s1",
            "/callback?code=c&error=e&state=s1",
            "/callback?code=c&code=d&state=s1",
            "/callback?code=c&state=s1&state=s1",
            "/callback?code=c&state=s1&iss=a&iss=b",
        ] {
            assert_eq!(parsed(target), Err(BAD), "{target}");
        }
    }

    #[test]
    fn other_requests_are_none_of_a_login() {
        for target in ["/", "/favicon.ico", "//callback?code=c&state=s1", "/callback/?state=s1"] {
            assert_eq!(parsed(target), Err(NOT_HERE), "{target}");
        }
        for head in [
            &b""[..],
            b"\r\n\r\n",
            b"GET",
            b"GET /callback",
            b"GET /callback?code=c&state=s1 HTTP/2\r\n\r\n",
            b"GET /callback?code=c&state=s1 more HTTP/1.1\r\n\r\n",
            b"GET http://127.0.0.1/callback?code=c&state=s1 HTTP/1.1\r\n\r\n",
            b"GET @evil.example/callback HTTP/1.1\r\n\r\n",
            b"GET /callback?\xff HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01",
        ] {
            assert_eq!(parse(head, "s1"), Err(BAD), "{}", String::from_utf8_lossy(head));
        }
        let post = b"POST /callback?code=c&state=s1 HTTP/1.1\r\n\r\n";
        assert_eq!(parse(post, "s1"), Err(OTHER_METHOD));
    }

    /// Sends a request, and reads the status line of the answer.
    async fn ask(listener: &Listener, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", listener.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn only_the_right_redirect_ends_the_wait() {
        let listener = Listener::bind().await.unwrap();
        let browser = async {
            // Opened ahead of need, and never used.
            let _idle = TcpStream::connect(("127.0.0.1", listener.port)).await.unwrap();
            let mut answers = Vec::new();
            for target in ["/favicon.ico", "/callback?code=c&state=no", "/callback?code=c&state=s1"]
            {
                let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
                answers.push(ask(&listener, &request).await);
            }
            answers
        };
        let (redirect, answers) = tokio::join!(listener.wait("s1"), browser);
        assert_eq!(redirect, Redirect::Code { code: "c".to_owned(), issuer: None });
        assert_eq!(
            answers,
            ["HTTP/1.1 404 Not Found", "HTTP/1.1 400 Bad Request", "HTTP/1.1 200 OK"]
        );
    }

    #[tokio::test]
    async fn a_request_without_end_is_closed() {
        let listener = Listener::bind().await.unwrap();
        let sender = async {
            let mut stream = TcpStream::connect(("127.0.0.1", listener.port)).await.unwrap();
            let line = vec![b'a'; MAX_HEAD + 4096];
            let _ = stream.write_all(&line).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        };
        tokio::select! {
            _ = listener.wait("s1") => unreachable!("nobody redirects"),
            answer = sender => assert_eq!(answer, b""),
        }
    }
}
