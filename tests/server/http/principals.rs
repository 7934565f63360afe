//! Principals: what one has, another never gets. Everything of Bob's has a canary
//! in it, which Alice looks for in every way that there is, and the other way round.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, ErrorData, Implementation, ProtocolVersion,
};
use rmcp::service::RequestContext;
use rmcp::{ClientHandler, ClientLifecycleMode, RoleClient};
use serde_json::{Value, json};

use super::jwt::{ISSUER, PUBLIC_URL, TextServer, claims, key, signed};
use crate::support::home::{Home, SETTINGS};
use crate::support::http::{Server, add_token, refused, tokens_of};
use crate::support::http_clients::{Caller, Client, LegacySession, of_both_eras, program};
use crate::support::rmcp_clients::{RmcpClient, rmcp_client};
use crate::support::snippets::{ENDLESS, RUN, sleeper, waiter};
use crate::support::upstreams::upstream;
use crate::support::waiting::{PATIENCE, bounded, within};

/// A server with a configuration file, and those who have a token.
struct Team {
    server: Server,
    alice: Client,
    bob: Client,
}

/// The text of a configuration, with `@ROOT@` for the home directory.
#[track_caller]
fn configured(home: &Home, text: &str) -> String {
    home.settings(&format!("tokens = \"{}\"\n{text}", tokens_of(home)))
}

impl Team {
    #[track_caller]
    fn new(configuration: &str) -> Self {
        Self::at(Home::empty(), configuration)
    }

    #[track_caller]
    fn at(home: Home, configuration: &str) -> Self {
        let file = configured(&home, configuration);
        let (alice, bob) = (add_token(&home, "alice"), add_token(&home, "bob"));
        let server = Server::at(home, &[], &["--config", &file]);
        let (alice, bob) = (server.client_as(&alice), server.client_as(&bob));
        Self { server, alice, bob }
    }

    fn session(&self, client: &Client) -> LegacySession {
        LegacySession::open_as(&self.server, token(client))
    }
}

fn token(client: &Client) -> &str {
    client.token.as_deref().expect("a token")
}

/// Workspaces with a canary in each.
fn workspaces() -> Team {
    let home = Home::empty();
    for name in ["alice", "bob"] {
        let canary = format!("{}-CANARY", name.to_uppercase());
        home.write(&format!("{name}/canary.txt"), &canary);
        home.write(&format!("{name}/canary.json"), &json!(canary).to_string());
        home.write(&format!("{name}/canary.ts"), &format!("export default '{canary}'"));
    }
    symlink("../bob/canary.txt", home.path("alice/relative")).unwrap();
    symlink(home.path("bob/canary.txt"), home.path("alice/absolute")).unwrap();
    symlink("../bob", home.path("alice/directory")).unwrap();
    Team::at(
        home,
        "[principals.alice]\nworkspace = \"@ROOT@/alice\"\n\
         [principals.bob]\nworkspace = \"@ROOT@/bob\"\n",
    )
}

#[test]
fn each_has_a_workspace_of_its_own() {
    let team = workspaces();
    for (client, name) in [(&team.alice, "alice"), (&team.bob, "bob")] {
        let canary = format!("{}-CANARY", name.to_uppercase());
        assert_eq!(client.value("Deno.readTextFile('canary.txt')"), canary);
        let root = team.server.home.name(name);
        assert_eq!(client.value("[WORKSPACE_DIR, Deno.cwd()]"), json!([root, root]));
        client.value(&format!("Deno.writeTextFileSync('new.txt', 'of {name}')"));
        assert_eq!(team.server.home.read(&format!("{name}/new.txt")), format!("of {name}"));
    }
}

