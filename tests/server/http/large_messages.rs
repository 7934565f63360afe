//! What a review of the server found: each way that is closed now, and beside it the
//! one that has to stay open.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::jwt::TextServer;
use crate::support::home::{AUDIT_LOG, Home};
use crate::support::http::{Server, add_token, refused, remove_token, tokens_of};
use crate::support::http_clients::{Caller, LegacySession, answer_of, of_both_eras, program};
use crate::support::snippets::{ENDLESS, sleeper, waiter};
use crate::support::waiting::{PATIENCE, within};
use crate::support::wire::{Connection, Request, Response};

const CONFIGURATION: &str = "conductor.toml";

/// A client has 3 s to come back to its run, and the machine the rest.
const SOON: Duration = Duration::from_secs(10);

/// Of JSON-RPC 2.0, section 5.1.
const INVALID_REQUEST: i32 = -32600;

/// Writes a configuration, with `@ROOT@` for the home directory. Its path.
fn configure(home: &Home, text: &str) -> String {
    home.write(CONFIGURATION, &text.replace("@ROOT@", home.root()));
    home.name(CONFIGURATION)
}

/// Sends SIGHUP; what the server says when it has read what there is.
#[track_caller]
fn read_again(server: &Server) -> String {
    let said = || server.logged(&["the configuration"]);
    let before = said().len();
    server.signal(Signal::SIGHUP);
    assert!(within(PATIENCE, || said().len() > before), "{}", server.log());
    said().pop().expect("a line")
}

/// More processes than these: so many programs run.
#[track_caller]
fn run(server: &Server, processes: usize, programs: usize) {
    let run = within(Duration::from_secs(10), || server.processes() >= processes + programs);
    assert!(run, "{} processes, not {processes} and {programs}", server.processes());
}

#[track_caller]
fn none_runs_within(server: &Server, processes: usize, limit: Duration) {
    let gone = within(limit, || server.processes() <= processes);
    assert!(gone, "{} processes, not {processes}\n{}", server.processes(), server.log());
}

#[track_caller]
fn is_done(connection: &mut Connection) {
    let answer = answer_of(connection);
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
}

/// The message of a request that was no good.
#[track_caller]
fn invalid(response: &Response) -> String {
    assert_eq!(response.status, 400, "{}", response.text());
    let answer = response.answer();
    assert_eq!(answer["error"]["code"], INVALID_REQUEST, "{answer}");
    answer["error"]["message"].as_str().expect("a text").to_owned()
}

/// Posts a text within a session.
#[track_caller]
fn post(session: &LegacySession, text: &str) -> Response {
    Connection::open(session.port).exchange(&session.within_session(Request::post(text)))
}

/// A message with one large parameter, which is JSON.
fn ping(id: u32, large: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping","params":{{"a":{large}}}}}"#)
}

/// An array of so many values.
fn array_of(value: &str, count: usize) -> String {
    let before = format!("{value},").repeat(count - 1);
    format!("[{before}{value}]")
}

/// Most memory that a process has had, in bytes (proc_pid_status(5)).
#[track_caller]
fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the server lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
    kibibytes << 10
}

#[test]
fn a_message_of_very_many_values_is_refused_and_a_long_one_is_not() {
    let server = Server::start(&[], &[]);
    for client in of_both_eras(&server) {
        let list = |large: Value| client.ask("tools/list", json!({ "a": large }));
        let message = invalid(&list(json!(vec![0; 1_100_000])));
        assert!(message.contains("values"), "{message}");
        for large in [json!(vec![0; 100_000]), json!("x".repeat(8 << 20))] {
            let response = list(large);
            assert_eq!(response.status, 200, "{}", response.text());
            let tools = response.answer()["result"]["tools"].take();
            assert_eq!(tools.as_array().map(Vec::len), Some(8), "{tools}");
        }
    }
}

