//! `.npmrc`, tokens, redirects, and registries that answer badly.

use serde_json::json;

use crate::registry::{Fault, Options, Registry};
use crate::support::Store;

const FILES: [(&str, &str); 1] = [("index.js", "1")];

#[test]
fn a_private_registry_of_a_scope_gets_its_token_and_no_other_does() {
    let (public, private) = (Registry::start_blocking(), Registry::start_blocking());
    public.simple("b", "1.0.0");
    private.require_token("secret").depending("@corp/a", "1.0.0", &[("b", "^1")]);
    let mut store = Store::of(&public);
    store.npmrc(&format!(
        "@corp:registry={}\n//{}/:_authToken=secret\n",
        private.url(),
        private.host()
    ));
    assert_eq!(store.fetch(&["npm:@corp/a"]).versions(), ["@corp/a@1.0.0", "b@1.0.0"]);
    let tokens = |registry: &Registry| {
        let asked = registry.asked();
        asked.into_iter().map(|asked| asked.authorization).collect::<Vec<_>>()
    };
    assert_eq!(tokens(&private), [Some("Bearer secret".into()), Some("Bearer secret".into())]);
    assert_eq!(tokens(&public), [None, None]);
}

#[test]
fn variables_of_npmrc_are_those_of_the_environment() {
    let registry = Registry::start_blocking();
    registry.require_token("secret").simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    store.npmrc(&format!("//{}/:_authToken=${{MY_TOKEN}}\n", registry.host()));
    store.set("MY_TOKEN", "secret");
    assert_eq!(store.fetch(&["npm:a"]).versions(), ["a@1.0.0"]);
}

#[test]
fn the_request_names_another_npmrc() {
    let registry = Registry::start_blocking();
    registry.require_token("secret").simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    store.npmrc("//example.com/:_authToken=another\n");
    let file = store.path().with_file_name("project.npmrc");
    std::fs::write(&file, format!("//{}/:_authToken=secret\n", registry.host())).expect("a file");
    let done = store.fetch_with(&["npm:a"], json!({ "npmrc": file }));
    assert_eq!(done.versions(), ["a@1.0.0"]);
    let absent = json!({ "npmrc": "/absent/.npmrc" });
    store.fetch_with(&["npm:a"], absent).fails_with(&["/absent/.npmrc cannot be read"]);
}

#[test]
fn a_registry_that_wants_a_token_is_named_with_its_answer() {
    let registry = Registry::start_blocking();
    registry.require_token("secret").simple("a", "1.0.0");
    Store::of(&registry).fetch(&["npm:a"]).fails_with(&["a: http://127.0.0.1", "401"]);
}

#[test]
fn no_error_and_no_note_has_a_token() {
    let registry = Registry::start_blocking();
    registry.require_token("another").simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    store.npmrc(&format!("//{}/:_authToken=secret\n", registry.host()));
    let done = store.fetch(&["npm:a"]);
    done.fails_with(&["401"]);
    assert!(!done.stderr.contains("secret"), "{}", done.stderr);
}

#[test]
fn a_registry_that_is_not_a_url_is_an_error_and_not_the_public_one() {
    let registry = Registry::start_blocking();
    for variable in ["NPM_CONFIG_REGISTRY", "JSR_NPM_URL"] {
        let mut store = Store::of(&registry);
        store.set(variable, "npm.example.com");
        store.fetch(&["npm:a"]).fails_with(&[variable, "is not a URL"]);
    }
}

#[test]
fn redirects_within_a_registry_are_followed() {
    let registry = Registry::start_blocking();
    registry.package("a", "1.0.0", &FILES, Options::fault(Fault::Redirect("{archive}".into())));
    assert_eq!(Store::of(&registry).fetch(&["npm:a"]).versions(), ["a@1.0.0"]);
}