/// Ways into Bob's workspace.
const WAYS: &str = r#"
    const paths = [
      '@ROOT@/bob/canary.txt', '../bob/canary.txt', './x/../../bob/canary.txt',
      '@ROOT@/alice/../bob/canary.txt', '/proc/self/root@ROOT@/bob/canary.txt',
      '/proc/self/cwd/../bob/canary.txt', 'relative', 'absolute', 'directory/canary.txt',
    ];
    const got = [];
    const attempt = async (way, act) => {
      try { got.push([way, String(await act())]) }
      catch (e) { if (e.name !== 'NotCapable' && e.name !== 'NotFound') got.push([way, e.name]) }
    };
    for (const path of paths) {
      await attempt('read ' + path, () => Deno.readTextFile(path));
      await attempt('url ' + path, () => Deno.readTextFile(new URL('file://' + path)));
      await attempt('copy ' + path, () => Deno.copyFile(path, 'stolen.txt'));
      await attempt('link ' + path, () => Deno.link(path, 'hard'));
      await attempt('rename ' + path, () => Deno.rename(path, 'moved'));
      await attempt('write ' + path, () => Deno.writeTextFile(path, 'overwritten'));
      await attempt('remove ' + path, () => Deno.remove(path + '/../canary.json'));
    }
    for (const path of ['..', '@ROOT@', '@ROOT@/bob', '../bob', 'directory']) {
      await attempt('list ' + path, async () => JSON.stringify(await Array.fromAsync(Deno.readDir(path))));
      await attempt('into ' + path, () => { Deno.chdir(path); return Deno.cwd() });
    }
    await attempt('import', async () => (await import('../bob/canary.ts')).default);
    await attempt('module', async () => (await import('file://@ROOT@/bob/canary.ts')).default);
    await attempt('data', async () => (await import('../bob/canary.json', { with: { type: 'json' } })).default);
    await attempt('link out', () => { Deno.symlinkSync('../bob/canary.txt', 'mine'); return Deno.readTextFileSync('mine') });
    got"#;

#[test]
fn the_workspace_of_one_cannot_be_reached_by_another() {
    let team = workspaces();
    let code = WAYS.replace("@ROOT@", team.server.home.root());
    let session = team.session(&team.alice);
    let callers: [&dyn Caller; 2] = [&team.alice, &session];
    for alice in callers {
        let execution = alice.call(&code);
        assert!(!execution.to_string().contains("BOB-CANARY"), "{execution:#}");
        assert_eq!(execution["status"], "success", "{execution:#}");
        let got = execution["returnValue"].as_array().cloned().expect("an array");
        for way in &got {
            let word = way[0].as_str().expect("a way");
            assert!(!word.starts_with("list") && !word.starts_with("into"), "{got:#?}");
        }
    }
    let home = &team.server.home;
    assert_eq!(home.read("bob/canary.txt"), "BOB-CANARY");
    assert!(home.path("bob/canary.json").is_file());
    for name in ["stolen.txt", "hard", "moved"] {
        // A link that only points there is no copy.
        let is_file =
            fs::symlink_metadata(home.path("alice").join(name)).is_ok_and(|m| m.is_file());
        assert!(!is_file || !home.read(&format!("alice/{name}")).contains("BOB"), "{name}");
    }
    assert_eq!(team.bob.value("Deno.readTextFile('canary.txt')"), "BOB-CANARY");
}

#[test]
fn playbooks_of_one_are_not_another_s() {
    let team = Team::new(
        "[principals.alice]\nworkspace = \"@ROOT@/alice/workspace\"\n\
         [principals.bob]\nworkspace = \"@ROOT@/bob/workspace\"\n",
    );
    let playbook = json!({
        "folder_name": "recipe", "name": "Recipe", "description": "BOB-CANARY of a description",
        "content": "# BOB-CANARY", "code": "export const secret = 'BOB-CANARY';",
    });
    let created = team.bob.tool("create_playbook", playbook);
    assert_ne!(created["isError"], true, "{created:#}");
    assert!(team.server.home.path("bob/playbooks/recipe/playbook.md").is_file());

    let import = "(await importPlaybook('recipe')).secret";
    assert_eq!(team.bob.value(import), "BOB-CANARY");
    let list = team.bob.tool("list_playbooks", json!({})).to_string();
    assert!(list.contains("BOB-CANARY"), "{list}");

    let list = team.alice.tool("list_playbooks", json!({})).to_string();
    let get = team.alice.tool("get_playbook", json!({ "folder_name": "recipe" }));
    assert_eq!(get["isError"], true, "{get:#}");
    let up =
        team.alice.tool("get_playbook", json!({ "folder_name": "../../bob/playbooks/recipe" }));
    assert_eq!(up["isError"], true, "{up:#}");
    let thrown = team.alice.thrown(import);
    assert_ne!(thrown.0, "nothing was thrown");
    let module = team.alice.thrown("import('playbook:recipe')");
    assert_ne!(module.0, "nothing was thrown");
    let told = format!("{list}{get}{up}{thrown:?}{module:?}");
    assert!(!told.contains("CANARY"), "{told}");
}