#[test]
fn values_are_counted_in_messages_of_each_kind() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let zeros = array_of("0", 1_100_000);
    for kind in [
        r#""id":1000001,"method":"no/such","params""#,
        r#""method":"notifications/nothing","params""#,
        r#""id":1000001,"result""#,
    ] {
        let message = |large: &str| format!(r#"{{"jsonrpc":"2.0",{kind}:{{"a":{large}}}}}"#);
        let refused = invalid(&post(&session, &message(&zeros)));
        assert!(refused.contains("values"), "{kind}: {refused}");
        let response = post(&session, &message("[0]"));
        let is_many = response.text().contains("values");
        assert!(!is_many, "{kind}: {} {}", response.status, response.text());
    }
    // Characters within a string are none.
    let long = format!("\"{}\"", "[{,:\\\"".repeat(500_000));
    assert_eq!(post(&session, &ping(1_000_002, &long)).status, 200);
    assert_eq!(session.value("1"), 1);
}

#[test]
fn large_messages_in_parallel_take_neither_the_memory_nor_the_time_of_others() {
    let server = Server::start(&[], &[]);
    let sessions: Vec<_> = (0..3).map(|_| LegacySession::open(&server)).collect();
    let text = format!("\"{}\"", "x".repeat(8 << 20));
    for (round, status, large) in [
        (0, 400, array_of("0", 8_000_000)),
        (1, 400, array_of("{}", 5_000_000)),
        (2, 200, array_of("0", 400_000)),
        (3, 200, text),
    ] {
        let message = ping(1_000_000 + round, &large);
        let message = message.as_str();
        thread::scope(|scope| {
            let posts: Vec<_> = sessions
                .iter()
                .map(|session| scope.spawn(move || post(session, message).status))
                .collect();
            loop {
                let start = Instant::now();
                assert_eq!(server.get("/health").status, 200);
                let waited = start.elapsed();
                assert!(waited < Duration::from_secs(5), "round {round}: {waited:?}");
                if posts.iter().all(thread::ScopedJoinHandle::is_finished) {
                    break;
                }
                sleep(Duration::from_millis(20));
            }
            for post in posts {
                assert_eq!(post.join().expect("an answer"), status, "round {round}");
            }
        });
    }
    let peak = peak_memory(server.pid());
    assert!(peak < 1 << 30, "{} MiB", peak >> 20);
    server.works();
}

#[test]
fn a_stream_that_took_up_nothing_ends_no_run_when_it_breaks_off() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let mut running = session.start_program(&sleeper(6000));
    let mut listening = server.connect();
    listening.send(&session.listen(Some("0")));
    listening.head().expect("an answer");
    drop(listening);
    is_done(&mut running);
    assert_eq!(session.value("1"), 1);
}

#[test]
fn a_stream_that_took_up_nothing_keeps_no_run_whose_client_is_gone() {
    let server = Server::start(&[], &[]);
    server.works();
    let processes = server.settled_processes(0);
    for first_listens in [true, false] {
        let session = LegacySession::open(&server);
        let connection = session.start_program(ENDLESS);
        run(&server, processes, 1);
        if first_listens {
            server.send(&session.listen(Some("9/999")));
            drop(connection);
        } else {
            drop(connection);
            sleep(Duration::from_millis(500));
            server.send(&session.listen(Some("9/999")));
        }
        none_runs_within(&server, processes, SOON);
        assert_eq!(session.value("1"), 1);
        assert_eq!(server.settled_processes(0), processes);
    }
}

/// Descriptors of a server that has few of them.
const FEW: usize = 256;

