//! What a server says or asks while a program waits for it, passed on to a client
//! that was not written for this server.

// Sampling is deprecated (SEP-2577) and there all the same.
#![allow(deprecated)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig,
    CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, ErrorData, Implementation, ProgressNotificationParam,
    ProtocolVersion, SamplingCapability, SamplingMessage, UrlElicitationCapability,
};
use rmcp::service::{NotificationContext, RequestContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::home::Home;
use crate::support::snippets::RUN;
use crate::support::upstreams::upstream;
use crate::support::waiting::{PATIENCE, bounded};

/// A client whose user is called Ada.
#[derive(Clone, Default)]
struct Client {
    /// Whether it says that it can be asked.
    can_be_asked: bool,
    /// What it was told or asked, in order.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Client {
    fn hears(&self, what: String) {
        self.heard.lock().unwrap().push(what);
    }
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.can_be_asked {
            let elicitation = ElicitationCapability::new();
            capabilities.elicitation = Some(elicitation.with_url(UrlElicitationCapability::new()));
            capabilities.sampling = Some(SamplingCapability::default());
        }
        // The last version with a session, in which a client can be asked.
        ClientConfig::new(capabilities, Implementation::new("tests", "1"))
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        match request {
            ElicitRequestParams::FormElicitationParams { message, .. } => self.hears(message),
            ElicitRequestParams::UrlElicitationParams { message, url, .. } => {
                self.hears(format!("{message} {url}"));
            }
            _ => {}
        }
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "name": "Ada" })))
    }

    async fn create_message(
        &self,
        request: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.hears(format!("{} messages", request.messages.len()));
        let answer = SamplingMessage::assistant_text("something");
        Ok(CreateMessageResult::new(answer, "a model".to_owned()))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.hears(params.message.unwrap_or_default());
    }
}

type Connection = RunningService<RoleClient, Client>;

async fn connect(home: &Home, can_be_asked: bool, lifecycle: ClientLifecycleMode) -> Connection {
    home.configure(&json!({
        "stub": upstream(&["stub"]), "modern": upstream(&["stub", "--modern"]),
        "odd": upstream(&["hostile"]),
    }));
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-conductor"));
    command.arg("stdio").env_clear().env("HOME", home.root()).env("RUST_LOG", "off");
    let transport = TokioChildProcess::new(command).expect("the binary starts");
    let client = Client { can_be_asked, ..Client::default() };
    bounded(client.serve_with_lifecycle(transport, lifecycle)).await.expect("a handshake")
}

/// The value of a program.
async fn value(connection: &Connection, code: &str) -> Value {
    let arguments = json!({ "deno_code": code }).as_object().cloned().expect("an object");
    let params = CallToolRequestParams::new(RUN).with_arguments(arguments);
    let result: CallToolResult = bounded(connection.call_tool(params)).await.expect("a result");
    let execution = result.structured_content.expect("an execution");
    assert_eq!(execution["status"], "success", "{execution:#}");
    execution["returnValue"].clone()
}

fn heard(connection: &Connection) -> String {
    connection.service().heard.lock().unwrap().join("\n")
}

