//! `mcp-conductor login`: against a server that wants OAuth, with the test as the
//! browser; then the tools of that server.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::support::command::{Ended, binary, ended};
use crate::support::directory::{Directory, TemporaryFile};

/// How the authorization server behaves.
#[derive(Clone, Copy, Default)]
struct Manner {
    /// Publishes nothing.
    silent: bool,
    /// Sends users back with an error.
    refuses: bool,
    /// Its first tokens expire at once.
    expires: bool,
    /// Takes no refresh token.
    revoked: bool,
    /// Gives clients a secret, and wants it.
    secret: bool,
}

/// `client-1:secret-1`.
const BASIC: &str = "Basic Y2xpZW50LTE6c2VjcmV0LTE=";

/// An authorization server and an MCP server, at one address.
struct Fake {
    base: String,
    manner: Manner,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    redirect: String,
    challenge: String,
    /// Tokens are `access-N` and `refresh-N`.
    issued: u32,
}

struct Request {
    method: String,
    url: Url,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &TcpStream, base: &str) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let url = Url::parse(&format!("{base}{target}")).ok()?;
        Some(Self { method, url, headers, body })
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn form(&self) -> HashMap<String, String> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

struct Answer(&'static str, Vec<(&'static str, String)>, Value);

impl Fake {
    fn start(manner: Manner) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let fake = Arc::new(Self { base, manner, state: Mutex::default() });
        let server = fake.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || server.serve(stream));
            }
        });
        fake
    }

    fn serve(&self, mut stream: TcpStream) {
        let Some(request) = Request::read(&stream, &self.base) else { return };
        let Answer(status, headers, body) = self.answer(&request);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = body.len();
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"));
        let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
    }

    fn answer(&self, request: &Request) -> Answer {
        let base = &self.base;
        let ok = |body| Answer("200 OK", vec![], body);
        match (request.method.as_str(), request.url.path()) {
            (_, "/mcp") => self.mcp(request),
            _ if self.manner.silent => Answer("404 Not Found", vec![], Value::Null),
            ("GET", "/.well-known/oauth-protected-resource/mcp") => ok(json!({
                "resource": format!("{base}/mcp"),
                "authorization_servers": [base],
                "scopes_supported": ["tools"],
            })),
            ("GET", "/.well-known/oauth-authorization-server") => ok(json!({
                "issuer": base,
                "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/token"),
                "registration_endpoint": format!("{base}/register"),
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": true,
            })),
            ("POST", "/register") => {
                let mut client = request.json();
                client["client_id"] = "client-1".into();
                if self.manner.secret {
                    client["client_secret"] = "secret-1".into();
                }
                Answer("201 Created", vec![], client)
            }
            ("GET", "/authorize") => self.authorize(request),
            ("POST", "/token") => match self.token(request) {
                Ok(tokens) => ok(tokens),
                Err(error) => Answer("400 Bad Request", vec![], json!({ "error": error })),
            },
            _ => Answer("404 Not Found", vec![], Value::Null),
        }
    }

    fn authorize(&self, request: &Request) -> Answer {
        let asked: HashMap<String, String> = request.url.query_pairs().into_owned().collect();
        let resource = format!("{}/mcp", self.base);
        let fits = asked["response_type"] == "code"
            && asked["client_id"] == "client-1"
            && asked["code_challenge_method"] == "S256"
            && asked["scope"] == "tools"
            && asked["resource"] == resource;
        if !fits {
            return Answer("400 Bad Request", vec![], json!(asked));
        }
        let mut back = Url::parse(&asked["redirect_uri"]).expect("a redirect URI");
        back.query_pairs_mut().append_pair("state", &asked["state"]);
        if self.manner.refuses {
            back.query_pairs_mut()
                .append_pair("error", "access_denied")
                .append_pair("error_description", "Not you");
        } else {
            back.query_pairs_mut().append_pair("code", "code-1").append_pair("iss", &self.base);
        }
        let mut state = self.state.lock().unwrap();
        state.redirect = asked["redirect_uri"].clone();
        state.challenge = asked["code_challenge"].clone();
        Answer("302 Found", vec![("Location", back.into())], Value::Null)
    }

    fn token(&self, request: &Request) -> Result<Value, &'static str> {
        let form = request.form();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let known = if self.manner.secret {
            request.headers.get("authorization").is_some_and(|header| header == BASIC)
        } else {
            field("client_id") == "client-1"
        };
        if !known {
            return Err("invalid_client");
        }
        if field("resource") != format!("{}/mcp", self.base) {
            return Err("invalid_target");
        }
        let mut state = self.state.lock().unwrap();
        let fits = match field("grant_type") {
            "authorization_code" => {
                field("code") == "code-1"
                    && field("redirect_uri") == state.redirect
                    && base64url(&Sha256::digest(field("code_verifier"))) == state.challenge
            }
            "refresh_token" => {
                !self.manner.revoked
                    && field("refresh_token") == format!("refresh-{}", state.issued)
            }
            _ => return Err("unsupported_grant_type"),
        };
        if !fits {
            return Err("invalid_grant");
        }
        state.issued += 1;
        let number = state.issued;
        let expires = self.manner.expires && number == 1;
        Ok(json!({
            "access_token": format!("access-{number}"),
            "refresh_token": format!("refresh-{number}"),
            "token_type": "Bearer",
            "expires_in": if expires { 1 } else { 3600 },
        }))
    }

    fn mcp(&self, request: &Request) -> Answer {
        let issued = self.state.lock().unwrap().issued;
        let token = format!("access-{issued}");
        if issued == 0 || request.headers.get("authorization") != Some(&format!("Bearer {token}")) {
            let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", self.base);
            let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
            return Answer("401 Unauthorized", vec![("WWW-Authenticate", challenge)], Value::Null);
        }
        if request.method != "POST" {
            return Answer("405 Method Not Allowed", vec![], Value::Null);
        }
        let message = request.json();
        let Some(id) = message.get("id") else {
            return Answer("202 Accepted", vec![], Value::Null);
        };
        let result = match message["method"].as_str().unwrap_or_default() {
            "initialize" => json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "fake", "version": "1" },
            }),
            "tools/list" => json!({
                "tools": [{ "name": "whoami", "inputSchema": { "type": "object" } }],
            }),
            "tools/call" => json!({ "content": [{ "type": "text", "text": token }] }),
            "ping" => json!({}),
            _ => {
                let error = json!({ "code": -32601, "message": "Method not found" });
                let body = json!({ "jsonrpc": "2.0", "id": id, "error": error });
                return Answer("200 OK", vec![], body);
            }
        };
        Answer("200 OK", vec![], json!({ "jsonrpc": "2.0", "id": id, "result": result }))
    }
}