/// A server that may open few files, with the tokens that are in its home directory.
#[track_caller]
fn small(home: Home) -> Server {
    let limited = format!("ulimit -n {FEW}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command
        .args(["-c", &limited, env!("CARGO_BIN_EXE_mcp-conductor"), "http", "-p", "0"])
        .env_clear()
        .env("HOME", home.root())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("MCP_CONDUCTOR_STANDBY", "1")
        .env("MCP_CONDUCTOR_TOKENS", tokens_of(&home))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let server = Server::listening(home, command);
    server.unwrap_or_else(|said| panic!("it does not listen:\n{said}"))
}

#[test]
fn streams_of_one_principal_leave_places_for_another() {
    let home = Home::empty();
    let (alice, bob) = (add_token(&home, "alice"), add_token(&home, "bob"));
    let server = small(home);
    let bobs = server.client_as(&bob);
    assert_eq!(bobs.value("1"), 1);
    // First 100, then more than there are places: one for two descriptors.
    for per_session in [20, 30] {
        let sessions: Vec<_> = (0..5)
            .map(|_| LegacySession::open_with(server.port, Some(&alice), &json!({})))
            .collect();
        let mut streams = Vec::new();
        for session in &sessions {
            for _ in 0..per_session {
                let mut stream = Connection::open(server.port);
                stream.send(&session.listen(None));
                streams.push(stream);
            }
        }
        sleep(Duration::from_secs(1));
        assert_eq!(bobs.value("2"), 2, "{}", server.log());
        // Her own part she has. Which of her connections come first is the server's to decide.
        let is_open = |stream: &mut Connection| stream.head().is_ok_and(|head| head.status == 200);
        assert!(streams.iter_mut().any(is_open), "{}", server.log());
        drop(streams);
        let again = within(PATIENCE, || {
            let response = server.client_as(&alice).ask("tools/list", json!({}));
            response.status == 200
        });
        assert!(again, "{}", server.log());
        for session in sessions {
            session.close();
        }
    }
    assert_eq!(server.client_as(&alice).value("3"), 3);
}

/// A request as a client sends it, with another id.
fn with_id(caller: &dyn Caller, method: &str, params: Value, id: &Value) -> Request {
    let mut request = caller.request(method, params);
    let mut message: Value = serde_json::from_slice(&request.body).expect("JSON");
    message["id"] = id.clone();
    request.body = message.to_string().into_bytes();
    request
}

#[test]
fn an_id_belongs_to_one_call_at_a_time() {
    let server = Server::start(&[], &[]);
    let (session, other) = (LegacySession::open(&server), LegacySession::open(&server));
    for (file, id) in [("first", json!(4_000_007)), ("second", json!("the same"))] {
        let mut first = server.connect();
        first.send(&with_id(&session, "tools/call", program(&waiter(file)), &id));
        assert_eq!(first.head().expect("an answer").status, 200);
        first.message_where(|message| message["params"]["message"] == "on");
        for (method, params) in [("ping", json!({})), ("tools/call", program("1"))] {
            let response = server.send(&with_id(&session, method, params, &id));
            let message = invalid(&response);
            assert!(message.contains("in use"), "{method}: {message}");
        }
        // Whoever does not mean that call has what they ask for.
        let modern = server.client();
        let callers: [&dyn Caller; 2] = [&other, &modern];
        for caller in callers {
            let response = server.send(&with_id(caller, "tools/list", json!({}), &id));
            assert_eq!((response.status, &response.answer()["id"]), (200, &id));
        }
        let unlike = json!(id.to_string());
        let response = server.send(&with_id(&session, "tools/list", json!({}), &unlike));
        assert_eq!((response.status, &response.answer()["id"]), (200, &unlike));

        server.release(file);
        let answer = answer_of(&mut first);
        assert_eq!(answer["id"], id);
        assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
        assert_eq!(first.message().expect("a stream"), None);
        let mut again = server.send(&with_id(&session, "ping", json!({}), &id));
        // The server may notice the end of the stream after its client.
        within(PATIENCE, || {
            if again.status == 400 {
                again = server.send(&with_id(&session, "ping", json!({}), &id));
            }
            again.status != 400
        });
        assert_eq!(again.status, 200, "{}", again.text());
        assert_eq!(again.answer()["id"], id);
    }
}

#[test]
fn a_very_long_id_is_refused() {
    let server = Server::start(&[], &[]);
    for client in of_both_eras(&server) {
        let ask = |id: &Value| server.send(&with_id(&*client, "tools/list", json!({}), id));
        for length in [300, 1 << 20] {
            let message = invalid(&ask(&json!("x".repeat(length))));
            assert!(message.contains("id") && message.len() < 500, "{message}");
        }
        let id = json!("x".repeat(200));
        let response = ask(&id);
        assert_eq!((response.status, &response.answer()["id"]), (200, &id));
    }
}

#[test]
fn a_section_of_nobody_is_named() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let file = configure(
        &home,
        "tokens = \"@ROOT@/tokens.json\"\n\
         [principals.alise]\nmax_timeout = 50000\n\
         [principals.alice]\nmax_timeout = 50000\n\
         [principals.\"*\"]\nmax_timeout = 50000\n",
    );
    let server = Server::at(home, &[], &["--config", &file]);
    server.logs(&["WARN", "principals.alise"]);
    for line in server.logged(&["WARN", "principals."]) {
        assert!(line.contains("principals.alise"), "{line}");
        assert!(!line.contains("principals.alice"), "{line}");
    }
    assert_eq!(server.client_as(&alice).value("1"), 1);
}

