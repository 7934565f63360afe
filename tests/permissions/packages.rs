//! Imports of packages: what the administrator allows, by kind and exact name, and nothing
//! that only looks like it. Nothing is installed here, so that what is allowed says so.

use std::fs;

use mcp_conductor::{Config, ErrorKind, ExecuteRequest};
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::support::waiting::eventually;
use crate::{Host, WORKSPACE, audit, start};

const ALLOWED: [&str; 3] = ["npm:axios@^1", "npm:lodash@4.17.21", "jsr:@std/path"];

/// `@ROOT@/installed` holds a package's file and the lock file beside it.
fn files() -> Fixture {
    let files = Fixture::new();
    fs::create_dir_all(files.path("installed/packages/generations/1/node_modules")).unwrap();
    fs::write(files.path(FILE), "module.exports = 1").unwrap();
    fs::create_dir_all(files.path("installed/packages/generations/1/bundle")).unwrap();
    fs::write(files.path(BUNDLE), "export default 1").unwrap();
    fs::write(files.path("installed/packages/deno.lock"), "{}").unwrap();
    files
}

const BUNDLE: &str = "installed/packages/generations/1/bundle/a.mjs";

const FILE: &str = "installed/packages/generations/1/node_modules/a.js";

fn host(grants: &str, packages: &[&str]) -> Host {
    let files = files();
    let installed = files.path("installed");
    Host::over(files, grants, |config| with(config.with_install_dir(installed), packages))
}

fn with(config: Config, packages: &[&str]) -> Config {
    config.with_allowed_packages(packages).expect("they can be allowed")
}

/// What a program is told about each import.
fn told(host: &Host, specifiers: &[&str]) -> Vec<String> {
    let list = json!(specifiers);
    let value = host.value(&format!(
        "const told = [];
         for (const specifier of {list}) {{
           try {{ await import(specifier); told.push('imported'); }}
           catch (e) {{ told.push(e.message); }}
         }}
         return told;"
    ));
    serde_json::from_value(value).unwrap()
}

#[test]
fn an_allowed_package_that_is_not_installed_says_so_and_what_to_do() {
    let host = host(WORKSPACE, &ALLOWED);
    let specifiers = ["npm:axios", "npm:axios@^1", "npm:lodash/fp", "jsr:@std/path@1/join"];
    for (specifier, told) in specifiers.iter().zip(told(&host, &specifiers)) {
        let says = told.contains("not installed") && told.contains("`mcp-conductor install`");
        assert!(says && told.contains(specifier), "{specifier}: {told}");
    }
}

#[test]
fn a_package_that_is_not_allowed_is_denied_with_what_is() {
    let host = host(WORKSPACE, &ALLOWED);
    let told = told(&host, &["npm:express", "npm:axois", "npm:@std/path"]);
    let denied = "access to \"npm:express\", which no flag grants: it is not one of the packages \
                  that MCP_CONDUCTOR_ALLOWED_PACKAGES allows: allowed are npm:axios@^1, \
                  npm:lodash@4.17.21, jsr:@std/path";
    assert!(told[0].contains(denied), "{}", told[0]);
    assert!(told[1].contains("did you mean npm:axios: "), "{}", told[1]);
    assert!(told[2].contains("did you mean jsr:@std/path: "), "{}", told[2]);
}

#[test]
fn where_no_packages_are_allowed_an_import_says_how_one_is() {
    let host = host(WORKSPACE, &[]);
    let told = told(&host, &["npm:express@4"]);
    let how = "no packages are allowed here. An administrator allows one with \
               MCP_CONDUCTOR_ALLOWED_PACKAGES=npm:express and runs `mcp-conductor install`";
    assert!(told[0].contains(how), "{}", told[0]);
}

#[test]
fn what_only_looks_like_an_allowed_package_is_denied() {
    let host = host(WORKSPACE, &ALLOWED);
    let specifiers = [
        "npm:Axios",
        "npm:%61xios",
        "npm:axios%2f..%2fevil",
        "npm:../axios",
        "npm:axios/../evil",
        "npm:evil/../axios",
        "npm:axios@npm:evil@1",
        "npm:axios@https://a.example/x.tgz",
        "npm:axios@git+ssh://a.example/x.git",
        "npm:axios@file:../x",
        "npm:\u{430}xios",
        "npm:axios\u{200b}",
        "npm:lodash@>=1 || *",
        "npm:lodash@4.17.21/../../../../outside/mod.js",
        "jsr:@std/path/../evil",
        "jsr:@std/%70ath",
    ];
    for (specifier, told) in specifiers.iter().zip(told(&host, &specifiers)) {
        assert!(told.contains("import access"), "{specifier}: {told}");
        assert!(!told.contains("not installed"), "{specifier}: {told}");
    }
}

#[test]
fn static_and_dynamic_imports_are_decided_about_alike() {
    let host = host(WORKSPACE, &["npm:axios"]);
    for (import, is_allowed) in [
        ("import 'npm:axios'", true),
        ("import x from 'npm:axios@1'; x", true),
        ("export * from 'npm:axios'", true),
        ("import 'npm:express'", false),
        ("import { x } from 'npm:express'; x", false),
        ("export * from 'npm:express'", false),
        ("await import('npm:express')", false),
        ("await import('npm:' + 'express')", false),
    ] {
        let (_, message) = host.error(import);
        let (allowed, denied) = (message.contains("not installed"), "import access to");
        assert_eq!((allowed, message.contains(denied)), (is_allowed, !is_allowed), "{message}");
    }
}

