//! SIGHUP: configuration and tokens are read again while clients are served.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::directory::Directory;
use crate::support::home::{Home, SETTINGS};
use crate::support::http::{Server, add_token, remove_token, tokens_of};
use crate::support::http_clients::{Caller as _, LegacySession, answer_of};
use crate::support::python::install_directory;
use crate::support::snippets::sleeper;

#[track_caller]
fn with_configuration(home: Home, text: &str) -> Server {
    let file = home.settings(text);
    Server::at(home, &[], &["--config", &file])
}

#[track_caller]
fn is_used(server: &Server) {
    let said = server.logged(&["the configuration"]);
    let last = said.last().expect("something is said");
    assert!(last.contains("was reloaded"), "{last}");
}

#[track_caller]
fn is_not_used(server: &Server) -> String {
    let said = server.logged(&["the configuration"]);
    let last = said.last().expect("something is said");
    assert!(last.contains("ERROR") && last.contains("is not used"), "{last}");
    last.clone()
}

#[test]
fn a_new_token_is_good_once_it_is_read() {
    let (server, alice) = Server::with_token(&[]);
    let bob = server.token("bob");
    assert_eq!(server.client_as(&bob).ask("tools/list", json!({})).status, 401);
    server.read_again();
    is_used(&server);
    assert_eq!(server.client_as(&bob).value("1"), 1);
    assert_eq!(server.client_as(&alice).value("2"), 2);
}

#[test]
fn changed_grants_hold_for_new_calls() {
    let home = Home::empty();
    home.write("shared/a.txt", "shared");
    home.write("alice/canary", "");
    let alice = add_token(&home, "alice");
    let text = |run_args: &str| {
        format!("tokens = \"@ROOT@/tokens.json\"\n[principals.alice]\n{run_args}\n")
    };
    let server = with_configuration(home, &text(""));
    let client = server.client_as(&alice);
    let read = format!("Deno.readTextFile('{}/shared/a.txt')", server.home.root());
    assert_eq!(client.thrown(&read).0, "NotCapable");

    server.home.settings(&text("run_args = [\"allow-read=@ROOT@/shared\"]"));
    assert_eq!(client.thrown(&read).0, "NotCapable", "it is not read by itself");
    server.read_again();
    is_used(&server);
    assert_eq!(client.value(&format!("await {read}")), "shared");

    server.home.settings(&text(""));
    server.read_again();
    assert_eq!(client.thrown(&read).0, "NotCapable");
}

#[test]
fn changed_limits_hold_for_new_calls_of_whom_they_are() {
    let home = Home::empty();
    let (alice, bob) = (add_token(&home, "alice"), add_token(&home, "bob"));
    let text =
        |limits: &str| format!("tokens = \"@ROOT@/tokens.json\"\n[principals.alice]\n{limits}\n");
    let server = with_configuration(home, &text(""));
    let (alice, bob) = (server.client_as(&alice), server.client_as(&bob));
    assert_eq!(alice.value(&sleeper(800)), "done");
    server.home.settings(&text("default_timeout = 400"));
    server.read_again();
    assert_eq!(alice.call(&sleeper(30_000))["error"], "Execution timed out after 400ms");
    assert_eq!(bob.value(&sleeper(800)), "done");
}

#[test]
fn what_did_not_change_goes_on() {
    let home = Home::empty();
    let (alice, bob) = (add_token(&home, "alice"), add_token(&home, "bob"));
    let text = |timeout: u32| {
        format!(
            "tokens = \"@ROOT@/tokens.json\"\n[principals.alice]\ndefault_timeout = {timeout}\n"
        )
    };
    let server = with_configuration(home, &text(20_000));
    let bobs = LegacySession::open_as(&server, &bob);
    let mut running =
        [bobs.start_program(&sleeper(2500)), server.client_as(&bob).start_program(&sleeper(2500))];
    let mut stream = server.connect();
    stream.send(&bobs.listen(None));
    assert_eq!(stream.head().expect("an answer").status, 200);
    server.home.settings(&text(10_000));
    server.read_again();
    is_used(&server);
    for connection in &mut running {
        let answer = answer_of(connection);
        assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
    }
    assert_eq!(bobs.value("1"), 1);
    assert_eq!(server.client_as(&alice).value("2"), 2);
}

#[test]
fn a_configuration_that_is_wrong_is_reported_and_the_old_one_stays() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let good = "tokens = \"@ROOT@/tokens.json\"\ndefault_timeout = 20000\n";
    let server = with_configuration(home, good);
    let session = LegacySession::open_as(&server, &alice);
    for (named, wrong) in [
        ("max_cpu_time", format!("{good}max_cpu_tmie = 5\n")),
        ("default_timeout", good.replace("20000", "\"soon\"")),
        ("conductor.toml", format!("{good}[principals.alice\n")),
        ("run_args", format!("{good}[principals.alice]\nrun_args = [\"allow-nothing-of-it\"]\n")),
        ("missing.json", good.replace("tokens.json", "missing.json")),
    ] {
        server.home.settings(&wrong);
        server.read_again();
        let said = is_not_used(&server);
        assert!(said.contains(named), "{named}: {said}");
        assert_eq!(server.client_as(&alice).value("1"), 1, "{named}");
        assert_eq!(session.value("2"), 2, "{named}");
    }
    std::fs::remove_file(server.home.path(SETTINGS)).unwrap();
    server.read_again();
    is_not_used(&server);
    assert_eq!(session.value("3"), 3);
    server.home.settings(good);
    server.read_again();
    is_used(&server);
    assert_eq!(session.value("4"), 4);
}