/// Waits until a client has heard all of these: rmcp hands it each notification in a
/// task of its own.
async fn hears(connection: &Connection, messages: &[&str]) {
    let all = || messages.iter().all(|message| heard(connection).contains(message));
    let waited = tokio::time::timeout(PATIENCE, async {
        while !all() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{messages:?}: {}", heard(connection));
}

fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

#[tokio::test]
async fn progress_of_a_tool_is_progress_of_the_run() {
    for lifecycle in [ClientLifecycleMode::Initialize, modern()] {
        let home = Home::empty();
        let connection = connect(&home, false, lifecycle).await;
        let code = "console.log('mine'); await callTool('stub', 'progress', { n: 3 })";
        assert_eq!(value(&connection, code).await, "all steps done");
        hears(&connection, &["mine", "step 1", "step 3"]).await;
        bounded(connection.cancel()).await.expect("the server ends");
    }
}

/// The last progress and the answer come in one piece.
#[tokio::test]
async fn progress_right_before_an_answer_is_not_lost() {
    let home = Home::empty();
    let connection = connect(&home, false, ClientLifecycleMode::Initialize).await;
    for round in 1..=20 {
        let code = format!("await callTool('stub', 'progress', {{ n: {round}, pause: 0 }})");
        assert_eq!(value(&connection, &code).await, "all steps done");
        hears(&connection, &[&format!("{round}/{round} step {round}")]).await;
    }
    bounded(connection.cancel()).await.expect("the server ends");
}

#[tokio::test]
async fn a_question_of_a_tool_reaches_the_user() {
    let home = Home::empty();
    let connection = connect(&home, true, ClientLifecycleMode::Initialize).await;
    for server in ["stub", "modern"] {
        let answer = value(&connection, &format!("await callTool('{server}', 'elicit')")).await;
        assert_eq!(answer, json!({ "action": "accept", "content": { "name": "Ada" } }), "{server}");
    }
    assert!(heard(&connection).contains("Who are you?"), "{}", heard(&connection));
    bounded(connection.cancel()).await.expect("the server ends");
}

#[tokio::test]
async fn a_user_is_asked_to_open_web_pages_and_nothing_else() {
    let home = Home::empty();
    let connection = connect(&home, true, ClientLifecycleMode::Initialize).await;
    let visit = |url: &str| format!("await callTool('odd', 'visit', {{ url: '{url}' }})");
    let answer = value(&connection, &visit("https://example.com/login")).await;
    assert_eq!(answer["action"], "accept", "{answer}");
    let asked = "The MCP server \"odd\" asks: Log in https://example.com/login";
    assert!(heard(&connection).contains(asked), "{}", heard(&connection));
    for url in ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "login"] {
        let answer = value(&connection, &visit(url)).await;
        assert_eq!(answer["action"], "decline", "{url}: {answer}");
        let reason = answer["_meta"]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("http nor https"), "{url}: {answer}");
    }
    let heard = heard(&connection);
    let questions: Vec<_> = heard.lines().filter(|line| line.contains(" asks: ")).collect();
    assert_eq!(questions, [asked]);
    bounded(connection.cancel()).await.expect("the server ends");
}

#[tokio::test]
async fn a_question_for_the_model_reaches_it() {
    let home = Home::empty();
    let connection = connect(&home, true, ClientLifecycleMode::Initialize).await;
    for server in ["stub", "modern"] {
        let answer = value(&connection, &format!("await callTool('{server}', 'sample')")).await;
        assert_eq!(answer["content"]["text"], "something", "{server}: {answer}");
        assert_eq!(answer["model"], "a model");
    }
    assert!(heard(&connection).contains("1 messages"), "{}", heard(&connection));
    bounded(connection.cancel()).await.expect("the server ends");
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_is_not() {
    let home = Home::empty();
    let connection = connect(&home, false, ClientLifecycleMode::Initialize).await;
    let answer = value(&connection, "await callTool('stub', 'elicit')").await;
    assert_eq!(answer["action"], "decline", "{answer}");
    let answer = value(&connection, "await callTool('stub', 'sample')").await;
    assert!(answer["error"]["message"].is_string(), "{answer}");
    let code = "try { await callTool('modern', 'elicit') } catch (e) { e.name }";
    let answer = value(&connection, code).await;
    assert_ne!(answer["action"], "accept", "{answer}");
    assert!(!heard(&connection).contains("Who are you?"), "{}", heard(&connection));
    bounded(connection.cancel()).await.expect("the server ends");
}

#[tokio::test]
async fn questions_of_two_runs_go_their_own_ways() {
    let home = Home::empty();
    let connection = connect(&home, true, ClientLifecycleMode::Initialize).await;
    let code = "await callTool('stub', 'elicit')";
    let answers = futures::future::join_all((0..5).map(|_| value(&connection, code))).await;
    for answer in answers {
        assert_eq!(answer["content"]["name"], "Ada");
    }
    bounded(connection.cancel()).await.expect("the server ends");
}