#[test]
fn the_network_is_for_those_who_have_it() {
    let page = TextServer::start("\"a page\"");
    let team = Team::new(&format!(
        "[principals.bob]\nrun_args = [\"allow-net=127.0.0.1:{}\"]\n",
        page.port
    ));
    let code = format!("await (await fetch('{}')).json()", page.url());
    assert_eq!(team.bob.value(&code), "a page");
    let (name, message) = team.alice.thrown(&format!("fetch('{}')", page.url()));
    assert_eq!(name, "NotCapable");
    assert!(message.contains("--allow-net"), "{message}");
    assert_eq!(page.count(), 1);
    // What a program is told of its permissions is its own principal's.
    let flags = |client: &Client| client.value("JSON.stringify(PERMISSIONS)").to_string();
    assert!(flags(&team.bob).contains("allow-net"), "{}", flags(&team.bob));
    assert!(!flags(&team.alice).contains("allow-net"), "{}", flags(&team.alice));
}

#[test]
fn limits_are_those_of_the_principal() {
    let team = Team::new(
        "[principals.alice]\ndefault_timeout = 500\nmax_timeout = 1000\nmax_output_size = 100\n",
    );
    let execution = team.alice.call(&sleeper(5000));
    assert_eq!(execution["error"], "Execution timed out after 500ms", "{execution:#}");
    let asked = json!({ "deno_code": sleeper(5000), "timeout": 60_000 });
    let most = team.alice.tool(RUN, asked).to_string();
    assert!(most.contains("1000") && !most.contains("\"done\""), "{most}");
    assert_eq!(team.bob.value(&sleeper(1500)), "done");
    let print = "console.log('x'.repeat(1000)); 1";
    assert_eq!(team.bob.call(print)["status"], "success");
    assert_ne!(team.alice.call(print)["output"], team.bob.call(print)["output"]);
}

/// Two servers, whose names are nowhere else, and who may use which.
fn menagerie() -> Team {
    let home = Home::with(&json!({ "quokka": upstream(&["up"]), "wombat": upstream(&["stub"]) }));
    Team::at(
        home,
        "[principals.alice]\ntools = [\"mcp__quokka__*\"]\n\
         [principals.bob]\ntools = [\"mcp__wombat__*\", \"mcp__quokka__echo\"]\n",
    )
}

/// Waits until a server's tools are known.
#[track_caller]
fn knows(client: &Client, name: &str) {
    let mut last = Value::Null;
    let known = within(PATIENCE, || {
        last = client.structured("list_mcp_servers", json!({}));
        let mut servers = last["servers"].as_array().into_iter().flatten();
        servers.any(|server| server["name"] == name && server["tools"] != 0)
    });
    assert!(known, "{name}: {last:#}");
}

#[test]
fn servers_and_tools_are_seen_by_those_who_may_call_them() {
    let team = menagerie();
    knows(&team.alice, "quokka");
    knows(&team.bob, "wombat");
    for (client, others) in [(&team.alice, "wombat"), (&team.bob, "secret")] {
        let told = [
            client.structured("list_mcp_servers", json!({})).to_string(),
            client
                .tool("search_tools", json!({ "query": "secret echo", "limit": 100 }))
                .to_string(),
            client.tool("search_tools", json!({ "query": "ask elicit", "limit": 100 })).to_string(),
            client.value("mcpFactory.listServers()").to_string(),
            client.value("(await discoverMCPTools()).map((tool) => tool.name)").to_string(),
        ];
        for text in told {
            assert!(!text.contains(others), "{others}: {text}");
        }
    }
    for method in ["tools/list", "server/discover", "prompts/list", "resources/list"] {
        let told = team.alice.result(method, json!({})).to_string();
        assert!(!told.contains("wombat"), "{method}: {told}");
    }
    let tools = team.bob.tool("get_tools", json!({ "server": "quokka" })).to_string();
    assert!(tools.contains("echo") && !tools.contains("secret"), "{tools}");
    let tools = team.alice.tool("get_tools", json!({ "server": "wombat" }));
    assert_eq!(tools["isError"], true, "{tools:#}");
    let both = team.alice.structured("get_tools", json!({ "server": "quokka" })).to_string();
    assert!(both.contains("echo") && both.contains("secret"), "{both}");
}

