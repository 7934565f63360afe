use std::path::Path;

use proptest::prelude::*;

use super::Config;
use super::environment::MAX_MEMORY;
use super::fixture::{Directory, problem, read, read_named, read_toml};
use super::principals::{Principal, directory_name};

fn config(text: &str) -> Config {
    read_toml(text).unwrap().config
}

/// Name, workspace and memory in MiB.
fn given(principal: Principal) -> (String, String, u64) {
    let workspace = principal.config.workspace().display().to_string();
    (principal.name, workspace, principal.config.max_memory() >> 20)
}

const THREE: &str = "workspace = \"/srv/all\"\nmax_memory = 256\n\
    [principals.alice]\nworkspace = \"/srv/alice\"\ntools = [\"mcp__github__*\"]\n\
    [principals.bob]\nsubject = \"7\"\nmax_memory = 64\ntools = []\n\
    [principals.\"*\"]\nmax_memory = 32\n";

#[test]
fn a_section_s_settings_stand_over_the_server_s() {
    let config = config(THREE);
    let alice = config.principal_of_token("alice").unwrap();
    assert_eq!(alice.tools, Some(vec!["mcp__github__*".to_owned()]));
    assert_eq!(given(alice), ("alice".into(), "/srv/alice".into(), 256));
    let bob = config.principal_of_token("bob").unwrap();
    assert_eq!(bob.tools, Some(vec![]));
    assert_eq!(given(bob), ("bob".into(), "/srv/all".into(), 64));
    let file = config.config_file().map(Path::to_owned);
    let anyone = config.principal_of_token("carol").unwrap();
    assert_eq!((anyone.tools.clone(), anyone.config.config_file()), (None, file.as_deref()));
    assert_eq!(given(anyone), ("carol".into(), "/srv/all".into(), 32));
}

#[test]
fn a_subject_gets_the_section_that_names_it_and_none_by_its_name() {
    let config = config(THREE);
    let memory = |subject: &str| {
        let principal = config.principal_of_subject(subject).unwrap();
        (principal.name, principal.config.max_memory() >> 20)
    };
    assert_eq!(memory("7"), ("sub:7".into(), 64));
    for name in ["bob", "alice", "*", "sub:7", "anonymous"] {
        assert_eq!(memory(name), (format!("sub:{name}"), 32));
    }
}

#[test]
fn whoever_has_no_section_has_the_server_s_settings_if_there_is_none_for_anyone() {
    let config = config("max_memory = 128\n[principals.alice]\nmax_memory = 64\n");
    for name in ["carol", "*", "", "sub:7"] {
        assert_eq!(given(config.principal_of_token(name).unwrap()).2, 128);
    }
    assert_eq!(given(config.principal_of_subject("alice").unwrap()).2, 128);
}

#[test]
fn what_is_set_after_loading_is_every_principal_s() {
    let config = config(THREE).with_max_cpu_time(std::time::Duration::from_millis(77));
    let alice = config.principal_of_token("alice").unwrap();
    assert_eq!(alice.config.max_cpu_time().as_millis(), 77);
}

#[test]
fn settings_of_the_server_on_http_can_be_a_principal_s() {
    let config = config("rate_limit = 60\n[principals.alice]\nrate_limit = 600\n");
    let rate = |principal: Principal| principal.config.http().rate_limit;
    assert_eq!(rate(config.principal_of_token("alice").unwrap()), 600);
    assert_eq!(rate(config.principal_of_token("bob").unwrap()), 60);
}

#[test]
fn a_principal_s_maximum_lowers_its_default_timeout() {
    let config = config("default_timeout = 5000\n[principals.alice]\nmax_timeout = 1000\n");
    let alice = config.principal_of_token("alice").unwrap().config;
    assert_eq!(alice.default_timeout().as_millis(), 1000);
    assert_eq!(
        problem("[principals.alice]\nmax_timeout = 1000\ndefault_timeout = 5000\n"),
        "conductor.toml, line 3: principals.alice.default_timeout: 5000 ms is more than \
         max_timeout, which is 1000 ms, for example default_timeout = 30000"
    );
}