#[test]
fn sections_without_authentication_stop_the_server() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let section = "[principals.alice]\nmax_timeout = 50000\n";
    let file = configure(&home, section);
    let (code, said) = refused(&home, &[], &["--config", &file]);
    assert_eq!((code, said.lines().count()), (Some(3), 1), "{said}");
    assert!(said.contains("principals") && said.contains("authenticat"), "{said}");

    configure(&home, &format!("tokens = \"@ROOT@/tokens.json\"\n{section}"));
    let server = Server::at(home, &[], &["--config", &file]);
    assert_eq!(server.client_as(&alice).value("1"), 1);
    assert_eq!(server.client().ask("tools/list", json!({})).status, 401);
}

#[test]
fn authentication_is_not_lost_on_loopback_either() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let tokens = "tokens = \"@ROOT@/tokens.json\"\n";
    let file = configure(&home, tokens);
    let server = Server::at(home, &[], &["--config", &file]);
    let session = LegacySession::open_as(&server, &alice);
    for text in ["", "default_timeout = 400\n", "# tokens = \"@ROOT@/tokens.json\"\n"] {
        configure(&server.home, text);
        let said = read_again(&server);
        assert!(said.contains("ERROR") && said.contains("is not used"), "{text}: {said}");
        assert_eq!(server.client().ask("tools/list", json!({})).status, 401, "{text}");
        assert_eq!(server.client_as(&alice).value("1"), 1, "{text}");
        assert_eq!(session.value("2"), 2, "{text}");
    }
    configure(&server.home, &format!("{tokens}default_timeout = 400\n"));
    let said = read_again(&server);
    assert!(said.contains("was read again"), "{said}");
    assert_eq!(server.client().ask("tools/list", json!({})).status, 401);
    let execution = server.client_as(&alice).call(&sleeper(5000));
    assert_eq!(execution["error"], "Execution timed out after 400ms");
}

#[test]
fn a_program_does_not_reach_the_server_that_runs_it() {
    let page = TextServer::start("\"a page\"");
    let grants = ("MCP_CONDUCTOR_RUN_ARGS", "allow-net=127.0.0.1,localhost");
    let open = Server::start(&[grants], &[]);
    let (closed, alice) = Server::with_token(&[grants]);
    for (server, client) in [(&open, open.client()), (&closed, closed.client_as(&alice))] {
        for host in ["127.0.0.1", "localhost", "127.1"] {
            for path in ["health", "metrics", "mcp"] {
                let own = format!("fetch('http://{host}:{}/{path}')", server.port);
                let (name, message) = client.thrown(&own);
                assert_eq!(name, "NotCapable", "{own}: {message}");
                assert!(message.contains("own port"), "{own}: {message}");
            }
            let other = format!("await (await fetch('http://{host}:{}/')).json()", page.port);
            assert_eq!(client.value(&other), "a page");
        }
        for host in ["[::ffff:127.0.0.1]", "0.0.0.0", "[::1]"] {
            let own = format!("fetch('http://{host}:{}/health')", server.port);
            let (name, _) = client.thrown(&own);
            assert_ne!(name, "nothing was thrown", "{own}");
        }
    }
    assert_eq!(page.count(), 6);
}

