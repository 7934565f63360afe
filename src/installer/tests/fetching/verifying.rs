//! Hashes, versions and dates.

use std::time::Duration;

use serde_json::json;

use crate::registry::{Fault, Options, Registry};
use crate::support::Store;

const FILES: [(&str, &str); 1] = [("index.js", "1")];
const DAY: Duration = Duration::from_secs(24 * 3600);

#[track_caller]
fn fails(options: Options, texts: &[&str]) {
    let registry = Registry::start_blocking();
    registry.package("bad", "1.0.0", &FILES, options);
    let mut store = Store::of(&registry);
    let done = store.fetch(&["npm:bad@1"]);
    done.fails_with(texts);
    assert!(!store.path().join("deno.lock").exists(), "nothing is locked after an error");
    assert!(!done.has("node_modules/bad"));
}

#[test]
fn an_archive_with_another_hash_is_not_unpacked() {
    fails(
        Options::fault(Fault::WrongIntegrity),
        &["bad@1.0.0", "its archive has the hash sha512-", "its registry says sha512-"],
    );
}

#[test]
fn sha1_is_not_enough() {
    fails(Options::fault(Fault::Sha1Only), &["bad@1.0.0", "sha512 is required"]);
}

#[test]
fn no_hash_is_not_enough() {
    fails(Options::fault(Fault::NoIntegrity), &["bad@1.0.0", "no hash", "sha512 is required"]);
}

#[test]
fn an_archive_of_another_package_is_refused() {
    let other = Options { package_json: json!({ "name": "other" }), ..Options::default() };
    fails(other, &["bad@1.0.0", r#"its package.json is the one of "other""#]);
    let other = Options { package_json: json!({ "version": "2.0.0" }), ..Options::default() };
    fails(other, &["bad@1.0.0", r#"the one of "bad" "2.0.0""#]);
}

#[test]
fn an_archive_that_was_damaged_in_the_cache_is_downloaded_again() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a"]).packages();
    let tarballs = store.path().join("cache/tarballs");
    let name = &crate::support::names(&tarballs)[0];
    std::fs::write(tarballs.join(name), "damaged").expect("it can be written");
    registry.asked();
    let done = store.fetch(&["npm:a"]);
    assert_eq!(done.packages()[0]["cached"], false);
    assert_eq!(registry.downloads().len(), 1);
}

#[test]
fn the_newest_version_that_is_old_enough_is_taken() {
    let registry = Registry::start_blocking();
    registry.package("a", "1.0.0", &FILES, Options::age(10 * DAY));
    registry.package("a", "1.1.0", &FILES, Options::age(5 * DAY));
    registry.package("a", "1.2.0", &FILES, Options::age(DAY));
    let mut store = Store::of(&registry);
    assert_eq!(store.fetch(&["npm:a@^1"]).versions(), ["a@1.1.0"]);
    let mut another = Store::of(&registry);
    let done = another.fetch_with(&["npm:a@^1"], json!({ "minAgeSeconds": 0 }));
    assert_eq!(done.versions(), ["a@1.2.0"]);
}

#[test]
fn the_age_holds_for_dependencies_too() {
    let registry = Registry::start_blocking();
    registry.depending("a", "1.0.0", &[("b", "^1")]);
    registry.package("b", "1.0.0", &FILES, Options::age(9 * DAY));
    registry.package("b", "1.0.1", &FILES, Options::age(DAY / 24));
    assert_eq!(Store::of(&registry).fetch(&["npm:a"]).versions(), ["a@1.0.0", "b@1.0.0"]);
}

#[test]
fn an_error_of_the_age_names_the_newest_version_that_is_old_enough() {
    let registry = Registry::start_blocking();
    registry.package("a", "1.9.0", &FILES, Options::age(9 * DAY));
    registry.package("a", "2.0.0", &FILES, Options::age(DAY));
    Store::of(&registry).fetch(&["npm:a@^2"]).fails_with(&[
        "a@^2: version 2.0.0 of 20",
        "younger than 3 days (MCP_CONDUCTOR_PACKAGES_MIN_AGE)",
        "the newest that is old enough is 1.9.0",
    ]);
}

#[test]
fn an_error_of_the_age_says_when_no_version_is_old_enough() {
    let registry = Registry::start_blocking();
    registry.package("a", "2.0.0", &FILES, Options::age(DAY));
    Store::of(&registry).fetch(&["npm:a"]).fails_with(&["2.0.0", "none is old enough"]);
}

#[test]
fn versions_without_dates_are_installed_with_a_note() {
    let registry = Registry::start_blocking();
    registry.package("a", "1.0.0", &FILES, Options { undated: true, ..Options::default() });
    let done = Store::of(&registry).fetch(&["npm:a"]);
    assert_eq!(done.versions(), ["a@1.0.0"]);
    assert!(done.stderr.contains("the registry of a gives no dates"), "{}", done.stderr);
}

#[test]
fn a_version_with_less_evidence_of_its_origin_than_earlier_ones_is_refused() {
    let registry = Registry::start_blocking();
    let provenance = json!({ "dist": { "attestations": { "provenance": { "x": "y" } } } });
    let with = Options { packument: provenance, ..Options::age(20 * DAY) };
    registry.package("a", "1.0.0", &FILES, with);
    registry.package("a", "1.0.1", &FILES, Options::age(10 * DAY));
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a"]).fails_with(&["a@1.0.1", "takeover", "trust-policy-exclude[]=a"]);
    store.npmrc("trust-policy-exclude[]=a\n");
    assert_eq!(store.fetch(&["npm:a"]).versions(), ["a@1.0.1"]);
}