#[test]
fn tools_are_called_by_those_who_may() {
    let team = menagerie();
    knows(&team.alice, "quokka");
    knows(&team.bob, "wombat");
    assert_eq!(team.alice.value("await callTool('quokka', 'secret', {})"), "TOOL-CANARY");
    assert_eq!(team.bob.value("await callTool('wombat', 'echo', { text: 'hi' })"), "hi");
    team.bob.value("await callTool('quokka', 'echo', {})");
    for (client, expression) in [
        (&team.alice, "callTool('wombat', 'echo', { text: 'hi' })"),
        (&team.alice, "callMCPTool('mcp__wombat__echo', { text: 'hi' })"),
        (&team.alice, "mcpFactory.load('wombat').then((s) => s.callTool('echo', { text: 'hi' }))"),
        (&team.alice, "import('mcp:wombat').then((m) => m.echo({ text: 'hi' }))"),
        (&team.bob, "callTool('quokka', 'secret', {})"),
        (&team.bob, "callMCPTool('mcp__quokka__secret', {})"),
        (&team.bob, "mcpFactory.load('quokka').then((s) => s.callTool('secret', {}))"),
        (&team.bob, "import('mcp:quokka').then((m) => m.default.secret({}))"),
    ] {
        let (name, message) = client.thrown(expression);
        assert_ne!(name, "nothing was thrown", "{expression}: {message}");
        assert!(!message.contains("CANARY"), "{expression}: {message}");
    }
    // What a call allows its program comes on top, and adds nothing.
    let arguments = json!({
        "deno_code": "await callTool('wombat', 'echo', { text: 'hi' })",
        "allowedTools": ["mcp__wombat__*"],
    });
    assert_eq!(team.alice.structured(RUN, arguments.clone())["status"], "error");
    assert_eq!(team.bob.structured(RUN, arguments)["returnValue"], "hi");
}

#[test]
fn a_principal_without_tools_has_none() {
    let home = Home::with(&json!({ "quokka": upstream(&["up"]) }));
    let team = Team::at(home, "[principals.alice]\ntools = []\n");
    knows(&team.bob, "quokka");
    let (name, _) = team.alice.thrown("callTool('quokka', 'echo', {})");
    assert_ne!(name, "nothing was thrown");
    let servers = team.alice.structured("list_mcp_servers", json!({}));
    assert!(!servers.to_string().contains("echo"), "{servers:#}");
    team.bob.value("await callTool('quokka', 'echo', {})");
}

#[test]
fn connections_to_servers_are_not_shared() {
    let home = Home::with(&json!({ "wombat": upstream(&["stub"]) }));
    let team = Team::at(home, "");
    let count = |client: &Client| client.value("await callTool('wombat', 'count', {})");
    assert_eq!((count(&team.alice), count(&team.alice)), (json!(1), json!(2)));
    assert_eq!(count(&team.bob), 1);
}

#[test]
fn a_session_is_its_principals_only() {
    let team = Team::new("");
    let hers = team.session(&team.alice);
    let stolen = hers.with_token(Some(token(&team.bob)));
    assert_eq!(stolen.ask("tools/list", json!({})).status, 404);
    assert_eq!(team.server.send(&stolen.listen(None)).status, 404);
    assert_eq!(team.server.send(&stolen.listen(Some("0/0"))).status, 404);
    assert_eq!(stolen.notify("notifications/cancelled", json!({ "requestId": 1 })), 404);
    stolen.close();
    assert_eq!(hers.value("'still mine'"), "still mine");
    // Without a token at all it is not even looked up.
    assert_eq!(hers.with_token(None).ask("tools/list", json!({})).status, 401);
}

#[test]
fn a_run_of_one_cannot_be_cancelled_by_another() {
    let team = Team::new("");
    let (hers, his) = (team.session(&team.alice), team.session(&team.bob));
    let request = hers.request("tools/call", program(&sleeper(1500)));
    let message: Value = serde_json::from_slice(&request.body).expect("JSON");
    let mut connection = team.server.connect();
    connection.send(&request);
    connection.head().expect("an answer");
    connection.message_where(|message| message["params"]["message"] == "on");
    his.notify("notifications/cancelled", json!({ "requestId": message["id"] }));
    let answer = crate::support::http_clients::answer_of(&mut connection);
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
}

