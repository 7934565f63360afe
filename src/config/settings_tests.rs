use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::environment::{
    ALLOWED_PACKAGES, DEFAULT_TIMEOUT, FETCH_HEADERS, MAX_CPU_TIME, MAX_MEMORY, MAX_TIMEOUT,
    MCP_CONFIG, PACKAGES_MIN_AGE, PORT, PROXY_CONFIG, RUN_ARGS,
};
use super::fixture::{Directory, problem, read, read_named, read_toml};
use super::precedence::Origin;
use super::{Config, variables};

fn with(pairs: &[(&str, &str)]) -> Result<Config, String> {
    read(None, pairs, &[]).map(|s| s.config).map_err(|error| error.to_string())
}

#[test]
fn every_example_is_accepted() {
    for variable in variables::all() {
        let pairs = [(variable.name, variable.example), ("PATH", "/bin")];
        with(&pairs).unwrap();
    }
}

#[test]
fn a_value_that_is_no_number_stops_with_variable_problem_and_example() {
    assert_eq!(
        with(&[(MAX_CPU_TIME, "ten")]).unwrap_err(),
        "MCP_CONDUCTOR_MAX_CPU_TIME: \"ten\" is not an integer between 1 and 86400000, for \
         example MCP_CONDUCTOR_MAX_CPU_TIME=10000"
    );
}

#[test]
fn zero_negative_and_empty_values_are_refused() {
    for value in ["0", "-1", "", "1e3", "9999999999999999999999"] {
        assert!(with(&[(DEFAULT_TIMEOUT, value)]).is_err(), "{value}");
    }
}

#[test]
fn grants_that_are_none_are_refused_with_an_example() {
    assert!(with(&[(RUN_ARGS, "allow-read=/x;deny-net")]).is_ok());
    let message = with(&[(RUN_ARGS, "allow-nte")]).unwrap_err();
    assert!(message.starts_with("MCP_CONDUCTOR_RUN_ARGS: "), "{message}");
    assert!(message.ends_with("MCP_CONDUCTOR_RUN_ARGS=allow-read=/data,allow-net=api.example.com"));
}

#[test]
fn the_older_name_of_the_list_of_servers_gives_way_to_the_newer() {
    let older = (PROXY_CONFIG, "/a.json");
    let config = with(&[older]).unwrap();
    assert_eq!(config.mcp_config(), Some(Path::new("/a.json")));
    let config = with(&[(MCP_CONFIG, "/b.json"), older]).unwrap();
    assert_eq!(config.mcp_config(), Some(Path::new("/b.json")));
}

#[test]
fn a_flag_stands_above_the_environment_that_above_the_file_that_above_the_default() {
    let directory = Directory::new();
    let file = || Some(directory.write("c.toml", "max_cpu_time = 1000\nmax_memory = 64"));
    let (flag, variable) = ([(MAX_CPU_TIME, "3000")], [(MAX_CPU_TIME, "2000")]);
    for (settings, expected) in [
        (read(None, &[], &[]), 10_000),
        (read(file(), &[], &[]), 1000),
        (read(None, &variable, &[]), 2000),
        (read(None, &[], &flag), 3000),
        (read(file(), &variable, &[]), 2000),
        (read(file(), &[], &flag), 3000),
        (read(None, &variable, &flag), 3000),
        (read(file(), &variable, &flag), 3000),
    ] {
        assert_eq!(settings.unwrap().config.max_cpu_time().as_millis(), expected);
    }
    let config = read(file(), &variable, &flag).unwrap().config;
    assert_eq!(config.max_memory(), 64 << 20);
    assert_eq!(config.config_file(), Some(&*directory.0.join("c.toml")));
}

#[test]
fn a_maximum_lowers_a_default_timeout_that_was_not_set_as_high_up() {
    let directory = Directory::new();
    let file = |text: &str| Some(directory.write("c.toml", text));
    let (max, default) = ([(MAX_TIMEOUT, "1000")], [(DEFAULT_TIMEOUT, "5000")]);
    for settings in [
        read(None, &max, &[]),
        read(None, &[], &max),
        read(file("max_timeout = 1000"), &[], &[]),
        read(file("default_timeout = 5000"), &max, &[]),
        read(None, &default, &max),
    ] {
        assert_eq!(settings.unwrap().config.default_timeout().as_millis(), 1000);
    }
}