#[test]
fn a_refused_import_has_a_line_in_the_audit_log() {
    let files = files();
    let (log, installed) = (files.path("audit.jsonl"), files.path("installed"));
    let path = log.clone();
    let host = Host::over(files, WORKSPACE, |config| {
        with(config.with_install_dir(installed).with_audit_log(path), &ALLOWED)
    });
    told(&host, &["npm:axios", "npm:express@4"]);
    assert!(eventually(|| audit::read(&log).len() == 2));
    let lines = audit::read(&log);
    let refusal = lines.iter().find(|line| line["kind"] == "refusal").expect("a refusal");
    assert_eq!(
        json!([refusal["permission"], refusal["target"], refusal["operation"]]),
        json!(["import", "npm:express@4", "import"])
    );
}

#[test]
fn a_program_runs_if_all_packages_of_its_call_are_allowed() {
    let host = host(WORKSPACE, &ALLOWED);
    let request = ExecuteRequest::new("1 + 1").with_dependencies(["npm:axios@1", "jsr:@std/path"]);
    assert_eq!(host.execute(request).return_value, 2);
}

#[test]
fn a_program_does_not_run_if_a_package_of_its_call_is_not_allowed() {
    let host = host(WORKSPACE, &ALLOWED);
    let write = "Deno.writeTextFileSync('ran', '')";
    for (dependencies, message) in [
        (
            &["npm:axios", "npm:express"][..],
            "Not in allowlist: npm:express. MCP_CONDUCTOR_ALLOWED_PACKAGES decides: allowed are \
             npm:axios@^1, npm:lodash@4.17.21, jsr:@std/path",
        ),
        (
            &["npm:axios'; import evil"],
            "Invalid format: npm:axios'; import evil: \"npm:axios'; import evil\" is not a package \
             specifier: ' ' cannot be part of one",
        ),
    ] {
        let request = ExecuteRequest::new(write).with_dependencies(dependencies.iter().copied());
        let execution = host.execute(request);
        let error = execution.error.expect("it is refused");
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Dependency, message));
        assert_eq!(execution.return_value, Value::Null);
    }
    assert!(!host.files.path("ws/ran").exists());
}

#[test]
fn files_of_packages_can_be_read_and_nothing_beside_them() {
    let read = format!(
        r#"return {{
          file: await both("readTextFile", "@ROOT@/{FILE}"),
          bundle: (await t(() => Deno.readTextFile("@ROOT@/{BUNDLE}"))).slice(0, 35),
          lock: (await t(() => Deno.readTextFile("@ROOT@/installed/packages/deno.lock"))).slice(0, 35),
        }};"#
    );
    let refused = "NotCapable: Requires read access to";
    host(WORKSPACE, &ALLOWED).gives(
        &read,
        &format!(r#"{{"file": "module.exports = 1", "bundle": "{refused}", "lock": "{refused}"}}"#),
    );
    let denied = r#"return (await t(() => Deno.readTextFile("@ROOT@/FILE"))).slice(0, 35);"#;
    let denied = denied.replace("FILE", FILE);
    for (grants, packages) in
        [(WORKSPACE, &[][..]), ("allow-read=@ROOT@/ws,deny-read=@ROOT@/installed", &ALLOWED)]
    {
        host(grants, packages).gives(&denied, &format!("\"{refused}\""));
    }
}

#[test]
fn nothing_is_written_where_packages_are_installed() {
    let host = host("allow-read=@ROOT@,allow-write=@ROOT@", &ALLOWED);
    host.gives(
        &format!(
            r#"
            const refused = async (f: () => unknown) => `${{await t(f)}}`.slice(0, 36);
            const installed = "@ROOT@/installed";
            return {{
              "beside it": await t(() => Deno.writeTextFile("@ROOT@/ws/beside.txt", "")),
              "a package's file": await refused(() => Deno.writeTextFile("@ROOT@/{FILE}", "")),
              "a new file": await refused(() => Deno.writeTextFile(`${{installed}}/new`, "")),
              "a link": await refused(() => Deno.symlink("@ROOT@/ws", `${{installed}}/packages/current`)),
              "moved away": await refused(() => Deno.rename(installed, "@ROOT@/moved")),
              "removed": await refused(() => Deno.remove(installed, {{ recursive: true }})),
            }};"#
        ),
        r#"{
            "beside it": "done",
            "a package's file": "NotCapable: Requires write access to",
            "a new file": "NotCapable: Requires write access to",
            "a link": "NotCapable: Requires write access to",
            "moved away": "NotCapable: Requires write access to",
            "removed": "NotCapable: Requires write access to"
        }"#,
    );
    assert_eq!(host.files.read(FILE), "module.exports = 1");
}

#[test]
fn the_workspace_does_not_lie_where_things_are_installed() {
    let files = files();
    for (place, starts) in [("ws", false), ("", false), ("ws/installed", true)] {
        let place = files.path(place);
        let started = start(&files, WORKSPACE, |config| config.with_install_dir(&place));
        let problem = started.as_ref().err().map(ToString::to_string);
        let _guard = crate::EVENT_LOOP.enter();
        drop(started);
        assert_eq!(problem.is_none(), starts, "{problem:?}");
        let names = |text: String| text.starts_with("MCP_CONDUCTOR_INSTALL_DIR: the workspace");
        assert!(problem.is_none_or(names));
    }
}