/// A client with a user, who says who it is.
#[derive(Clone)]
struct User {
    name: &'static str,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ClientHandler for User {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(ElicitationCapability::new());
        ClientConfig::new(capabilities, Implementation::new("tests", "1"))
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        if let ElicitRequestParams::FormElicitationParams { message, .. } = request {
            self.asked.lock().unwrap().push(message);
        }
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "name": self.name })))
    }
}

async fn user(team: &Team, client: &Client, name: &'static str) -> RmcpClient<User> {
    let user = User { name, asked: Arc::default() };
    let lifecycle = ClientLifecycleMode::Initialize;
    rmcp_client(team.server.url(), Some(token(client)), user, lifecycle).await
}

async fn value(user: &RmcpClient<User>, code: &str) -> Value {
    let arguments = json!({ "deno_code": code }).as_object().cloned().expect("an object");
    let params = CallToolRequestParams::new(RUN).with_arguments(arguments);
    let result = bounded(user.call_tool(params)).await.expect("a result");
    let execution = result.structured_content.expect("an execution");
    assert_eq!(execution["status"], "success", "{execution:#}");
    execution["returnValue"].clone()
}

#[tokio::test]
async fn a_question_is_asked_of_who_started_the_run_and_nobody_else() {
    let home = Home::with(&json!({ "wombat": upstream(&["stub"]) }));
    let team = Team::at(home, "");
    let (ada, bea) = (user(&team, &team.alice, "Ada").await, user(&team, &team.bob, "Bea").await);
    let second = user(&team, &team.alice, "Ada's other client").await;
    let code = "(await callTool('wombat', 'elicit')).content.name";
    for _ in 0..2 {
        assert_eq!(value(&ada, code).await, "Ada");
        assert_eq!(value(&bea, code).await, "Bea");
    }
    let (hers, his) = tokio::join!(value(&ada, code), value(&bea, code));
    assert_eq!((hers, his), (json!("Ada"), json!("Bea")));
    let asked = |user: &RmcpClient<User>| user.service().asked.lock().unwrap().len();
    assert_eq!((asked(&ada), asked(&bea), asked(&second)), (3, 3, 0));
    for user in [ada, bea, second] {
        bounded(user.cancel()).await.expect("an end");
    }
}

#[test]
fn the_audit_log_names_the_principal_of_each_line() {
    let team = Team::new("audit_log = \"@ROOT@/audit.jsonl\"\n");
    team.alice.value("'ALICE-CODE'");
    team.bob.thrown("Deno.readTextFile('/etc/hostname')");
    let lines = || team.server.home.audit();
    let is = |line: &Value, kind: &str| line["kind"] == kind;
    let count = || lines().iter().filter(|line| is(line, "execution")).count();
    assert!(within(PATIENCE, || count() == 2), "{:#?}", lines());
    for line in lines() {
        let expected = if line["codeBytes"] == "'ALICE-CODE'".len() { "alice" } else { "bob" };
        assert_eq!(line["client"], expected, "{line:#}");
    }
    assert!(lines().iter().any(|line| is(line, "refusal")), "{:#?}", lines());
    // Whoever was not let in is named by where they come from.
    team.server.client().ask("tools/list", json!({}));
    let rejected = || lines().into_iter().find(|line| is(line, "rejection"));
    assert!(within(PATIENCE, || rejected().is_some()), "{:#?}", lines());
}

