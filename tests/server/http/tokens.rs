//! `mcp-conductor token`: what is printed, what is in the file afterwards, and what is
//! refused.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::command::{Ended, binary, ended};
use crate::support::directory::{Directory, mode};

/// A home directory that goes away with the value.
struct Home(Directory);

impl Home {
    fn new() -> Self {
        Self(Directory::in_target("tokens"))
    }

    /// Where tokens are if nothing says so.
    fn file(&self) -> PathBuf {
        self.0.path(".mcp-conductor/tokens.json")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary(&["token"]);
        command.args(arguments).env("HOME", self.0.root()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }

    /// Makes a token.
    fn add(&self, name: &str) -> String {
        let done = self.run(&["add", name]);
        assert_eq!(done.code, Some(0), "{done:?}");
        done.stdout.trim_end().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let listed = self.run(&["list"]).stdout;
        listed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }
}

#[test]
fn a_token_is_printed_and_its_hash_kept() {
    let home = Home::new();
    let file = home.file();
    let added = home.run(&["add", "alice"]);
    let token = added.stdout.trim_end().to_owned();
    let secret = token.strip_prefix("mcpc_").expect("the mark of a token");
    assert_eq!(secret.len(), 43);
    let path = file.display();
    assert_eq!(
        added,
        Ended {
            code: Some(0),
            stdout: format!("{token}\n"),
            stderr: format!(
                "Send it as \"Authorization: Bearer TOKEN\". Only its hash is kept, in {path}.\n\
                 Start the server with MCP_CONDUCTOR_TOKENS={path}.\n\
                 A running server that uses this file accepts the token after SIGHUP.\n"
            ),
        }
    );
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(!text.contains(secret), "{text}");
    let content: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(content["tokens"][0]["name"], "alice");
    assert_eq!(content["tokens"][0]["sha256"], format!("{:x}", Sha256::digest(&token)));
    assert_eq!(content["tokens"].as_array().map(Vec::len), Some(1));
    assert_eq!((mode(&file), mode(file.parent().expect("a directory"))), (0o600, 0o700));
}

#[test]
fn names_and_dates_are_listed_and_nothing_else() {
    let home = Home::new();
    let tokens = [home.add("alice"), home.add("bob@example.com")];
    let listed = home.run(&["list"]);
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    let text = std::fs::read_to_string(home.file()).expect("the file");
    let content: Value = serde_json::from_str(&text).expect("JSON");
    let date = |at: usize| content["tokens"][at]["created"].as_str().expect("a date").to_owned();
    assert_eq!(
        listed.stdout,
        format!("alice            {}\nbob@example.com  {}\n", date(0), date(1))
    );
    assert!(tokens.iter().all(|token| !listed.stdout.contains(token.as_str())));
    assert!(date(0).starts_with("20") && date(0).ends_with('Z'), "{}", date(0));
}

#[test]
fn a_removed_token_is_gone() {
    let home = Home::new();
    home.add("alice");
    home.add("bob");
    assert_eq!(
        home.run(&["remove", "alice"]),
        Ended {
            code: Some(0),
            stdout: String::new(),
            stderr: "Removed \"alice\". A running server accepts it until SIGHUP.\n".to_owned(),
        }
    );
    assert_eq!(home.names(), ["bob"]);
    assert_eq!(
        home.run(&["remove", "alice"]),
        Ended::refused(&format!("there is no token \"alice\" in {}", home.file().display()))
    );
}

#[test]
fn a_name_is_taken_once_until_it_is_removed() {
    let home = Home::new();
    let first = home.add("alice");
    let before = std::fs::read(home.file()).expect("the file");
    assert_eq!(
        home.run(&["add", "alice"]),
        Ended::refused(
            "the token \"alice\" exists already: remove it first (mcp-conductor token remove alice)"
        )
    );
    assert_eq!(std::fs::read(home.file()).expect("the file"), before);
    home.run(&["remove", "alice"]);
    assert_ne!(home.add("alice"), first);
}

#[test]
fn a_name_that_no_token_can_have_is_refused() {
    let home = Home::new();
    let longer = "a".repeat(65);
    for name in ["", "anonymous", "a b", "../a", "a\nb", "ä", "*", longer.as_str()] {
        for command in ["add", "remove"] {
            assert_eq!(
                home.run(&[command, name]),
                Ended::refused(
                    "a token's name has 1 to 64 characters out of A-Z, a-z, 0-9 and ._@-, and is \
                     not \"anonymous\""
                ),
                "{name}"
            );
        }
    }
    assert!(!home.file().exists());
}

#[test]
fn the_file_is_the_flags_or_the_variables_or_the_homes() {
    let home = Home::new();
    let (flag, variable) = (home.0.path("flag.json"), home.0.path("variable.json"));
    let flag_text = flag.to_str().expect("UTF-8");
    let with = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        ended(command.env("MCP_CONDUCTOR_TOKENS", &variable))
    };
    assert_eq!(with(&["add", "flag", "--tokens", flag_text]).code, Some(0));
    let path = variable.display();
    assert_eq!(
        with(&["add", "variable"]).stderr,
        format!(
            "Send it as \"Authorization: Bearer TOKEN\". Only its hash is kept, in {path}.\n\
             A running server that uses this file accepts the token after SIGHUP.\n"
        )
    );
    home.add("home");
    assert!(with(&["list", "--tokens", flag_text]).stdout.starts_with("flag  2"));
    assert!(with(&["list"]).stdout.starts_with("variable  2"));
    assert!(home.run(&["list"]).stdout.starts_with("home  2"));
}