#[test]
fn a_run_that_finds_no_place_is_in_the_audit_log() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let (tokens, log) = (tokens_of(&home), home.name(AUDIT_LOG));
    let env = [
        ("MCP_CONDUCTOR_TOKENS", &*tokens),
        ("MCP_CONDUCTOR_AUDIT_LOG", &*log),
        ("MCP_CONDUCTOR_MAX_CONCURRENT", "1"),
        ("MCP_CONDUCTOR_MAX_QUEUE", "0"),
    ];
    let server = Server::at(home, &env, &[]);
    let alice = server.client_as(&alice);
    let mut running = alice.start_program(&waiter("go"));
    let answer = alice.ask("tools/call", program("1")).text();
    assert!(answer.contains("Busy"), "{answer}");
    server.release("go");
    is_done(&mut running);
    let runs = || -> Vec<Value> {
        let lines = server.home.audit().into_iter();
        lines.filter(|line| line["kind"] == "execution").collect()
    };
    assert!(within(PATIENCE, || runs().len() == 2), "{:#?}", server.home.audit());
    let told: Vec<_> =
        runs().iter().map(|line| [line["outcome"].clone(), line["client"].clone()]).collect();
    assert_eq!(told, [["busy", "alice"], ["success", "alice"]].map(|it| it.map(|it| json!(it))));
}

#[test]
fn a_new_token_of_an_old_name_is_another_holder() {
    let home = Home::empty();
    let (old, bob) = (add_token(&home, "alice"), add_token(&home, "bob"));
    let tokens = tokens_of(&home);
    let env = [("MCP_CONDUCTOR_TOKENS", &*tokens), ("MCP_CONDUCTOR_MAX_CONCURRENT", "8")];
    let server = Server::at(home, &env, &[]);
    let alices = LegacySession::open_as(&server, &old);
    let bobs = LegacySession::open_as(&server, &bob);
    assert_eq!((alices.value("1"), bobs.value("2")), (json!(1), json!(2)));
    let processes = server.settled_processes(0);
    let _running = [alices.start_program(ENDLESS), server.client_as(&old).start_program(ENDLESS)];
    let mut bobs_run = bobs.start_program(&waiter("go"));
    run(&server, processes, 3);

    remove_token(&server.home, "alice");
    let new = server.token("alice");
    assert_ne!(new, old);
    let said = read_again(&server);
    assert!(said.contains("was read again"), "{said}");
    // Bob's goes on.
    none_runs_within(&server, processes + 1, SOON);
    server.release("go");
    is_done(&mut bobs_run);
    none_runs_within(&server, processes, SOON);

    assert_eq!(server.client_as(&old).ask("tools/list", json!({})).status, 401);
    assert_eq!(alices.ask("tools/list", json!({})).status, 401);
    assert_eq!(server.client_as(&new).value("3"), 3);
    assert_eq!(alices.with_token(Some(&new)).ask("tools/list", json!({})).status, 404);
    assert_eq!(bobs.value("4"), 4);
}