#[test]
fn files_of_the_server_are_closed_to_programs_whatever_they_may_read() {
    let home = Home::empty();
    home.write("plain.txt", "plain");
    home.write("jwks.json", &json!({ "keys": [key()] }).to_string());
    let team = Team::at(
        home,
        &format!(
            "oauth_issuer = \"{ISSUER}\"\noauth_jwks = \"@ROOT@/jwks.json\"\n\
             public_url = \"{PUBLIC_URL}\"\naudit_log = \"@ROOT@/audit.jsonl\"\n\
             [principals.alice]\nworkspace = \"@ROOT@/alice\"\n\
             run_args = \"allow-read=/,allow-write=/\"\n"
        ),
    );
    let root = team.server.home.root();
    team.alice.value("Deno.writeTextFileSync('canary', 'x')");
    let read = |path: &str| team.alice.thrown(&format!("Deno.readTextFile('{path}')"));
    assert_eq!(read(&format!("{root}/plain.txt")).0, "nothing was thrown");
    let before = fs::read(team.server.home.path(SETTINGS)).expect("the configuration");
    for file in [SETTINGS, "tokens.json", "audit.jsonl"] {
        for path in
            [format!("{root}/{file}"), format!("../{file}"), format!("{root}/alice/../{file}")]
        {
            let (name, message) = read(&path);
            assert_eq!(name, "NotCapable", "{path}: {message}");
            for act in [
                format!("Deno.writeTextFile('{path}', '')"),
                format!("Deno.remove('{path}')"),
                format!("Deno.rename('{path}', 'taken')"),
                format!("Deno.rename('canary', '{path}')"),
                format!("Deno.copyFile('{path}', 'copied')"),
                format!("Deno.link('{path}', 'linked')"),
                format!("Deno.stat('{path}').then((s) => s.size)"),
            ] {
                let (name, _) = team.alice.thrown(&act);
                assert_ne!(name, "nothing was thrown", "{act}");
            }
        }
        let code = format!("Deno.symlinkSync('{root}/{file}', 'to-{file}')");
        team.alice.thrown(&code);
        let (name, message) = read(&format!("to-{file}"));
        assert_ne!(name, "nothing was thrown", "{file}: {message}");
    }
    // Another issuer's keys in their place would let anybody in.
    let (name, _) = team.alice.thrown(&format!("Deno.writeTextFile('{root}/jwks.json', '{{}}')"));
    assert_ne!(name, "nothing was thrown");
    let after = fs::read(team.server.home.path(SETTINGS)).expect("the configuration");
    assert!(before == after, "the configuration is another");
    assert_eq!(team.bob.value("1"), 1);
}

#[test]
fn those_without_a_section_have_that_of_all_others() {
    let home = Home::empty();
    let carol = add_token(&home, "carol");
    let team = Team::at(
        home,
        "[principals.alice]\nworkspace = \"@ROOT@/alice\"\n\
         [principals.\"*\"]\nworkspace = \"@ROOT@/all/{principal}\"\ndefault_timeout = 5000\n",
    );
    let carol = team.server.client_as(&carol);
    let root = team.server.home.root();
    let place = |client: &Client| client.value("WORKSPACE_DIR");
    assert_eq!(place(&team.alice), format!("{root}/alice"));
    assert_eq!(place(&team.bob), format!("{root}/all/bob"));
    assert_eq!(place(&carol), format!("{root}/all/carol"));
    team.bob.value("Deno.writeTextFileSync('canary.txt', 'BOB-CANARY')");
    let absolute = format!("{root}/all/bob/canary.txt");
    for path in ["../bob/canary.txt", absolute.as_str()] {
        let (name, message) = carol.thrown(&format!("Deno.readTextFile('{path}')"));
        assert_eq!(name, "NotCapable", "{message}");
    }
    let longer = json!({ "name": RUN, "arguments": { "deno_code": sleeper(6000) } });
    let mut alices = team.alice.start("tools/call", longer);
    assert_eq!(team.bob.call(&sleeper(60_000))["error"], "Execution timed out after 5000ms");
    let answer = alices.receive().expect("an answer").answer();
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer:#}");
}

/// A server that takes tokens of an issuer, with this configuration beside it.
fn with_subjects(configuration: &str) -> Team {
    let home = Home::empty();
    home.write("jwks.json", &json!({ "keys": [key()] }).to_string());
    let issuer = format!(
        "oauth_issuer = \"{ISSUER}\"\noauth_jwks = \"@ROOT@/jwks.json\"\n\
         public_url = \"{PUBLIC_URL}\"\n"
    );
    Team::at(home, &format!("{issuer}{configuration}"))
}