#[test]
fn a_file_that_others_may_read_is_neither_read_nor_changed() {
    let home = Home::new();
    home.add("alice");
    let file = home.file();
    let before = std::fs::read(&file).expect("the file");
    for open in [0o640, 0o604, 0o644] {
        std::fs::set_permissions(&file, Permissions::from_mode(open)).expect("a mode");
        let path = file.display();
        let expected = Ended::refused(&format!("{path} is readable by others: chmod 600 {path}"));
        assert_eq!(home.run(&["list"]), expected);
        assert_eq!(home.run(&["add", "bob"]), expected);
        assert_eq!(home.run(&["remove", "alice"]), expected);
    }
    assert_eq!(std::fs::read(&file).expect("the file"), before);
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("a mode");
    home.add("bob");
    assert_eq!(home.names(), ["alice", "bob"]);
}

#[test]
fn a_file_that_is_not_there_or_something_else_is_refused() {
    let home = Home::new();
    let path = home.file().display().to_string();
    let missing = format!(
        "{path}: there is no such file; `mcp-conductor token add NAME --tokens {path}` creates one"
    );
    assert_eq!(home.run(&["list"]), Ended::refused(&missing));
    assert_eq!(home.run(&["remove", "alice"]), Ended::refused(&missing));
    home.add("alice");
    let broken = r#"{"tokens": [{"name": "alice", "sha256": "CANARY"}]}"#;
    std::fs::write(home.file(), broken).expect("written");
    let expected =
        format!("{path} is not a token file: \"alice\": sha256 is not 64 hexadecimal digits");
    assert_eq!(home.run(&["list"]), Ended::refused(&expected));
    assert_eq!(home.run(&["add", "bob"]), Ended::refused(&expected));
    assert_eq!(std::fs::read_to_string(home.file()).expect("the file"), broken);
}

#[test]
fn commands_at_the_same_time_lose_nothing() {
    let home = Home::new();
    let names: Vec<String> = (0..8).map(|number| format!("n{number}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = home.command(&["add", name]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
        })
        .collect();
    let mut tokens: Vec<String> = children
        .into_iter()
        .map(|child| Ended::from(child.wait_with_output().expect("it ends")).stdout)
        .collect();
    let mut listed = home.names();
    listed.sort();
    assert_eq!(listed, names);
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 8);
}

#[test]
fn a_token_that_nobody_has_seen_is_not_kept() {
    let home = Home::new();
    home.add("alice");
    // Each write to it fails (full(4)).
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let child = home.command(&["add", "bob"]).stdout(full).stderr(Stdio::piped()).spawn();
    let output = child.expect("it starts").wait_with_output().expect("it ends");
    assert_eq!(
        Ended::from(output),
        Ended::refused("the token cannot be printed: No space left on device (os error 28)")
    );
    assert_eq!(home.names(), ["alice"]);
}

#[test]
fn the_command_line_says_what_it_wants() {
    let home = Home::new();
    for arguments in [&["add"][..], &["remove"], &["list", "alice"], &["show"], &[]] {
        assert_eq!(home.run(arguments).code, Some(2), "{arguments:?}");
    }
}