#[test]
fn the_audit_log_in_use_stays_closed_when_the_file_names_another() {
    let home = Home::empty();
    home.write("plain.txt", "plain");
    let alice = add_token(&home, "alice");
    let text = |log: &str, timeout: u32| {
        format!(
            "tokens = \"@ROOT@/tokens.json\"\naudit_log = \"@ROOT@/{log}\"\n\
             [principals.alice]\nworkspace = \"@ROOT@/alice\"\n\
             run_args = \"allow-read=/,allow-write=/\"\ndefault_timeout = {timeout}\n"
        )
    };
    let file = configure(&home, &text(AUDIT_LOG, 20_000));
    let server = Server::at(home, &[], &["--config", &file]);
    let alice = server.client_as(&alice);
    assert_eq!(alice.value("1"), 1);
    configure(&server.home, &text("other.jsonl", 10_000));
    let said = read_again(&server);
    assert!(said.contains("was read again"), "{said}");
    server.logs(&["WARN", "audit_log", "restart"]);

    let in_use = server.home.name(AUDIT_LOG);
    let plain = server.home.name("plain.txt");
    let acts = |path: &str| {
        [
            format!("Deno.readTextFile('{path}')"),
            format!("Deno.writeTextFile('{path}', 'x', {{ append: true }})"),
            format!("Deno.writeTextFile('{path}', 'x')"),
        ]
    };
    for (closed, open) in acts(&in_use).iter().zip(&acts(&plain)) {
        let (name, message) = alice.thrown(closed);
        assert_eq!(name, "NotCapable", "{closed}: {message}");
        let (name, message) = alice.thrown(open);
        assert_eq!(name, "nothing was thrown", "{open}: {message}");
    }
    for act in [
        format!("Deno.remove('{in_use}')"),
        format!("Deno.rename('{in_use}', '{in_use}.old')"),
        format!("Deno.rename('{plain}', '{in_use}')"),
        format!("Deno.link('{in_use}', 'linked')"),
    ] {
        let (name, _) = alice.thrown(&act);
        assert_ne!(name, "nothing was thrown", "{act}");
    }
    let before = server.home.audit().len();
    assert_eq!(alice.value("2"), 2);
    let goes_on = within(PATIENCE, || server.home.audit().len() > before);
    assert!(goes_on, "{:#?}", server.home.audit());
}

#[test]
fn the_end_of_a_session_is_answered_with_204_and_ends_its_run() {
    let server = Server::start(&[], &[]);
    server.works();
    let processes = server.settled_processes(0);
    let (ended, kept) = (LegacySession::open(&server), LegacySession::open(&server));
    let _running = ended.start_program(ENDLESS);
    run(&server, processes, 1);
    let response = ended.close();
    assert_eq!((response.status, response.text()), (204, String::new()));
    none_runs_within(&server, processes, SOON);
    assert_eq!(ended.ask("tools/list", json!({})).status, 404);

    // Another session's run is its own.
    let mut running = kept.start_program(&sleeper(2000));
    let ended = LegacySession::open(&server);
    assert_eq!(ended.close().status, 204);
    is_done(&mut running);
}

#[test]
fn rejections_are_of_whom_they_are() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let (tokens, log) = (tokens_of(&home), home.name(AUDIT_LOG));
    let env = [
        ("MCP_CONDUCTOR_TOKENS", &*tokens),
        ("MCP_CONDUCTOR_AUDIT_LOG", &*log),
        ("MCP_CONDUCTOR_RATE_LIMIT", "1"),
        ("MCP_CONDUCTOR_RATE_BURST", "1"),
    ];
    let server = Server::at(home, &env, &[]);
    let alice = server.client_as(&alice);
    assert_eq!(alice.value("1"), 1);
    assert_eq!(alice.ask("tools/call", program("2")).status, 429);
    let wrong = server.client_as(&format!("mcpc_{}", "x".repeat(43)));
    assert_eq!(wrong.ask("tools/call", program("3")).status, 401);
    let rejections = || -> Vec<Value> {
        let lines = server.home.audit().into_iter();
        lines.filter(|line| line["kind"] == "rejection").collect()
    };
    assert!(within(PATIENCE, || rejections().len() == 2), "{:#?}", server.home.audit());
    let clients: Vec<_> = rejections().iter().map(|line| line.get("client").cloned()).collect();
    assert_eq!(clients, [Some(json!("alice")), Some(Value::Null)], "{:#?}", rejections());
}