#[test]
fn a_principal_s_limit_is_not_above_the_server_s() {
    assert!(read_toml("max_memory = 64\n[principals.a]\nmax_memory = 64\n").is_ok());
    assert_eq!(
        problem("max_memory = 64\n[principals.a]\nmax_memory = 65\n"),
        "conductor.toml, line 3: principals.a.max_memory: 65 is more than the server's, which \
         is 64, for example max_memory = 64"
    );
    assert_eq!(
        problem("[principals.a]\nmax_timeout = 300001\n"),
        "conductor.toml, line 2: principals.a.max_timeout: 300001 is more than the server's, \
         which is 300000, for example max_timeout = 300000"
    );
    // Of the environment, too.
    let directory = Directory::new();
    let path = directory.write("c.toml", "[principals.a]\nmax_memory = 65\n");
    assert!(read(Some(path.clone()), &[], &[]).is_ok());
    assert!(read(Some(path), &[(MAX_MEMORY, "64")], &[]).is_err());
}

#[test]
fn the_placeholder_becomes_one_component_of_a_path() {
    let config = config("[principals.\"*\"]\nworkspace = \"/srv/{principal}/w\"\n");
    for (token, expected) in [
        ("carol", "carol"),
        ("../x", "%2E.%2Fx"),
        ("a/b", "a%2Fb"),
        ("..", "%2E."),
        (".", "%2E"),
        ("workspace", "%77orkspace"),
    ] {
        let principal = config.principal_of_token(token).unwrap();
        assert_eq!(principal.config.workspace(), Path::new(&format!("/srv/{expected}/w")));
    }
    let principal = config.principal_of_subject("a/b{principal}").unwrap();
    let expected = "/srv/sub%3Aa%2Fb%7Bprincipal%7D/w";
    assert_eq!(principal.config.workspace(), Path::new(expected));
    let long = config.principal_of_subject(&"é".repeat(256)).unwrap();
    assert!(long.config.workspace().to_str().unwrap().starts_with("/srv/%sha256-"));
}