#[test]
fn a_file_of_tokens_that_is_wrong_leaves_the_old_tokens() {
    let (server, alice) = Server::with_token(&[]);
    let bob = server.token("bob");
    let tokens = tokens_of(&server.home);
    std::fs::set_permissions(&tokens, Permissions::from_mode(0o644)).unwrap();
    server.read_again();
    assert!(is_not_used(&server).contains("chmod 600"));
    assert_eq!(server.client_as(&alice).value("1"), 1);
    assert_eq!(server.client_as(&bob).ask("tools/list", json!({})).status, 401);
    std::fs::set_permissions(&tokens, Permissions::from_mode(0o600)).unwrap();
    server.read_again();
    assert_eq!(server.client_as(&bob).value("1"), 1);
}

#[test]
fn what_needs_a_restart_is_named() {
    let home = Home::empty();
    let server =
        with_configuration(home, "max_concurrent = 4\nbind = \"127.0.0.1\"\nmax_memory = 128\n");
    server.home.settings("max_concurrent = 5\nbind = \"127.0.0.2\"\nmax_memory = 64\n");
    server.read_again();
    is_used(&server);
    for key in ["max_concurrent", "bind", "max_memory"] {
        let said = server.logged(&["WARN", key, "restart"]);
        assert_eq!(said.len(), 1, "{key}:\n{}", server.log());
    }
    server.works();
}

#[test]
fn authentication_is_not_lost_on_the_way_beyond_loopback() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let server = with_configuration(home, "bind = \"0.0.0.0\"\ntokens = \"@ROOT@/tokens.json\"\n");
    server.home.settings("bind = \"0.0.0.0\"\n");
    server.read_again();
    is_not_used(&server);
    assert_eq!(server.client().ask("tools/list", json!({})).status, 401);
    assert_eq!(server.client_as(&alice).value("1"), 1);
    // Another address in the same file does not count: the old one is listened on.
    server.home.settings("bind = \"127.0.0.1\"\n");
    server.read_again();
    is_not_used(&server);
    assert_eq!(server.client().ask("tools/list", json!({})).status, 401);
}

#[test]
fn a_section_that_is_gone_gives_nothing_any_more() {
    let home = Home::empty();
    home.write("shared/a.txt", "SHARED-CANARY");
    let alice = add_token(&home, "alice");
    let tokens = "tokens = \"@ROOT@/tokens.json\"\n";
    let server = with_configuration(
        home,
        &format!("{tokens}[principals.alice]\nrun_args = [\"allow-read=@ROOT@/shared\"]\n"),
    );
    let session = LegacySession::open_as(&server, &alice);
    let read = format!("await Deno.readTextFile('{}/shared/a.txt')", server.home.root());
    assert_eq!(session.value(&read), "SHARED-CANARY");
    server.home.settings(tokens);
    server.read_again();
    is_used(&server);
    // Her session may have ended; what it could do has.
    let again = session.ask("tools/call", crate::support::http_clients::program(&read));
    assert!(!again.text().contains("SHARED-CANARY"), "{}", again.text());
    let execution = server.client_as(&alice).call(&read);
    assert_eq!(execution["errorType"], "permission", "{execution:#}");
}

#[test]
fn signals_in_a_row_change_nothing() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let mut running = session.start_program(&sleeper(1500));
    for _ in 0..50 {
        server.signal(Signal::SIGHUP);
    }
    let answer = answer_of(&mut running);
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
    assert_eq!(session.value("1"), 1);
    server.works();
}

#[test]
fn tokens_come_and_go_while_others_call() {
    let (server, alice) = Server::with_token(&[]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calls = scope.spawn(|| {
            let client = server.client_as(&alice);
            let mut calls = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(client.value("7"), 7);
                calls += 1;
            }
            calls
        });
        for _ in 0..5 {
            server.token("bob");
            server.read_again();
            remove_token(&server.home, "bob");
            server.read_again();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(calls.join().expect("every call is answered") > 0);
    });
}

#[test]
fn python_that_is_installed_while_the_server_runs_is_there_once_it_is_looked_for() {
    let Some(python) = install_directory() else { return };
    let store = Directory::new("python-later");
    let place = store.name("");
    let server = Server::start(&[("MCP_CONDUCTOR_INSTALL_DIR", place.trim_end_matches('/'))], &[]);
    let has_python = || {
        let listed = server.client().result("tools/list", json!({}));
        let tools = listed["tools"].as_array().expect("tools");
        tools.iter().any(|tool| tool["name"] == "execute_python")
    };
    server.read_again();
    assert!(!has_python());
    symlink(python.join("components"), store.path("components")).expect("a link");
    assert!(!has_python());
    server.read_again();
    assert!(has_python());
    server.logged(&["python: 3.15"]);
}