/// RFC 4648 section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * place)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

/// A home directory with a configuration, which goes away with the value.
struct Home(Directory);

impl Home {
    fn new(servers: Option<&Value>) -> Self {
        let home = Self(Directory::in_target("login"));
        std::fs::create_dir(home.0.path(".mcp-conductor")).expect("a directory");
        if let Some(servers) = servers {
            let text = json!({ "mcpServers": servers }).to_string();
            std::fs::write(home.0.path(".mcp-conductor/mcp.json"), text).expect("a configuration");
        }
        home
    }

    fn of(fake: &Fake) -> Self {
        let url = format!("{}/mcp", fake.base);
        Self::new(Some(&json!({ "up": { "type": "http", "url": url } })))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary(arguments);
        command.env("HOME", self.0.root());
        command
    }

    fn tokens(&self) -> PathBuf {
        self.0.path(".mcp-conductor/tokens")
    }

    /// The one file of tokens.
    fn token_file(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.tokens()).expect("a directory of tokens");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }

    /// Logs in, with what `browse` does at the address that is shown.
    fn log_in(&self, browse: impl FnOnce(&str)) -> Ended {
        let mut child = self
            .command(&["login", "up"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut stdout = String::new();
        let mut browse = Some(browse);
        loop {
            let mut line = String::new();
            if output.read_line(&mut line).expect("UTF-8") == 0 {
                break;
            }
            stdout.push_str(&line);
            if line.trim().starts_with("http://")
                && let Some(browse) = browse.take()
            {
                browse(line.trim());
            }
        }
        let ended = child.wait_with_output().expect("the binary ends");
        let stderr = String::from_utf8(ended.stderr).expect("UTF-8");
        Ended { code: ended.status.code(), stdout, stderr }
    }

    /// The names of the server's tools and the token that a call of one arrives with.
    fn ask(&self) -> Result<Value, Ended> {
        let program = TemporaryFile::new(
            "const up = await mcpFactory.load('up');
             [(await up.listTools()).map((tool) => tool.name), await callTool('up', 'whoami', {})]",
        );
        let done = ended(&mut self.command(&["run", program.path()]));
        match done.code {
            Some(0) => Ok(serde_json::from_str(&done.stdout).expect("JSON")),
            _ => Err(done),
        }
    }
}

/// The status, the Location if there is one, and the body.
fn get(address: &str) -> (u16, Option<String>, String) {
    let url = Url::parse(address).expect("a URL");
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut stream = TcpStream::connect(authority).expect("a connection");
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {authority}\r\nAccept: text/html\r\n\r\n")
        .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let location = head.lines().find_map(|line| line.strip_prefix("Location: "));
    (status, location.map(str::to_owned), body.to_owned())
}

/// What a browser does: it follows the redirect. The last status and page.
fn browse(address: &str) -> (u16, String) {
    let (status, location, body) = get(address);
    assert_eq!(status, 302, "{body}");
    let (status, _, page) = get(&location.expect("a Location"));
    (status, page)
}

fn accept(address: &str) {
    let (status, page) = browse(address);
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Go back to the terminal"), "{page}");
}

#[test]
fn who_has_logged_in_has_the_tools() {
    let fake = Fake::start(Manner::default());
    let home = Home::of(&fake);
    let before = home.ask().expect_err("nobody has logged in");
    assert!(before.stderr.contains("mcp-conductor login"), "{before:?}");

    let done = home.log_in(accept);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let (first, last) =
        (done.stdout.lines().next().unwrap(), done.stdout.lines().next_back().unwrap());
    assert_eq!(first, "Open this in a browser on this machine to log in to up:");
    assert_eq!(last, "Logged in to up. Servers use it when they connect next.");

    assert_eq!(home.ask().expect("tools"), json!([["whoami"], "access-1"]));
    assert_eq!(home.ask().expect("tools again"), json!([["whoami"], "access-1"]));
}

#[test]
fn tokens_are_for_their_owner_and_are_not_printed() {
    let fake = Fake::start(Manner::default());
    let home = Home::of(&fake);
    let done = home.log_in(accept);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&home.tokens()), mode(&home.token_file())), (0o700, 0o600));
    let saved = std::fs::read_to_string(home.token_file()).unwrap();
    assert!(saved.contains("access-1") && saved.contains("refresh-1"), "{saved}");
    let printed = done.stdout + done.stderr.as_str();
    for secret in ["access-1", "refresh-1", "code-1"] {
        assert!(!printed.contains(secret), "{printed}");
    }

    std::fs::set_permissions(home.token_file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = home.ask().expect_err("others may read them");
    assert!(refused.stderr.contains("is open to other users"), "{refused:?}");
}