#[test]
fn a_key_that_no_principal_can_have_is_refused() {
    assert_eq!(
        problem("[principals.alice]\nport = 3002\n"),
        "conductor.toml, line 2: principals.alice.port is a setting of the whole server, not of a \
         principal; write it at the top, for example port = 3001"
    );
    assert_eq!(
        problem("[principals.alice]\nmax_memroy = 64\n"),
        "conductor.toml, line 2: principals.alice.max_memroy is not a setting of a principal; \
         max_memory is, for example max_memory = 256"
    );
    assert_eq!(
        read_named("c.json", r#"{"principals": {"alice": {"max_memroy": 64}}}"#).unwrap_err(),
        "c.json, line 1: principals.alice.max_memroy is not a setting of a principal; max_memory \
         is, for \
         example \"max_memory\": 256"
    );
    assert_eq!(
        problem("[principals.a.b]\nmax_memory = 64\n"),
        "conductor.toml, line 1: principals.a.b is not a setting of a principal; a name that \
         contains a dot must be quoted, for example [principals.\"a.b\"]"
    );
}

#[test]
fn names_that_no_principal_has_are_refused() {
    let name = "a name has 1 to 64 characters out of A-Z a-z 0-9 . _ @ -, or is \"*\" for callers \
                without a section";
    for (key, shown) in
        [("\"sub:7\"", "\"sub:7\""), ("\"a b\"", "\"a b\""), ("\"\"", "\"\""), ("\"é\"", "\"é\"")]
    {
        assert_eq!(
            problem(&format!("[principals.{key}]\n")),
            format!("conductor.toml, line 1: principals.{shown}: {name}")
        );
    }
    assert!(read_toml(&format!("[principals.{}]\n", "a".repeat(64))).is_ok());
    assert!(read_toml(&format!("[principals.{}]\n", "a".repeat(65))).is_err());
    assert!(read_toml("[principals.\"a.b_c-d@e\"]\n").is_ok());
    assert_eq!(
        problem("[principals.anonymous]\n"),
        "conductor.toml, line 1: principals.anonymous: callers that do not authenticate have the \
         server's own settings; write them at the top"
    );
}

#[test]
fn two_sections_have_no_subject_in_common_and_the_one_for_anyone_has_none() {
    assert_eq!(
        problem("[principals.a]\nsubject = \"x\"\n[principals.b]\nsubject = \"x\"\n"),
        "conductor.toml, line 3: principals.b: the subject is that of a too, keep one"
    );
    let example = "for example subject = \"auth0|5f7c8ec7c33c6c004bbafe82\"";
    for (text, expected) in [
        (
            "[principals.\"*\"]\nsubject = \"x\"",
            "principals.\"*\".subject: this section is for callers without one of their own",
        ),
        (
            "[principals.a]\nsubject = \"\"",
            "principals.a.subject: not a string of 1 to 256 characters without control characters",
        ),
        ("[principals.a]\nsubject = 7", "principals.a.subject: a number, and must be a string"),
    ] {
        assert_eq!(problem(text), format!("conductor.toml, line 2: {expected}, {example}"));
    }
}

#[test]
fn what_would_fail_at_the_first_call_fails_at_the_start() {
    for (text, expected) in [
        (
            "run_args = \"allow-nte\"",
            "run_args: unknown flag \"allow-nte\", did you mean allow-net",
        ),
        ("run_args = \"allow-all\"", "run_args: allow-all gives programs everything"),
        ("fetch_headers = {\"a.b\" = {x = \"env:MISSING\"}}", "fetch_headers: \"a.b\": x: "),
        ("mcp_config = \"/nowhere/mcp.json\"", "mcp_config: /nowhere/mcp.json: cannot be read"),
        ("tools = [\"github\"]", "tools: \"github\" names no tool"),
        ("tools = \"mcp__*\"", "tools must be a list of strings"),
        ("workspace = \"w\"", "workspace: \"w\" is not an absolute path"),
    ] {
        let message = problem(&format!("[principals.a]\n{text}\n"));
        let start = format!("conductor.toml, line 2: principals.a.{expected}");
        assert!(message.starts_with(&start), "{message}");
    }
    let allowed = "unsafe_allow_all = true\n[principals.a]\nrun_args = \"allow-all\"\n";
    assert!(read_toml(allowed).is_ok());
}

#[test]
fn what_is_no_table_of_tables_is_refused() {
    assert_eq!(
        problem("principals = []"),
        "conductor.toml, line 1: principals is a list, and must be a table, for example \
         [principals.alice]"
    );
    assert_eq!(
        problem("[principals]\nalice = 1\n"),
        "conductor.toml, line 2: principals.alice is a number, and must be a table, for example \
         [principals.alice]"
    );
}

#[test]
fn a_secret_of_a_principal_counts_as_one_too() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = Directory::new();
    let text = "[principals.a.fetch_headers.\"a.b\"]\nx = \"canary\"\n";
    let path = directory.write("c.toml", text);
    assert!(read(Some(path.clone()), &[], &[]).is_ok());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let message = read(Some(path), &[], &[]).unwrap_err().to_string();
    assert!(message.contains("principals.a.fetch_headers: a value is not env:NAME"), "{message}");
    assert!(!message.contains("canary"), "{message}");
}

fn warnings(text: &str) -> Vec<String> {
    let settings = read_toml(text).unwrap();
    settings.config.principals.warnings(&settings.config)
}

#[test]
fn a_workspace_inside_of_another_is_warned_of() {
    let sections = |a: &str, b: &str| {
        format!("[principals.a]\nworkspace = \"{a}\"\n[principals.b]\nworkspace = \"{b}\"\n")
    };
    let end = "programs of one can reach the files of the other";
    assert_eq!(
        warnings(&sections("/srv/x", "/srv/x/../x/y")),
        [format!(
            "the workspace of principals.b, /srv/x/y, is inside that of principals.a, /srv/x: {end}"
        )]
    );
    assert_eq!(
        warnings(&sections("/srv/x", "/srv/x")),
        [format!(
            "the workspace of principals.b, /srv/x, is inside that of principals.a, /srv/x: {end}"
        )]
    );
    assert_eq!(warnings(&sections("/srv/x", "/srv/xy")), [""; 0]);
    let server = "workspace = \"/srv\"\n[principals.a]\nworkspace = \"/srv/a\"\n";
    assert_eq!(
        warnings(server),
        [format!(
            "the workspace of principals.a, /srv/a, is inside that of the server, /srv: {end}"
        )]
    );
    let anyone = "[principals.\"*\"]\nworkspace = \"/srv/{principal}\"\n";
    assert_eq!(warnings(&format!("{server}{anyone}")), [""; 0]);
}