#[test]
fn a_subject_has_the_section_that_names_it_and_no_other_by_its_name() {
    let team = with_subjects(
        "[principals.alice]\nworkspace = \"@ROOT@/alice\"\n\
         [principals.lovelace]\nsubject = \"ada\"\nworkspace = \"@ROOT@/ada\"\n",
    );
    let root = team.server.home.root().to_owned();
    let place = |subject: &str| {
        let client = team.server.client_as(&signed(&claims(subject)));
        client.value("WORKSPACE_DIR").as_str().expect("a path").to_owned()
    };
    assert_eq!(place("ada"), format!("{root}/ada"));
    let own = format!("{root}/.mcp-conductor/workspace");
    for subject in ["alice", "lovelace", "Ada", "ada ", "sub:ada", "*", "anonymous"] {
        assert_eq!(place(subject), own, "{subject}");
    }
    assert_eq!(team.alice.value("WORKSPACE_DIR"), format!("{root}/alice"));
}

#[test]
fn a_subject_of_any_name_stays_in_a_place_of_its_own() {
    let team = with_subjects(
        "[principals.alice]\nworkspace = \"@ROOT@/alice\"\n\
         [principals.\"*\"]\nworkspace = \"@ROOT@/all/{principal}\"\n",
    );
    let home = &team.server.home;
    let all = home.name("all");
    let subjects = ["../alice", "..", ".", "/etc", "a/b", "a%2Fb", "{principal}", "~", "a b", "é"];
    let mut places: Vec<String> = Vec::new();
    for subject in subjects {
        let client = team.server.client_as(&signed(&claims(subject)));
        let place = client.value("Deno.writeTextFileSync('mine', '1'); WORKSPACE_DIR");
        let place = place.as_str().expect("a path").to_owned();
        let name = place.strip_prefix(&format!("{all}/")).expect("below the place of all");
        assert!(!name.contains('/') && !matches!(name, "" | "." | ".."), "{subject}: {place}");
        assert!(!places.contains(&place), "{subject}: {place}");
        places.push(place);
    }
    assert_eq!(fs::read_dir(&all).expect("a directory").count(), places.len());
    assert!(!home.path("alice/mine").exists());
}

/// Percent-encoded it is longer than a file's name may be (`NAME_MAX`, 255 bytes).
#[test]
fn a_subject_with_a_very_long_name_has_a_place_or_hears_why_not() {
    let team = with_subjects("[principals.\"*\"]\nworkspace = \"@ROOT@/all/{principal}\"\n");
    let all = team.server.home.name("all");
    for subject in ["x".repeat(250), "é".repeat(200)] {
        let client = team.server.client_as(&signed(&claims(&subject)));
        let request = json!({ "name": RUN, "arguments": { "deno_code": "WORKSPACE_DIR" } });
        let response = client.ask("tools/call", request);
        if response.status == 200 {
            let place = response.answer()["result"]["structuredContent"]["returnValue"].take();
            assert!(place.as_str().is_some_and(|place| place.starts_with(&all)), "{place}");
        } else {
            assert!(response.status >= 400 && !response.text().is_empty(), "{}", response.status);
        }
    }
    assert_eq!(team.alice.value("1"), 1);
}

#[test]
fn a_subject_and_a_token_of_the_same_name_are_two() {
    let team = with_subjects("[principals.\"*\"]\nworkspace = \"@ROOT@/all/{principal}\"\n");
    team.bob.value("Deno.writeTextFileSync('canary.txt', 'BOB-CANARY')");
    let subject = team.server.client_as(&signed(&claims("bob")));
    let (name, message) = subject.thrown("Deno.readTextFile('canary.txt')");
    assert_eq!(name, "NotFound", "{message}");
    let session = team.session(&team.bob).with_token(Some(&signed(&claims("bob"))));
    assert_eq!(session.ask("tools/list", json!({})).status, 404);
}

#[test]
fn a_subject_keeps_its_session_when_its_token_is_renewed() {
    let team = with_subjects("");
    let session = LegacySession::open_as(&team.server, &signed(&claims("ada")));
    let mut renewed = claims("ada");
    renewed["jti"] = json!("another");
    assert_eq!(session.with_token(Some(&signed(&renewed))).value("1"), 1);
    let other = session.with_token(Some(&signed(&claims("eve"))));
    assert_eq!(other.ask("tools/list", json!({})).status, 404);
}

