//! Which generation is current, whatever happens meanwhile.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::store::Store;
use crate::support::http::Server;
use crate::support::registry::{Fault, Options};
use crate::support::waiting::until;

fn module(value: u32) -> (String, Options) {
    let options = Options::manifest(json!({ "type": "module", "exports": "./index.js" }));
    (format!("export const value = {value};"), options)
}

fn publish(store: &Store, name: &str, version: &str, value: u32) {
    let (text, options) = module(value);
    store.registry.package(name, version, &[("index.js", &text)], options);
}

const VALUE: &str = "import { value } from 'npm:a'; value";

#[test]
fn an_installation_that_is_killed_leaves_the_old_one_and_the_next_removes_what_is_left() {
    let mut store = Store::allowing(&["npm:a"]);
    publish(&store, "a", "1.0.0", 1);
    store.installed(&[]);
    store.registry.package("silent", "1.0.0", &[], Options::fault(Fault::Silent));
    store.allow(&["npm:a", "npm:silent"]);
    let mut child = store.command(&["install"]).spawn().expect("it starts");
    while store.generations().len() == 1 {
        sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).expect("it runs");
    child.wait().expect("it has ended");
    store.allow(&["npm:a"]);
    assert_eq!(store.value(VALUE), 1);
    assert_eq!(store.installed(&[])["changed"], false);
    assert_eq!(store.generations(), ["1"]);
}

#[test]
fn the_generation_before_the_current_one_is_kept() {
    let store = Store::allowing(&["npm:a"]);
    for value in 1..=3 {
        publish(&store, "a", &format!("1.0.{value}"), value);
        store.installed(&["--update"]);
    }
    assert_eq!(store.generations(), ["2", "3"]);
    assert_eq!(store.current().to_str(), Some("generations/3"));
    assert_eq!(store.value(VALUE), 3);
}

#[test]
fn a_second_installation_at_the_same_time_is_told_of_the_first() {
    let store = Store::allowing(&["npm:silent"]);
    store.registry.package("silent", "1.0.0", &[], Options::fault(Fault::Silent));
    let mut first = store.command(&["install"]).spawn().expect("it starts");
    let lock = store.path("generations/1");
    while !lock.exists() {
        sleep(Duration::from_millis(10));
    }
    let ended = store.install(&[]);
    let holder = format!("process {} is installing", first.id());
    first.kill().expect("it runs");
    first.wait().expect("it has ended");
    assert_eq!(ended.code, Some(75));
    assert!(ended.stderr.contains(&holder), "{}", ended.stderr);
}

#[test]
fn an_installation_serves_who_cannot_write_it() {
    let store = Store::allowing(&["npm:a"]);
    publish(&store, "a", "1.0.0", 1);
    store.installed(&[]);
    let before = fs::read(store.path("current/manifest.json")).expect("a manifest");
    assert_eq!(store.value(VALUE), 1);
    let denied = "await Deno.writeTextFile(new URL('file://' + WORKSPACE_DIR + \
        '/../installed/packages/current/manifest.json'), '{}')";
    assert_eq!(store.run(denied)["status"], "error");
    assert_eq!(fs::read(store.path("current/manifest.json")).expect("a manifest"), before);
}

#[test]
fn a_manifest_of_another_version_is_a_reason_and_plain_programs_run() {
    let store = Store::allowing(&["npm:a"]);
    publish(&store, "a", "1.0.0", 1);
    store.installed(&[]);
    fs::write(store.path("current/manifest.json"), r#"{"format": 99}"#).expect("it is ours");
    assert_eq!(store.value("1 + 1"), 2);
    let result = store.run(VALUE).to_string();
    assert!(result.contains("mcp-conductor install"), "{result}");
    assert_eq!(store.installed(&[])["changed"], true);
    assert_eq!(store.value(VALUE), 1);
}

/// A server that installs what is missing.
fn server(store: Store) -> (Server, crate::support::registry::Registry) {
    let Store { home, registry, allowed } = store;
    let environment = registry.environment();
    let mut variables: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.push(("MCP_CONDUCTOR_ALLOWED_PACKAGES", &allowed));
    variables.push(("MCP_CONDUCTOR_PACKAGES_AUTO", "1"));
    let server = Server::at(home, &variables, &[]);
    (server, registry)
}

#[test]
fn a_server_installs_what_is_missing_and_programs_have_it_without_a_restart() {
    let store = Store::allowing(&["npm:a"]);
    publish(&store, "a", "1.0.0", 1);
    let (server, _registry) = server(store);
    until(Duration::from_secs(120), "it is installed", || server.call(VALUE)["returnValue"] == 1);
}

#[test]
fn while_packages_are_being_installed_an_import_says_so_and_plain_programs_run() {
    let store = Store::allowing(&["npm:a"]);
    store.registry.package("a", "1.0.0", &[], Options::fault(Fault::Silent));
    let (server, _registry) = server(store);
    let result = server.call(VALUE).to_string();
    assert!(result.contains("being installed"), "{result}");
    assert_eq!(server.call("1 + 1")["returnValue"], 2);
}

#[test]
fn what_a_server_could_not_install_is_the_reason_of_an_import() {
    let store = Store::allowing(&["npm:missing"]);
    let (server, _registry) = server(store);
    until(Duration::from_secs(60), "the reason is known", || {
        let result = server.call("import 'npm:missing'").to_string();
        !result.contains("being installed") && result.contains("missing")
    });
    assert_eq!(server.call("1 + 1")["returnValue"], 2);
}