proptest! {
    #[test]
    fn a_name_is_always_one_component_and_no_two_names_are_the_same(
        one in "(?s).{1,40}",
        other in "(?s).{1,40}",
    ) {
        let name = directory_name(&one);
        prop_assert_eq!(Path::new("/a").join(&name).components().count(), 3);
        prop_assert!(name != ".." && !name.contains('/') && name.len() <= 255);
        prop_assert_eq!(one == other, name == directory_name(&other));
    }
}

const PACKAGES: &str = "packages.allowed = [\"npm:axios@^1\", \"npm:zod@^3\", \"jsr:@std/path\"]\n\
    packages.npmrc = \"/srv/npmrc\"\n";

#[test]
fn packages_of_pypi_are_installed_for_a_server_too_and_for_its_principals() {
    let config = config("packages.allowed = [\"pypi:humanize\"]\n[principals.a]\npackages = []\n");
    assert!(config.is_installed_for() && !config.has_packages());
    let narrowed = config.principal_of_token("a").unwrap().config;
    assert!(narrowed.is_installed_for() && narrowed.has_narrowed_packages());
    assert!(!Config::default().is_installed_for());
}

#[test]
fn a_principal_has_those_of_the_server_s_packages_that_its_section_names() {
    let text = format!(
        "{PACKAGES}[principals.alice]\npackages = [\"zod\", \"jsr:@std/path\"]\n\
         [principals.bob]\npackages = []\n[principals.carol]\n"
    );
    let config = config(&text);
    let packages =
        |name: &str| config.principal_of_token(name).unwrap().config.allowed_packages().texts();
    assert_eq!(packages("alice"), ["npm:zod@^3", "jsr:@std/path"]);
    assert_eq!(packages("bob"), [""; 0]);
    assert_eq!(packages("carol"), config.allowed_packages().texts());
    assert_eq!(packages("nobody"), config.allowed_packages().texts());
}

#[test]
fn a_package_that_the_server_does_not_allow_is_refused_at_start() {
    let section =
        |packages: &str| problem(&format!("{PACKAGES}[principals.alice]\npackages = {packages}\n"));
    assert_eq!(
        section("[\"zod\", \"npm:express\"]"),
        "conductor.toml, line 4: principals.alice.packages: npm:express is not a package that the \
         server allows: allowed are npm:axios@^1, npm:zod@^3, jsr:@std/path, for example packages \
         = [\"npm:axios\"]"
    );
    assert_eq!(
        section("[\"npm:zod@^4\"]"),
        "conductor.toml, line 4: principals.alice.packages: npm:zod@^4 is npm:zod@^3 for the whole \
         server, write that, for example packages = [\"npm:axios\"]"
    );
    assert_eq!(
        section("{ allowed = [] }"),
        "conductor.toml, line 4: principals.alice.packages must be a list of strings, for example \
         packages = [\"npm:axios\"]"
    );
    assert_eq!(
        problem("[principals.alice]\npackages = [\"zod\"]\n"),
        "conductor.toml, line 2: principals.alice.packages: zod is not a package that the server \
         allows: no packages are allowed, for example packages = [\"npm:zod\"]"
    );
}

#[test]
fn the_file_of_registries_is_the_server_s_own_for_whoever_has_no_packages_too() {
    let home = Some(Path::new("/home/u"));
    let npms = Some(Path::new("/home/u/.npmrc").to_owned());
    let text = "packages.allowed = [\"npm:zod\"]\n[principals.bob]\npackages = []\n";
    let bob = config(text).principal_of_token("bob").unwrap().config;
    assert_eq!(bob.registries_file(home), npms);
    assert!(bob.has_packages() && bob.has_narrowed_packages());
    assert!(!config(text).has_narrowed_packages() && !config("").has_packages());
    assert_eq!(config(text).registries_file(home), npms);
    assert_eq!(config("").registries_file(home), None, "npm's own file is npm's");
    let set = Some(Path::new("/srv/npmrc").to_owned());
    assert_eq!(config(PACKAGES).registries_file(home), set);
}