#[test]
fn tokens_that_expire_are_refreshed_and_kept() {
    for secret in [false, true] {
        let fake = Fake::start(Manner { expires: true, secret, ..Manner::default() });
        let home = Home::of(&fake);
        assert_eq!(home.log_in(accept).code, Some(0));
        assert_eq!(home.ask().expect("tools"), json!([["whoami"], "access-2"]));
        let saved = std::fs::read_to_string(home.token_file()).unwrap();
        assert!(saved.contains("refresh-2") && !saved.contains("refresh-1"), "{saved}");
        assert_eq!(home.ask().expect("tools again"), json!([["whoami"], "access-2"]));
        assert_eq!(fake.state.lock().unwrap().issued, 2);
    }
}

#[test]
fn tokens_that_are_not_refreshed_want_another_login() {
    let fake = Fake::start(Manner { expires: true, revoked: true, ..Manner::default() });
    let home = Home::of(&fake);
    assert_eq!(home.log_in(accept).code, Some(0));
    // The server has no use for the first one any more.
    fake.state.lock().unwrap().issued = 5;
    let done = home.ask().expect_err("no tokens");
    assert!(done.stderr.contains("mcp-conductor login"), "{done:?}");
}

#[test]
fn a_login_that_is_refused_keeps_nothing() {
    let fake = Fake::start(Manner { refuses: true, ..Manner::default() });
    let home = Home::of(&fake);
    let done = home.log_in(|address| {
        let (status, page) = browse(address);
        assert_eq!(status, 200);
        assert!(page.contains("The login was refused.") && !page.contains("Not you"), "{page}");
    });
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (Some(3), "mcp-conductor: the login was refused: Not you (access_denied)\n")
    );
    assert!(!home.tokens().exists());
}

