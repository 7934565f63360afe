//! What the server remembers, which programs reach by no grant.

use mcp_conductor::ErrorKind;
use serde_json::json;

use crate::Host;
use crate::fixture::Fixture;

const EVERYTHING: &str = "allow-read=@ROOT@;allow-write=@ROOT@";

/// A server whose store is below what programs may read and write.
fn host() -> Host {
    let files = Fixture::new();
    std::fs::create_dir(files.path("store")).unwrap();
    std::fs::write(files.path("store/store.redb"), "FS-CANARY-store").unwrap();
    let place = files.path("store").display().to_string();
    Host::over(files, EVERYTHING, |config| config.with_store(&place).unwrap())
}

#[test]
fn no_grant_opens_the_store() {
    let host = host();
    for program in [
        "Deno.readTextFileSync('@ROOT@/store/store.redb')",
        "[...Deno.readDirSync('@ROOT@/store')]",
        "Deno.writeTextFileSync('@ROOT@/store/store.redb', 'mine')",
        "Deno.writeTextFileSync('@ROOT@/store/new', 'mine')",
        "Deno.renameSync('@ROOT@/store', '@ROOT@/ws/store')",
        "Deno.removeSync('@ROOT@/store', {recursive: true})",
    ] {
        let (kind, message) = host.error(program);
        assert_eq!(kind, ErrorKind::Permission, "{program}: {message}");
    }
    assert_eq!(host.files.read("store/store.redb"), "FS-CANARY-store");
}

#[test]
fn what_is_beside_the_store_is_open() {
    let program = "Deno.writeTextFileSync('@ROOT@/new', 'a'); Deno.readTextFileSync('@ROOT@/new')";
    assert_eq!(host().value(program), json!("a"));
}

#[test]
fn the_password_of_the_store_is_not_a_variable_of_programs() {
    let environment = [("REDIS_PASSWORD", "SECRET"), ("OTHER", "other")];
    let host = |grants: &str| {
        Host::with(grants, |config| {
            let config = config.with_environment(environment);
            config.with_store("redis://:env:REDIS_PASSWORD@127.0.0.1:1").unwrap()
        })
    };
    let all = host("allow-env").value("Deno.env.toObject()");
    assert_eq!(all, json!({"OTHER": "other"}));
    let named = host("allow-env=REDIS_PASSWORD").value("Deno.env.get('REDIS_PASSWORD')");
    assert_eq!(named, json!("SECRET"));
}
