//! A server on a free port of loopback, and its clients of both eras.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use serde_json::{Value, json};

use super::fixture::{Home, WORKSPACE, below, within};
use super::wire::{Connection, PATIENCE, Request, Response};

pub const RUN: &str = "run_deno_code";

/// The version without sessions.
pub const MODERN: &str = "2026-07-28";

/// The last version with sessions.
pub const LEGACY: &str = "2025-11-25";

/// Where [`add_token`] writes, below a home directory.
pub const TOKENS: &str = "tokens.json";

/// Uses no CPU time and never ends.
pub const ENDLESS: &str = "await new Promise((resolve) => setTimeout(resolve, 600_000))";

/// A program that waits and returns `"done"`.
pub fn sleeper(millis: u32) -> String {
    format!("await new Promise((resolve) => setTimeout(resolve, {millis})); 'done'")
}

/// A statement that waits for a file in the program's workspace.
pub fn awaited(file: &str) -> String {
    format!(
        "while (!(await Deno.stat('{file}').then(() => true, () => false))) \
         await new Promise((resolve) => setTimeout(resolve, 20));"
    )
}

/// A program that waits for a file and returns `"done"`.
pub fn waiter(file: &str) -> String {
    format!("{} 'done'", awaited(file))
}

/// A server, killed at the end of its test. Its home goes with it.
pub struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
    pub port: u16,
    pub home: Home,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Server {
    /// A server with an environment of its own, which listens.
    #[track_caller]
    pub fn start(env: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::at(Home::empty(), env, arguments)
    }

    /// The same, with what is in a home directory.
    #[track_caller]
    pub fn at(home: Home, env: &[(&str, &str)], arguments: &[&str]) -> Self {
        match Self::try_at(home, env, arguments) {
            Ok(server) => server,
            Err(said) => panic!("it does not listen:\n{said}"),
        }
    }

    /// The same, or what a server said that does not listen.
    pub fn try_at(home: Home, env: &[(&str, &str)], arguments: &[&str]) -> Result<Self, String> {
        let mut child = serve(&home, env, arguments).spawn().expect("the binary starts");
        let log = logged(&mut child);
        let mut server = Self { child, log, port: 0, home };
        let listens = within(PATIENCE, || {
            server.port = port_in(&server.stderr()).unwrap_or(0);
            server.port != 0 || server.child.try_wait().expect("a child").is_some()
        });
        if listens && server.port != 0 { Ok(server) } else { Err(server.stderr()) }
    }

    /// A server for which `alice` has a token.
    #[track_caller]
    pub fn with_token(env: &[(&str, &str)]) -> (Self, String) {
        let home = Home::empty();
        let token = add_token(&home, "alice");
        let tokens = tokens_of(&home);
        let env: Vec<_> = env.iter().copied().chain([("MCP_CONDUCTOR_TOKENS", &*tokens)]).collect();
        (Self::at(home, &env, &[]), token)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Lines of stderr with all of these words.
    pub fn logged(&self, words: &[&str]) -> Vec<String> {
        let log = self.stderr();
        let lines = log.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        lines.map(str::to_owned).collect()
    }

    /// Waits until stderr has a line with all of these words.
    #[track_caller]
    pub fn logs(&self, words: &[&str]) {
        let logged = within(PATIENCE, || !self.logged(words).is_empty());
        assert!(logged, "{words:?} are not in one line of\n{}", self.stderr());
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).expect("the server lives");
    }

    /// The server's end, if it comes in time.
    pub fn ends_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let mut status = None;
        within(limit, || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status
    }

    /// The server's end, waited for.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let ended = self.ends_within(limit);
        ended.unwrap_or_else(|| panic!("the server does not end:\n{}", self.stderr()))
    }

    /// How many processes the server has.
    pub fn processes(&self) -> usize {
        below(self.pid()).len()
    }

    /// How many processes the server has while so many programs run and the worker
    /// stands by that each server of these tests has (see [`serve`]). A program runs
    /// until its process is gone.
    #[track_caller]
    pub fn settled_processes(&self, running: u32) -> usize {
        self.becomes(&[("executions_active", f64::from(running)), ("workers_standby", 1.0)]);
        self.processes()
    }

    /// Waits until series of `/metrics` have these values in one scrape.
    #[track_caller]
    pub fn becomes(&self, expected: &[(&str, f64)]) {
        let mut scrape = String::new();
        let is_so = within(PATIENCE, || {
            scrape = self.get("/metrics").text();
            expected.iter().all(|(name, value)| series(&scrape, name) == Some(*value))
        });
        assert!(is_so, "{expected:?} is not in\n{scrape}");
    }

    /// Writes a file that programs [wait for](awaited).
    #[track_caller]
    pub fn release(&self, file: &str) {
        self.home.write(&format!("{WORKSPACE}/{file}"), "");
    }

    /// Makes a token of this name in the file that [`tokens_of`] names.
    #[track_caller]
    pub fn token(&self, name: &str) -> String {
        add_token(&self.home, name)
    }

    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.port)
    }

    /// Sends bytes; what comes until the server closes or is silent for 5 s.
    #[track_caller]
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut connection = self.connect();
        connection.patience(Duration::from_secs(5));
        let _ = connection.write(bytes);
        String::from_utf8_lossy(&connection.rest()).into_owned()
    }

    /// Sends a request over a connection of its own.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Response {
        self.connect().exchange(request)
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.send(&Request::new("GET", path))
    }

    /// Posts a message to `/mcp`, as it is.
    #[track_caller]
    pub fn post(&self, message: &Value) -> Response {
        self.send(&Request::post(message.to_string()))
    }

    /// A client without sessions and without a token.
    pub fn client(&self) -> Client {
        Client { port: self.port, token: None }
    }

    pub fn client_as(&self, token: &str) -> Client {
        Client { port: self.port, token: Some(token.to_owned()) }
    }

    /// Runs a program; its execution.
    #[track_caller]
    pub fn call(&self, code: &str) -> Value {
        self.client().call(code)
    }

    /// The server still does what it is for.
    #[track_caller]
    pub fn works(&self) {
        assert_eq!(self.client().value("40 + 2"), 42);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(home: &Home, env: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut all = vec!["http"];
    if !arguments.iter().any(|argument| matches!(*argument, "-p" | "--port")) {
        all.extend(["-p", "0"]);
    }
    all.extend(arguments);
    let mut command = binary(home, &all);
    command.env("MCP_CONDUCTOR_STANDBY", "1").envs(env.iter().copied());
    command
}

/// The binary with an environment of its own.
pub fn binary(home: &Home, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-conductor"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home.root())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A command that must end by itself.
#[track_caller]
pub fn ended(mut command: Command) -> Ended {
    let child = command.spawn().expect("the binary starts");
    let pid = Pid::from_raw(child.id().cast_signed());
    let (sender, receiver) = std::sync::mpsc::channel();
    spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(PATIENCE) else {
        let _ = kill(pid, Signal::SIGKILL);
        panic!("it does not end: {command:?}");
    };
    let output = output.expect("its output");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A server that must not start: its exit code and what it says, without warnings
/// that belong to the machine.
#[track_caller]
pub fn refused(home: &Home, env: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = serve(home, &[("RUST_LOG", "error")], arguments);
    command.envs(env.iter().copied());
    let ended = ended(command);
    (ended.code, ended.stderr)
}

/// Makes a token of this name.
#[track_caller]
pub fn add_token(home: &Home, name: &str) -> String {
    let tokens = tokens_of(home);
    let done = ended(binary(home, &["token", "add", name, "--tokens", &tokens]));
    assert_eq!(done.code, Some(0), "{done:?}");
    done.stdout.trim().to_owned()
}

/// Takes a token back.
#[track_caller]
pub fn remove_token(home: &Home, name: &str) {
    let tokens = tokens_of(home);
    let done = ended(binary(home, &["token", "remove", name, "--tokens", &tokens]));
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// For MCP_CONDUCTOR_TOKENS.
pub fn tokens_of(home: &Home) -> String {
    path_text(home.path(TOKENS))
}

pub fn path_text(path: PathBuf) -> String {
    path.into_os_string().into_string().expect("ASCII")
}

/// The value of one series of a scrape, with its labels. Nothing if there is none.
pub fn series(scrape: &str, name: &str) -> Option<f64> {
    let lines = scrape.lines().filter_map(|line| line.strip_prefix("mcp_conductor_"));
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next().and_then(|value| value.parse().ok())
}

/// How often a server is started on a port that another may take before it.
const TRIES: usize = 3;

/// A server on the port of one that has ended, which `option` names.
#[track_caller]
pub fn on_the_port_of(ended: impl Fn() -> u16, env: &[(&str, &str)], option: &str) -> Server {
    let mut said = String::new();
    for _ in 0..TRIES {
        let port = ended();
        match Server::try_at(Home::empty(), env, &[option, &port.to_string()]) {
            Ok(server) => {
                assert_eq!(server.port, port);
                return server;
            }
            Err(text) => said = text,
        }
    }
    panic!("it does not listen:\n{said}");
}

/// The port in `listening on http://ADDRESS:PORT/mcp`.
fn port_in(log: &str) -> Option<u16> {
    let (_, url) = log.split_once("listening on http://")?;
    let (address, _) = url.split_once("/mcp")?;
    address.rsplit(':').next()?.parse().ok()
}

fn logged(child: &mut Child) -> Arc<Mutex<String>> {
    let mut stderr = child.stderr.take().expect("a pipe");
    let log = Arc::new(Mutex::new(String::new()));
    let logged = log.clone();
    spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stderr.read(&mut buffer) {
            logged.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    });
    log
}

/// One client of each era.
#[track_caller]
pub fn of_both_eras(server: &Server) -> [Box<dyn Caller>; 2] {
    [Box::new(server.client()), Box::new(LegacySession::open(server))]
}

fn next_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// What a client of either era can do.
pub trait Caller {
    fn port(&self) -> u16;

    /// A request as this client sends it.
    fn request(&self, method: &str, params: Value) -> Request;

    /// Sends a request over a connection of its own and reads the answer.
    #[track_caller]
    fn ask(&self, method: &str, params: Value) -> Response {
        Connection::open(self.port()).exchange(&self.request(method, params))
    }

    /// Sends a request; nothing is read yet.
    #[track_caller]
    fn start(&self, method: &str, params: Value) -> Connection {
        let mut connection = Connection::open(self.port());
        connection.send(&self.request(method, params));
        connection
    }

    /// The result of a request that was understood.
    #[track_caller]
    fn result(&self, method: &str, params: Value) -> Value {
        let response = self.ask(method, params);
        let mut answer = response.answer();
        assert_eq!((response.status, answer.get("error")), (200, None), "{answer:#}");
        answer["result"].take()
    }

    /// The result of a tool's call.
    #[track_caller]
    fn tool(&self, name: &str, arguments: Value) -> Value {
        self.result("tools/call", json!({ "name": name, "arguments": arguments }))
    }

    /// What a tool returns that succeeds.
    #[track_caller]
    fn structured(&self, name: &str, arguments: Value) -> Value {
        let result = self.tool(name, arguments);
        assert_ne!(result["isError"], true, "{result:#}");
        result["structuredContent"].clone()
    }

    /// Runs a program; its execution.
    #[track_caller]
    fn call(&self, code: &str) -> Value {
        self.structured(RUN, json!({ "deno_code": code }))
    }

    /// The value of a program that must succeed.
    #[track_caller]
    fn value(&self, code: &str) -> Value {
        let execution = self.call(code);
        assert_eq!(execution["status"], "success", "{execution:#}");
        execution["returnValue"].clone()
    }

    /// What a program catches when it evaluates an expression that must throw:
    /// the error's name and message.
    #[track_caller]
    fn thrown(&self, expression: &str) -> (String, String) {
        let code = format!(
            "try {{ const got = await ({expression}); ['nothing was thrown', JSON.stringify(got)] }} \
             catch (e) {{ [e.name, e.message] }}"
        );
        let value = self.value(&code);
        let word = |index: usize| value[index].as_str().unwrap_or_default().to_owned();
        (word(0), word(1))
    }

    /// Starts a program, and waits until it runs: it has printed `on`. Its
    /// answer is what comes next on the connection that has no method.
    #[track_caller]
    fn start_program(&self, code: &str) -> Connection {
        let mut connection = self.start("tools/call", program(code));
        assert_eq!(connection.head().expect("an answer").status, 200);
        connection.message_where(|message| message["params"]["message"] == "on");
        connection
    }
}

/// Parameters of a call that prints `on` first and reports progress.
pub fn program(code: &str) -> Value {
    let arguments = json!({ "deno_code": format!("console.log('on'); {code}"), "timeout": 60_000 });
    json!({ "name": RUN, "arguments": arguments, "_meta": { "progressToken": next_id() } })
}

/// The answer at the end of a call's stream.
#[track_caller]
pub fn answer_of(connection: &mut Connection) -> Value {
    connection.message_where(|message| message.get("method").is_none())
}

/// A client of the protocol without sessions (2026-07-28).
#[derive(Clone, Debug)]
pub struct Client {
    pub port: u16,
    pub token: Option<String>,
}

impl Caller for Client {
    fn port(&self) -> u16 {
        self.port
    }

    fn request(&self, method: &str, mut params: Value) -> Request {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        for (key, value) in params["_meta"].as_object().cloned().unwrap_or_default() {
            meta[key] = value;
        }
        params["_meta"] = meta;
        // SEP-2243: what is called, for machines between that read no bodies.
        let name = params["name"].as_str().or_else(|| params["uri"].as_str());
        let name = name.map(str::to_owned);
        let message = message(method, params);
        let mut request = Request::post(message.to_string())
            .header("MCP-Protocol-Version", MODERN)
            .header("Mcp-Method", method);
        if let Some(name) = name {
            request = request.header("Mcp-Name", &name);
        }
        authorized(request, self.token.as_deref())
    }
}

fn message(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": next_id(), "method": method, "params": params })
}

fn authorized(request: Request, token: Option<&str>) -> Request {
    match token {
        Some(token) => request.bearer(token),
        None => request,
    }
}

/// A client with a session (2025-11-25 and before).
#[derive(Clone, Debug)]
pub struct LegacySession {
    pub port: u16,
    pub token: Option<String>,
    pub id: String,
}

impl LegacySession {
    #[track_caller]
    pub fn open(server: &Server) -> Self {
        Self::open_with(server.port, None, &json!({}))
    }

    #[track_caller]
    pub fn open_as(server: &Server, token: &str) -> Self {
        Self::open_with(server.port, Some(token), &json!({}))
    }

    /// With what the client says that it can do.
    #[track_caller]
    pub fn open_with(port: u16, token: Option<&str>, capabilities: &Value) -> Self {
        let request = authorized(initialize(capabilities), token);
        let response = Connection::open(port).exchange(&request);
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.answer()["result"]["protocolVersion"], LEGACY);
        let id = response.header("mcp-session-id").expect("a session").to_owned();
        let session = Self { port, token: token.map(str::to_owned), id };
        assert_eq!(session.notify("notifications/initialized", json!({})), 202);
        session
    }

    /// Another client that knows the session and has this token.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// With the headers that every request of the session has.
    pub fn within_session(&self, request: Request) -> Request {
        let request =
            request.header("MCP-Protocol-Version", LEGACY).header("Mcp-Session-Id", &self.id);
        authorized(request, self.token.as_deref())
    }

    /// Sends a notification; the status of the answer.
    #[track_caller]
    pub fn notify(&self, method: &str, params: Value) -> u16 {
        self.post(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).status
    }

    /// Posts a message, as it is.
    #[track_caller]
    pub fn post(&self, message: &Value) -> Response {
        let request = self.within_session(Request::post(message.to_string()));
        Connection::open(self.port).exchange(&request)
    }

    /// `GET /mcp`: the stream of what belongs to no request, or, after an event, the
    /// rest of the stream that it came from.
    pub fn listen(&self, last_event: Option<&str>) -> Request {
        let request = Request::new("GET", "/mcp").header("Accept", "text/event-stream");
        let request = match last_event {
            Some(id) => request.header("Last-Event-ID", id),
            None => request,
        };
        self.within_session(request)
    }

    /// Ends the session.
    #[track_caller]
    pub fn close(&self) -> Response {
        let request = self.within_session(Request::new("DELETE", "/mcp"));
        Connection::open(self.port).exchange(&request)
    }
}

impl Caller for LegacySession {
    fn port(&self) -> u16 {
        self.port
    }

    fn request(&self, method: &str, params: Value) -> Request {
        self.within_session(Request::post(message(method, params).to_string()))
    }
}

/// The first request of a session.
pub fn initialize(capabilities: &Value) -> Request {
    let client = json!({ "name": "tests", "version": "1" });
    let params = json!({
        "protocolVersion": LEGACY, "capabilities": capabilities, "clientInfo": client,
    });
    Request::post(message("initialize", params).to_string())
}

/// A client that was not written for this server.
pub type RmcpClient<H> = RunningService<RoleClient, H>;

/// Lets rmcp's client connect.
pub async fn rmcp_client<H: ClientHandler>(
    url: String,
    token: Option<&str>,
    handler: H,
    lifecycle: ClientLifecycleMode,
) -> RmcpClient<H> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    if let Some(token) = token {
        config = config.auth_header(token);
    }
    let transport = StreamableHttpClientTransport::with_client(http_client(), config);
    let connected = handler.serve_with_lifecycle(transport, lifecycle);
    bounded(connected).await.expect("a handshake")
}

/// The lifecycle of rmcp's client in each era.
pub fn lifecycles() -> [ClientLifecycleMode; 3] {
    let modern = || vec![rmcp::model::ProtocolVersion::V_2026_07_28];
    [
        ClientLifecycleMode::Initialize,
        ClientLifecycleMode::Discover { preferred_versions: modern() },
        ClientLifecycleMode::Auto { preferred_versions: modern(), legacy_version: None },
    ]
}

pub async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// reqwest is built without a provider of cryptography: it takes this one, and
/// trusts nobody, as these servers speak plain HTTP.
pub fn http_client() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client")
}