#[test]
fn a_default_timeout_above_the_maximum_is_refused_with_the_names_that_they_were_set_by() {
    let directory = Directory::new();
    let path = directory.0.join("c.toml");
    let file = |text: &str| Some(directory.write("c.toml", text));
    let (max, default) = ([(MAX_TIMEOUT, "1000")], [(DEFAULT_TIMEOUT, "5000")]);
    let both = [max[0], default[0]];
    let place = format!("{}, line 2", path.display());
    for (settings, expected) in [
        (
            read(None, &both, &[]),
            "MCP_CONDUCTOR_DEFAULT_TIMEOUT: 5000 ms is more than MCP_CONDUCTOR_MAX_TIMEOUT, \
             which is 1000 ms, for example MCP_CONDUCTOR_DEFAULT_TIMEOUT=1000"
                .to_owned(),
        ),
        (
            read(file("max_timeout = 1000\ndefault_timeout = 5000"), &[], &[]),
            format!(
                "{place}: default_timeout: 5000 ms is more than max_timeout, which is 1000 ms, \
                 for example default_timeout = 1000"
            ),
        ),
        (
            read(file("max_timeout = 1000"), &default, &[]),
            "MCP_CONDUCTOR_DEFAULT_TIMEOUT: 5000 ms is more than max_timeout, which is 1000 \
             ms, for example MCP_CONDUCTOR_DEFAULT_TIMEOUT=1000"
                .to_owned(),
        ),
        (
            read(None, &[], &both),
            "--timeout: 5000 ms is more than --max-timeout, which is 1000 ms, for example \
             --timeout 1000"
                .to_owned(),
        ),
    ] {
        assert_eq!(settings.unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_flag_that_cannot_be_used_is_named_as_it_was_written() {
    assert_eq!(
        read(None, &[], &[(PORT, "99999")]).unwrap_err().to_string(),
        "--port: \"99999\" is not an integer between 0 and 65535, for example --port 3001"
    );
}

#[test]
fn a_key_with_a_typo_is_named_with_line_nearest_key_and_example() {
    for (key, near) in [
        ("max_cpu_tmie", "max_cpu_time is, for example max_cpu_time = 10000"),
        ("MCP_CONDUCTOR_PORT", "port is, for example port = 3001"),
        (
            "allowed-hosts",
            "allowed_hosts is, for example allowed_hosts = [\"conductor.example\", \
          \"conductor.example:3001\"]",
        ),
    ] {
        assert_eq!(
            problem(&format!("# a comment\n\n{key} = 1\n")),
            format!("conductor.toml, line 3: {key} is not a setting; {near}")
        );
    }
    assert_eq!(
        read_named("conductor.json", r#"{"max_cpu_tmie": 1}"#).unwrap_err(),
        "conductor.json, line 1: max_cpu_tmie is not a setting; max_cpu_time is, for example \
         \"max_cpu_time\": 10000"
    );
    assert_eq!(
        problem("proxy_config = \"/x\""),
        "conductor.toml, line 1: proxy_config is not a setting; `mcp-conductor config schema` \
         lists them"
    );
}

#[test]
fn a_key_that_is_a_principal_s_only_is_refused_at_the_top() {
    assert_eq!(
        problem("tools = []"),
        "conductor.toml, line 1: tools is a setting of a principal and must be in its section, for \
         example [principals.alice]"
    );
}

#[test]
fn a_value_of_another_type_is_told_with_the_type_it_must_have() {
    for (text, expected) in [
        (
            "max_memory = \"canary\"",
            "max_memory is a string, and must be an integer between 32 and 16384, for example \
             max_memory = 256",
        ),
        (
            "max_memory = 64.5",
            "max_memory: \"64.5\" is not an integer between 32 and 16384, for example max_memory \
             = 256",
        ),
        (
            "metrics = 1",
            "metrics is a number, and must be true or false, for example metrics = false",
        ),
        (
            "isolate = \"hot\"",
            "isolate: \"hot\" is neither warm nor fresh, for example isolate = \"warm\"",
        ),
        (
            "workspace = \"a/b\"",
            "workspace: \"a/b\" is not an absolute path, for example workspace = \
             \"/srv/workspace\"",
        ),
        (
            "oauth_scopes = \"a b\"",
            "oauth_scopes is a string, and must be a list of strings, for example oauth_scopes = \
             [\"mcp:run\"]",
        ),
        (
            "oauth_scopes = [1]",
            "oauth_scopes must be a list of strings, for example oauth_scopes = [\"mcp:run\"]",
        ),
        (
            "fetch_headers = {\"a.b\" = \"canary\"}",
            "fetch_headers must be a table of hosts, each with a table of headers, for \
             example fetch_headers = { \"api.example.com\" = { authorization = \"Bearer \
             env:PATH\" } }",
        ),
        (
            "audit_log = 2026-01-01",
            "audit_log is a date, and must be a string, an absolute path, for example audit_log \
             = \"/var/log/mcp-conductor.jsonl\"",
        ),
    ] {
        assert_eq!(problem(text), format!("conductor.toml, line 1: {expected}"), "{text}");
    }
}

#[test]
fn toml_json_and_environment_give_the_same_configuration() {
    let toml = "default_timeout = 5000\nmetrics = false\nisolate = \"fresh\"\n\
        oauth_scopes = [\"a\", \"b\"]\nrun_args = [\"allow-read=/a,/b\", \"deny-net\"]\n\
        [fetch_headers.\"a.b\"]\nx = \"env:TOKEN\"\n";
    let json = r#"{"$schema": "x", "default_timeout": 5000, "metrics": false,
        "isolate": "fresh", "oauth_scopes": ["a", "b"],
        "run_args": "allow-read=/a,/b,deny-net", "fetch_headers": {"a.b": {"x": "env:TOKEN"}}}"#;
    let environment = [
        ("MCP_CONDUCTOR_DEFAULT_TIMEOUT", "5000"),
        ("MCP_CONDUCTOR_METRICS", "0"),
        ("MCP_CONDUCTOR_ISOLATE", "fresh"),
        ("MCP_CONDUCTOR_OAUTH_SCOPES", "a b"),
        ("MCP_CONDUCTOR_RUN_ARGS", "allow-read=/a,/b,deny-net"),
        ("MCP_CONDUCTOR_FETCH_HEADERS", r#"{"a.b":{"x":"env:TOKEN"}}"#),
        ("TOKEN", "canary"),
    ];
    let shown = |config: &Config| -> Vec<_> {
        variables::of_the_file().map(|variable| variable.form.shown(config)).collect()
    };
    let expected = shown(&with(&environment).unwrap());
    assert_eq!(shown(&read_toml(toml).unwrap().config), expected);
    assert_eq!(shown(&read_named("conductor.json", json).unwrap().config), expected);
}

#[test]
fn headers_that_cannot_be_used_are_refused_where_they_stand() {
    assert_eq!(
        problem("[fetch_headers.\"a.b\"]\nx = \"env:MISSING\""),
        "conductor.toml, line 1: fetch_headers: \"a.b\": x: the variable MISSING is not set, or \
         empty, for example fetch_headers = { \"api.example.com\" = { authorization = \"Bearer \
         env:TOKEN\" } }"
    );
    assert_eq!(
        with(&[(FETCH_HEADERS, r#"{"a.b": {"x": "env:MISSING"}}"#)]).unwrap_err(),
        "MCP_CONDUCTOR_FETCH_HEADERS: \"a.b\": x: the variable MISSING is not set, or empty, \
         for example MCP_CONDUCTOR_FETCH_HEADERS={\"api.example.com\": {\"authorization\": \
         \"Bearer env:TOKEN\"}}"
    );
}

#[test]
fn a_secret_in_a_file_that_others_can_read_is_refused() {
    let directory = Directory::new();
    let read_with = |value: &str, mode| {
        let text = format!("[fetch_headers.\"a.b\"]\nx = \"{value}\"\n");
        let path = directory.write("c.toml", text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        read(Some(path), &[("TOKEN", "t")], &[]).map_err(|error| error.to_string())
    };
    for value in ["canary", "Bearer canary", "env:TOKEN-canary"] {
        assert!(read_with(value, 0o600).is_ok());
        for mode in [0o640, 0o604] {
            let message = read_with(value, mode).unwrap_err();
            assert!(message.contains("run chmod 600"), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }
    for value in ["env:TOKEN", "Bearer env:TOKEN"] {
        assert!(read_with(value, 0o644).is_ok());
    }
}

#[test]
fn the_origin_of_each_setting_is_known() {
    let settings = read(None, &[(MAX_MEMORY, "64")], &[]).unwrap();
    let origin = |name| settings.origin(variables::named(name).unwrap());
    assert_eq!(origin(MAX_MEMORY), Origin::Environment(MAX_MEMORY));
    assert_eq!(origin(MAX_CPU_TIME), Origin::Default);
}

#[test]
fn packages_are_a_list_in_the_environment_and_a_table_in_the_file() {
    let list = (ALLOWED_PACKAGES, " npm:axios@^1, npm:zod@^3,,jsr:@std/path");
    let texts = ["npm:axios@^1", "npm:zod@^3", "jsr:@std/path"];
    assert_eq!(with(&[list]).unwrap().allowed_packages().texts(), texts);
    let toml = "[packages]\nallowed = [\"npm:axios@^1\", \"npm:zod@^3\", \"jsr:@std/path\"]\n\
        auto = true\nmin_age = 0\nnpmrc = \"/srv/npmrc\"\n";
    let json = r#"{"packages": {"allowed": ["npm:axios@^1", "npm:zod@^3", "jsr:@std/path"],
        "auto": true, "min_age": 0, "npmrc": "/srv/npmrc"}}"#;
    for config in [read_toml(toml), read_named("c.json", json)] {
        let config = config.unwrap().config;
        assert_eq!(config.allowed_packages().texts(), texts);
        assert!(config.packages_auto() && config.packages_min_age().is_zero());
        assert_eq!(config.npmrc(), Some(Path::new("/srv/npmrc")));
    }
}

#[test]
fn a_version_waits_for_three_days_if_nothing_else_is_set() {
    assert_eq!(with(&[]).unwrap().packages_min_age(), Duration::from_secs(3 * 24 * 3600));
    assert!(with(&[(PACKAGES_MIN_AGE, "0")]).unwrap().packages_min_age().is_zero());
    let message = with(&[(PACKAGES_MIN_AGE, "3 days")]).unwrap_err();
    assert_eq!(
        message,
        "MCP_CONDUCTOR_PACKAGES_MIN_AGE: \"3 days\" is not an integer between 0 and 31536000000, \
         for example MCP_CONDUCTOR_PACKAGES_MIN_AGE=604800000"
    );
}

#[test]
fn packages_that_cannot_be_allowed_stop_with_what_is_wrong() {
    let example =
        "for example MCP_CONDUCTOR_ALLOWED_PACKAGES=npm:zod@^3,jsr:@std/path,pypi:humanize@^4";
    for (text, expected) in [
        ("zod", "\"zod\" begins with neither npm: nor jsr: nor pypi:"),
        ("npm:zod@3,npm:zod@4", "npm:zod@3 and npm:zod@4 are the same package, keep one"),
        (
            "npm:zod@npm:evil@1",
            "\"npm:zod@npm:evil@1\" does not name a package of npm, as npm:zod and \
             npm:@scope/name do",
        ),
    ] {
        assert_eq!(
            with(&[(ALLOWED_PACKAGES, text)]).unwrap_err(),
            format!("MCP_CONDUCTOR_ALLOWED_PACKAGES: {expected}, {example}")
        );
    }
}

#[test]
fn a_mistake_in_a_table_says_where_it_is_and_what_works() {
    for (text, expected) in [
        (
            "packages = [\"npm:zod\"]\n",
            "conductor.toml, line 1: packages is a list, and must be a table, for example \
             packages.allowed = [\"npm:zod@^3\", \"jsr:@std/path\", \"pypi:humanize@^4\"]",
        ),
        (
            "[packages]\natuo = true\n",
            "conductor.toml, line 2: packages.atuo is not a setting; packages.auto is, for example \
             packages.auto = true",
        ),
        (
            "[packages]\nauto = 1\n",
            "conductor.toml, line 2: packages.auto is a number, and must be true or false, for \
             example packages.auto = true",
        ),
        (
            "[packages]\nallowed = [\"zod\"]\n",
            "conductor.toml, line 2: packages.allowed: \"zod\" begins with neither npm: nor jsr: nor \
             pypi:, for example packages.allowed = [\"npm:zod@^3\", \"jsr:@std/path\", \"pypi:humanize@^4\"]",
        ),
        (
            "packages_auto = true\n",
            "conductor.toml, line 1: packages_auto is not a setting; packages.auto is, for example \
             packages.auto = true",
        ),
        (
            "\"packages.auto\" = true\n",
            "conductor.toml, line 1: \"packages.auto\" is not a setting; packages.auto is, for \
             example packages.auto = true",
        ),
        (
            "[packages]\nmax_memory = 64\n",
            "conductor.toml, line 2: packages.max_memory is not a setting; `mcp-conductor config \
             schema` lists them",
        ),
    ] {
        assert_eq!(problem(text), expected);
    }
    assert_eq!(
        read_named("c.json", r#"{"packages": {"auto": "yes"}}"#).map(|_| "").unwrap_err(),
        "c.json, line 1: packages.auto is a string, and must be true or false, for example \
         \"packages\": {\"auto\": true}"
    );
}