#[test]
fn what_one_is_told_is_not_for_anybody_elses_cache() {
    let team = menagerie();
    for method in ["tools/list", "prompts/list", "resources/list", "server/discover"] {
        let result = team.alice.result(method, json!({}));
        assert_eq!(result["cacheScope"], "private", "{method}: {result:#}");
    }
}

/// What the health tool says of a client's runs: active, waiting, and at most active.
#[track_caller]
fn executions(client: &Client) -> [Value; 3] {
    let mut executions = client.structured("health", json!({}))["executions"].take();
    ["active", "waiting", "maximum"].map(|member| executions[member].take())
}

#[test]
fn the_health_tool_counts_the_callers_runs_and_no_others() {
    let team = Team::new("max_concurrent = 6\n[principals.alice]\nprincipal_concurrent = 2\n");
    let _run = team.bob.start_program(ENDLESS);
    assert_eq!(executions(&team.alice), [0, 0, 2]);
    assert_eq!(executions(&team.bob), [1, 0, 3]);
}

#[test]
fn nobody_is_anybody_where_there_is_no_authentication() {
    let server = Server::start(&[], &[]);
    let own = format!("{}/.mcp-conductor/workspace", server.home.root());
    for client in of_both_eras(&server) {
        assert_eq!(client.value("WORKSPACE_DIR"), own);
    }
    // A token that nobody asked for makes no difference.
    assert_eq!(server.client_as("alice").value("WORKSPACE_DIR"), own);
}

#[test]
fn sections_that_cannot_be_used_stop_the_server() {
    for (named, text) in [
        ("max_concurrent", "[principals.alice]\nmax_concurrent = 5\n"),
        ("workspace", "[principals.alice]\nworkspace = \"relative\"\n"),
        ("run_args", "[principals.alice]\nrun_args = [\"allow-everything\"]\n"),
        ("tools", "[principals.alice]\ntools = \"mcp__x__*\"\n"),
        ("max_memory", "max_memory = 128\n[principals.alice]\nmax_memory = 256\n"),
        ("anonymous", "[principals.anonymous]\nmax_memory = 64\n"),
        ("a b", "[principals.\"a b\"]\nmax_memory = 64\n"),
        ("subject", "[principals.a]\nsubject = \"x\"\n[principals.b]\nsubject = \"x\"\n"),
        ("workspaces", "[principals.alice]\nworkspaces = \"/tmp\"\n"),
    ] {
        let home = Home::empty();
        let file = configured(&home, text);
        add_token(&home, "alice");
        let (code, said) = refused(&home, &[], &["--config", &file]);
        assert_eq!((code, said.lines().count()), (Some(3), 1), "{text}: {said}");
        assert!(said.contains(named) && said.contains(SETTINGS), "{text}: {said}");
    }
}

#[test]
fn settings_that_cannot_be_used_are_not_in_the_log_at_each_request() {
    let home = Home::empty();
    home.write("file", "");
    let team = Team::at(home, "[principals.alice]\nworkspace = \"@ROOT@/file/workspace\"\n");
    let start = Instant::now();
    for _ in 0..50 {
        let refused = team.alice.ask("tools/list", json!({}));
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    }
    // A line for each 5 s.
    let most = 1 + usize::try_from(start.elapsed().as_secs() / 5).unwrap();
    let problem = ["settings cannot be used", "file/workspace"];
    team.server.logs(&problem);
    let lines = team.server.logged(&problem);
    assert!(lines.len() <= most, "{lines:#?}");
    assert_eq!(team.bob.value("1"), 1);
}

#[test]
fn a_principal_that_floods_does_not_close_the_server_to_another() {
    let team = Team::new("[principals.alice]\nprincipal_concurrent = 1\nprincipal_queue = 1\n");
    let call = || team.alice.start("tools/call", program(&waiter("go")));
    let mut held = [call(), call()];
    assert!(within(PATIENCE, || executions(&team.alice) == [1, 1, 1]), "one runs and one waits");
    for _ in 0..2 {
        let busy = team.alice.ask("tools/call", program("1")).text();
        assert!(busy.contains("MCP_CONDUCTOR_PRINCIPAL_CONCURRENT"), "{busy}");
    }
    assert_eq!(team.bob.value("1"), 1);
    team.server.release("go");
    for call in &mut held {
        let answer = call.receive().expect("an answer").answer();
        assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer:#}");
    }
}
