//! Programs that use popular packages of npm, with what they must give back:
//! tests/fixtures/packages.jsonl. They come from npm's own registry, so `make corpus`
//! runs this and `make test` does not.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::command::ended;
use crate::support::home::{Home, WORKSPACE};

const CASES: &str = include_str!("../../fixtures/packages.jsonl");

/// Cases that are known to fail, each with what its error says.
const UNSUPPORTED: &[(&str, &str)] = &[
    // Its own client speaks HTTP over sockets, which programs have none of.
    ("undici", "programs have no sockets here"),
    ("chokidar", "fs.watch() is not available"),
];

#[derive(Deserialize)]
struct Case {
    id: String,
    package: String,
    range: String,
    #[serde(default)]
    also: Vec<String>,
    program: String,
    expect: Value,
    native: bool,
    #[serde(default)]
    files: bool,
    #[serde(default)]
    stubs: Vec<Stub>,
    run: Option<String>,
}

/// What the server answers to a request.
#[derive(Clone, Deserialize)]
struct Stub {
    stub: String,
    method: Option<String>,
    #[serde(default)]
    reply: Value,
    #[serde(default)]
    echo: bool,
    status: Option<u16>,
    r#type: Option<String>,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
}

impl Case {
    fn packages(&self) -> Vec<String> {
        let own = format!("npm:{}@{}", self.package, self.range);
        std::iter::once(own).chain(self.also.iter().map(|other| format!("npm:{other}"))).collect()
    }

    /// Nothing but what the case needs.
    fn grants(&self, port: u16) -> String {
        match (&self.run, self.files, self.stubs.is_empty()) {
            (Some(command), ..) => format!("allow-run={command}"),
            (None, true, _) => "allow-read=.,allow-write=.".to_owned(),
            (None, false, false) => format!("allow-net=127.0.0.1:{port}"),
            (None, false, true) => "none".to_owned(),
        }
    }

    fn is_met_by(&self, result: &Value) -> bool {
        let error = result["error"].as_str().unwrap_or_default();
        if let Some((_, says)) = UNSUPPORTED.iter().find(|(id, _)| *id == self.id) {
            return error.contains(says);
        }
        if self.native && error.contains(&self.package) && error.contains("native") {
            return true;
        }
        result["status"] == "success" && result["returnValue"] == self.expect
    }
}

type Answer = (StatusCode, HeaderMap, String);

async fn answer(
    State(stubs): State<Vec<Stub>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let is_meant = |stub: &&Stub| {
        stub.stub == uri.path() && stub.method.as_ref().is_none_or(|name| method == name.as_str())
    };
    let Some(stub) = stubs.iter().find(is_meant) else {
        return (StatusCode::NOT_FOUND, HeaderMap::new(), "no".to_owned());
    };
    let sent_type = headers.get("content-type").and_then(|value| value.to_str().ok());
    let text = String::from_utf8_lossy(&body).into_owned();
    let sent: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    let reply = match stub.echo {
        true => json!({
            "method": method.as_str(), "path": uri.to_string(), "body": sent, "type": sent_type,
        }),
        false => stub.reply.clone(),
    };
    let (usual, text) = match reply {
        Value::String(text) => ("text/plain", text),
        value => ("application/json", value.to_string()),
    };
    let mut headers = HeaderMap::new();
    let media_type = stub.r#type.as_deref().unwrap_or(usual);
    headers.insert("content-type", media_type.parse().expect("a media type"));
    for (name, value) in &stub.headers {
        let name: HeaderName = name.parse().expect("a header's name");
        headers.insert(name, value.as_str().expect("text").parse().expect("a header's value"));
    }
    (StatusCode::from_u16(stub.status.unwrap_or(200)).expect("a status"), headers, text)
}

/// The port of a server with these answers, which ends with the runtime.
async fn serve(stubs: Vec<Stub>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
    let port = listener.local_addr().expect("an address").port();
    let app = Router::new().fallback(answer).with_state(stubs);
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

/// What a program gives, in a workspace of its own.
fn run(store: &Home, allowed: &str, case: &Case, port: u16) -> Value {
    let home = Home::empty();
    home.write("program.ts", &case.program.replace("@PORT@", &port.to_string()));
    let mut command = home.command(&["run", &home.name("program.ts"), "--json"]);
    command.env("MCP_CONDUCTOR_ALLOWED_PACKAGES", allowed);
    command.env("MCP_CONDUCTOR_INSTALL_DIR", store.path(".mcp-conductor/installed"));
    let grants = case.grants(port).replace("=.", &format!("={}", home.path(WORKSPACE).display()));
    command.env("MCP_CONDUCTOR_RUN_ARGS", grants);
    let ended = ended(&mut command);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| json!({ "error": ended.stderr }))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs npm's registry: make corpus"]
async fn programs_with_popular_packages_give_back_what_they_give_in_node() {
    let cases: Vec<Case> =
        CASES.lines().skip(1).map(|line| serde_json::from_str(line).expect("a case")).collect();
    let all: BTreeSet<String> = cases.iter().flat_map(Case::packages).collect();
    let allowed = all.into_iter().collect::<Vec<_>>().join(",");
    let store = Home::empty();
    let mut install = store.command(&["install"]);
    install.env("MCP_CONDUCTOR_ALLOWED_PACKAGES", &allowed);
    let installed = ended(&mut install);
    assert_eq!(installed.code, Some(0), "{}", installed.stderr);
    println!("{}", installed.stdout);
    let mut failed = Vec::new();
    for case in &cases {
        let port = serve(case.stubs.clone()).await;
        let result = tokio::task::block_in_place(|| run(&store, &allowed, case, port));
        if !case.is_met_by(&result) {
            failed.push(case.id.clone());
            println!("{}: {result}", case.id);
        }
    }
    let met = cases.len() - failed.len() - UNSUPPORTED.len();
    println!("{met} of {} programs give what they give in Node", cases.len());
    assert!(failed.is_empty(), "{failed:?}");
}