#[test]
fn an_archive_may_be_redirected_to_another_host_which_is_told_no_token() {
    let (registry, other) = (Registry::start_blocking(), Registry::start_blocking());
    other.require_token("secret").package("a", "1.0.0", &FILES, Options::default());
    let target = format!("{}a/-/a-1.0.0.tgz", other.url());
    registry.package("a", "1.0.0", &FILES, Options::fault(Fault::Redirect(target)));
    let mut store = Store::of(&registry);
    store.npmrc(&format!("//{}/:_authToken=secret\n", registry.host()));
    store.fetch(&["npm:a"]).fails_with(&["a@1.0.0", &other.host(), "401"]);
}

#[test]
fn an_archive_that_was_redirected_to_another_host_is_verified() {
    let (registry, other) = (Registry::start_blocking(), Registry::start_blocking());
    other.package("a", "1.0.0", &FILES, Options::default());
    other.package("b", "1.0.0", &FILES, Options::default());
    for (name, target) in [("a", "a"), ("b", "a")] {
        let target = format!("{}{target}/-/{target}-1.0.0.tgz", other.url());
        registry.package(name, "1.0.0", &FILES, Options::fault(Fault::Redirect(target)));
    }
    assert_eq!(Store::of(&registry).fetch(&["npm:a"]).versions(), ["a@1.0.0"]);
    Store::of(&registry).fetch(&["npm:b"]).fails_with(&["b@1.0.0", "its archive has the hash"]);
}

#[test]
fn redirects_have_an_end() {
    let registry = Registry::start_blocking();
    registry.package("a", "1.0.0", &FILES, Options::fault(Fault::RedirectLoop));
    Store::of(&registry).fetch(&["npm:a"]).fails_with(&["a@1.0.0", "more than 3 times"]);
    assert_eq!(registry.downloads().len(), 4);
}

#[test]
fn an_archive_at_another_host_needs_a_line_in_npmrc() {
    let (registry, other) = (Registry::start_blocking(), Registry::start_blocking());
    other.package("a", "1.0.0", &FILES, Options::default());
    let elsewhere = Fault::TarballAt(format!("{}a/-/a-1.0.0.tgz", other.url()));
    registry.package("a", "1.0.0", &FILES, Options::fault(elsewhere));
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a"]).fails_with(&["a@1.0.0", "not the host of its registry", ".npmrc"]);
    assert_eq!(other.asked(), []);
    store.npmrc(&format!("@other:registry={}\n", other.url()));
    assert_eq!(store.fetch(&["npm:a"]).versions(), ["a@1.0.0"]);
}

#[test]
fn a_download_that_ends_in_the_middle_is_tried_again_twice() {
    for (cuts, works) in [(1, true), (2, true), (3, false)] {
        let registry = Registry::start_blocking();
        registry.package("a", "1.0.0", &FILES, Options::fault(Fault::Cut(cuts)));
        let done = Store::of(&registry).fetch(&["npm:a"]);
        match works {
            true => assert_eq!(done.versions(), ["a@1.0.0"]),
            false => done.fails_with(&["a@1.0.0", "a-1.0.0.tgz cannot be read"]),
        }
    }
}

#[test]
fn an_answer_that_is_no_packument_names_its_package() {
    for packument in [json!("x"), json!({}), json!({ "name": "a", "versions": { "x": {} } })] {
        let registry = Registry::start_blocking();
        registry.packument("a", packument);
        Store::of(&registry).fetch(&["npm:a"]).fails_with(&["a: what its registry says"]);
    }
}

#[test]
fn an_answer_about_another_package_is_refused() {
    let registry = Registry::start_blocking();
    registry.packument("a", json!({ "name": "b", "versions": {}, "dist-tags": {} }));
    Store::of(&registry).fetch(&["npm:a"]).fails_with(&["a: its registry answers with", "b"]);
}

#[test]
fn a_registry_that_is_not_there_is_named() {
    let registry = Registry::start_blocking();
    let mut store = Store::of(&registry);
    let gone = registry.url();
    drop(registry);
    store.fetch(&["npm:a"]).fails_with(&[&gone, "cannot be read"]);
}