#[test]
fn redirects_of_another_login_do_not_count() {
    let fake = Fake::start(Manner::default());
    let home = Home::of(&fake);
    let done = home.log_in(|address| {
        let asked = Url::parse(address).expect("a URL");
        let redirect = asked.query_pairs().find(|pair| pair.0 == "redirect_uri");
        let redirect = redirect.expect("a redirect URI").1.into_owned();
        assert!(redirect.starts_with("http://127.0.0.1:"), "{redirect}");
        for query in ["code=stolen&state=guessed", "code=stolen", "error=x", ""] {
            assert_eq!(get(&format!("{redirect}?{query}")).0, 400, "{query}");
        }
        assert_eq!(get(&redirect.replace("/callback", "/favicon.ico")).0, 404);
        accept(address);
    });
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(home.ask().expect("tools"), json!([["whoami"], "access-1"]));
}

#[test]
fn a_server_that_wants_no_login_is_told_from_one_that_does() {
    let fake = Fake::start(Manner { silent: true, ..Manner::default() });
    let home = Home::of(&fake);
    let done = ended(&mut home.command(&["login", "up"]));
    assert_eq!(done.code, Some(3));
    assert!(
        done.stderr.ends_with(
            "mcp-conductor: MCP server \"up\" does not say where to log in: it publishes no \
             OAuth metadata\n"
        ),
        "{done:?}"
    );
}

#[test]
fn only_servers_with_a_url_and_without_a_token_can_be_logged_in_to() {
    let home = Home::new(Some(&json!({
        "up": { "type": "http", "url": "http://127.0.0.1:9/mcp",
                "headers": { "authorization": "Bearer mine" } },
        "local": { "command": "cat" },
        "broken": { "command": "cat", "url": "http://127.0.0.1:9/mcp" },
    })));
    let refused = |name: &str| {
        let done = ended(&mut home.command(&["login", name]));
        assert_eq!((done.code, done.stdout.as_str()), (Some(3), ""));
        done.stderr
    };
    assert_eq!(
        refused("upp"),
        "mcp-conductor: MCP server \"upp\" not found. Did you mean \"up\"?\n"
    );
    assert_eq!(
        refused("local"),
        "mcp-conductor: MCP server \"local\" is a process: only a server with a \"url\" can ask \
         for a login\n"
    );
    assert_eq!(
        refused("up"),
        "mcp-conductor: MCP server \"up\" has an Authorization header in the configuration, which \
         is used instead of a login: remove it first\n"
    );
    let broken = refused("broken");
    assert!(broken.contains("mcp.json: \"broken\": "), "{broken}");

    let without = Home::new(None);
    assert_eq!(
        ended(&mut without.command(&["login", "up"])),
        Ended::refused("there is no configuration of MCP servers")
    );
}
