//! The image.

use serde_json::Value;

use super::files::{assert_accepted, json, root, text, toml, tool};

/// Instructions of a Dockerfile, with their arguments, joined to one line each.
pub struct Dockerfile(Vec<(String, String)>);

impl Dockerfile {
    pub fn read() -> Self {
        let text = text("Dockerfile");
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
        let instructions = joined.lines().filter_map(|line| line.trim().split_once(' '));
        Self(instructions.map(|(name, rest)| (name.into(), rest.trim().into())).collect())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|(instruction, _)| instruction == name);
        found.map(|(_, rest)| rest.as_str()).collect()
    }

    /// The last one: that of the final stage.
    pub fn last(&self, name: &str) -> &str {
        self.all(name).last().unwrap_or_else(|| panic!("{name} is in the Dockerfile"))
    }

    pub fn label(&self, name: &str) -> String {
        let (_, rest) = self.last("LABEL").split_once(&format!("{name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// The command of `HEALTHCHECK`, in its form without a shell.
    pub fn health(&self) -> Value {
        let (_, command) = self.last("HEALTHCHECK").split_once("CMD ").unwrap();
        serde_json::from_str(command).unwrap()
    }
}

/// The configuration in the image.
fn config() -> String {
    text("deploy/docker/conductor.toml")
}

/// Whether `.dockerignore` lets a path into the build. It is a list of exceptions.
fn in_context(path: &str) -> bool {
    let ignore = text(".dockerignore");
    let mut lines = ignore.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    assert_eq!(lines.next(), Some("*"));
    lines.any(|line| {
        let allowed = line.strip_prefix('!').expect("exceptions only");
        assert!(root().join(allowed).exists(), "{allowed} exists");
        path == allowed || path.starts_with(&format!("{allowed}/"))
    })
}

#[test]
fn the_image_runs_as_a_user_without_a_name_and_not_as_root() {
    assert_eq!(Dockerfile::read().last("USER"), "65532:65532");
}

#[test]
fn the_image_starts_the_server_without_a_shell() {
    let file = Dockerfile::read();
    let entry: Value = serde_json::from_str(file.last("ENTRYPOINT")).unwrap();
    let command: Value = serde_json::from_str(file.last("CMD")).unwrap();
    assert_eq!(entry, serde_json::json!(["/usr/local/bin/mcp-conductor"]));
    assert_eq!(command, serde_json::json!(["http", "--bind", "0.0.0.0"]));
}

#[test]
fn the_image_asks_the_server_itself_for_its_health() {
    let health = Dockerfile::read().health();
    assert_eq!(health, serde_json::json!(["/usr/local/bin/mcp-conductor", "healthcheck"]));
}

#[test]
fn the_port_of_the_image_is_that_of_its_configuration() {
    assert_eq!(toml(&config())["port"].to_string(), Dockerfile::read().last("EXPOSE"));
}

#[test]
fn the_configuration_in_the_image_is_accepted() {
    assert_accepted("image", &config());
}

#[test]
fn the_configuration_in_the_image_keeps_its_files_in_the_volume() {
    let config = toml(&config());
    let volume = "/var/lib/mcp-conductor/";
    assert_eq!(Dockerfile::read().last("VOLUME"), r#"["/var/lib/mcp-conductor"]"#);
    for path in [&config["tokens"], &config["workspace"], &config["principals"]["*"]["workspace"]] {
        assert!(path.as_str().unwrap().starts_with(volume), "{path}");
    }
}

/// Variables win over the file, which an administrator may have replaced.
#[test]
fn the_image_sets_no_setting_by_a_variable() {
    let settings: Vec<_> = Dockerfile::read()
        .last("ENV")
        .split_whitespace()
        .filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()))
        .collect();
    assert_eq!(settings, ["HOME", "MCP_CONDUCTOR_CONFIG"]);
}

#[test]
fn what_cargo_needs_gets_into_the_build() {
    let manifest = toml(&text("Cargo.toml"));
    let mut paths = vec!["Cargo.toml".to_owned(), "Cargo.lock".into(), ".setup/v8".into()];
    paths.extend(["build.rs", "src/main.rs", "src/lib.rs", "js", "snapshots"].map(String::from));
    paths.extend([".setup/node", "src/installer/Cargo.toml"].map(String::from));
    for bench in manifest["bench"].as_array().unwrap() {
        paths.push(format!("benches/{}.rs", bench["name"].as_str().unwrap()));
    }
    for example in manifest["example"].as_array().unwrap() {
        paths.push(example["path"].as_str().unwrap().to_owned());
    }
    let missing: Vec<_> = paths.iter().filter(|path| !in_context(path)).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

#[test]
fn what_the_image_copies_gets_into_the_build() {
    for copy in Dockerfile::read().all("COPY") {
        let words: Vec<_> = copy.split_whitespace().filter(|w| !w.starts_with("--")).collect();
        if copy.contains("--from=") || words[0] == "." {
            continue;
        }
        assert!(in_context(words[0]), "{copy}");
    }
}

/// Outside of the volume, which keeps what it has when the image is another.
#[test]
fn python_is_in_the_image_where_the_server_looks_beside_itself() {
    let file = Dockerfile::read();
    assert!(file.all("ARG").contains(&"PYTHON=0"));
    let copied = file.all("COPY");
    let shared = "/usr/local/share/mcp-conductor";
    assert!(copied.contains(&format!("--from=build /out{shared} {shared}").as_str()), "{copied:?}");
    let made = file.all("RUN").into_iter().any(|run| run.contains(&format!("--dir /out{shared}")));
    assert!(made);
}

#[test]
fn nothing_else_gets_into_the_build() {
    for path in ["target", ".git", "docs/deployment.md", "tests/cli/packages", "deploy/kubernetes"]
    {
        assert!(!in_context(path), "{path}");
    }
}

#[test]
fn the_image_is_built_with_the_rust_that_the_project_needs() {
    let manifest = toml(&text("Cargo.toml"));
    let version = manifest["package"]["rust-version"].as_str().unwrap();
    let file = Dockerfile::read();
    assert!(file.all("FROM").contains(&format!("rust:{version}-bookworm AS build").as_str()));
}

#[test]
fn the_labels_of_the_image_are_those_of_the_program_and_of_the_registry() {
    let file = Dockerfile::read();
    assert_eq!(file.label("org.opencontainers.image.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(file.label("org.opencontainers.image.description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(file.label("org.opencontainers.image.licenses"), env!("CARGO_PKG_LICENSE"));
    // How the registry knows that name and image have the same owner.
    let name = file.label("io.modelcontextprotocol.server.name");
    assert_eq!(json("server.json")["name"], Value::String(name));
}

#[test]
fn hadolint_has_nothing_to_say() {
    let Some(mut hadolint) = tool("hadolint") else { return };
    let output = hadolint.arg(root().join("Dockerfile")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
