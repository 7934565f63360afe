//! The server through a client that was not written for it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientRequest, ErrorCode, JsonObject,
    ProgressNotificationParam, ProtocolVersion, Request,
};
use rmcp::service::{NotificationContext, PeerRequestOptions, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient, ServiceError};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::results::{execution, refusal, value};
use crate::support::snippets::RUN;
use crate::support::waiting::bounded;

/// Keeps what it is told about progress.
#[derive(Clone, Default)]
struct Client(Arc<Mutex<Vec<String>>>);

impl ClientHandler for Client {
    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.0.lock().unwrap().push(params.message.unwrap_or_default());
    }
}

type Connection = RunningService<RoleClient, Client>;

async fn connect(lifecycle: ClientLifecycleMode) -> Connection {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-conductor"));
    command
        .arg("stdio")
        .env_clear()
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("RUST_LOG", "off");
    let transport = TokioChildProcess::new(command).expect("the binary starts");
    let connected = Client::default().serve_with_lifecycle(transport, lifecycle);
    bounded(connected).await.expect("a handshake")
}

fn modern() -> Vec<ProtocolVersion> {
    vec![ProtocolVersion::V_2026_07_28]
}

fn version(connection: &Connection) -> String {
    let info = connection.peer_info().expect("the server said who it is");
    info.protocol_version.to_string()
}

fn object(value: Value) -> JsonObject {
    value.as_object().cloned().expect("an object")
}

fn params(arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(RUN).with_arguments(object(arguments))
}

async fn call(connection: &Connection, arguments: Value) -> Value {
    let result: CallToolResult =
        bounded(connection.call_tool(params(arguments))).await.expect("a result");
    serde_json::to_value(result).expect("JSON")
}

/// What every client does, whichever way it came in.
async fn works(connection: Connection) {
    let tools = bounded(connection.list_all_tools()).await.expect("tools");
    assert_eq!((tools.len(), tools[0].name.as_ref()), (8, RUN));
    assert!(tools[0].output_schema.is_some());

    let code = "console.log('out'); rows.length";
    let result = call(&connection, json!({ "deno_code": code, "globals": { "rows": [1, 2] } }));
    assert_eq!(
        execution(&result.await),
        json!({ "status": "success", "output": ["out"], "returnValue": 2 })
    );
    let failed = execution(&call(&connection, json!({ "deno_code": "throw 1" })).await);
    assert_eq!((&failed["status"], &failed["errorType"]), (&json!("error"), &json!("runtime")));
    assert!(refusal(&call(&connection, json!({})).await).contains("-32602"));

    let unknown = connection.call_tool(CallToolRequestParams::new("nothing"));
    match bounded(unknown).await {
        Err(ServiceError::McpError(error)) => assert_eq!(error.code, ErrorCode::INVALID_PARAMS),
        other => panic!("{other:?}"),
    }
    // rmcp's requests always carry a progress token.
    let heard = connection.service().0.lock().unwrap().clone();
    assert!(heard.contains(&"out".to_owned()), "{heard:?}");
    bounded(connection.cancel()).await.expect("the server ends");
}

#[tokio::test]
async fn a_client_that_initializes_is_served() {
    works(connect(ClientLifecycleMode::Initialize).await).await;
}

#[tokio::test]
async fn a_client_that_discovers_is_served() {
    let connection = connect(ClientLifecycleMode::Discover { preferred_versions: modern() }).await;
    assert_eq!(version(&connection), "2026-07-28");
    works(connection).await;
}

#[tokio::test]
async fn a_client_that_finds_out_is_served_the_stateless_way() {
    let lifecycle =
        ClientLifecycleMode::Auto { preferred_versions: modern(), legacy_version: None };
    let connection = connect(lifecycle).await;
    assert_eq!(version(&connection), "2026-07-28");
    works(connection).await;
}

#[tokio::test]
async fn a_client_cancels_and_calls_again() {
    let connection = connect(ClientLifecycleMode::Initialize).await;
    let arguments = json!({ "deno_code": "while (true) {}", "timeout": 60_000 });
    let request = ClientRequest::CallToolRequest(Request::new(params(arguments)));
    let options = PeerRequestOptions::no_options();
    let handle = connection.send_cancellable_request(request, options).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(200)).await;
    handle.cancel(Some("enough".to_owned())).await.expect("sent");
    let start = Instant::now();
    let result = call(&connection, json!({ "deno_code": "1" })).await;
    assert_eq!(execution(&result), value(json!(1)));
    // A busy program has 10 s of CPU time.
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    bounded(connection.cancel()).await.expect("the server ends");
}

#[tokio::test]
async fn calls_from_many_tasks_keep_apart() {
    let connection = connect(ClientLifecycleMode::Initialize).await;
    let calls = (0..8).map(|number| {
        let connection = &connection;
        async move {
            let code = format!("await new Promise((r) => setTimeout(r, 100)); {number}");
            let result = call(connection, json!({ "deno_code": code })).await;
            assert_eq!(execution(&result), value(json!(number)));
        }
    });
    futures::future::join_all(calls).await;
    bounded(connection.cancel()).await.expect("the server ends");
}
