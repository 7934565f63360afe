//! Variables in texts of the file: `env:NAME`, `${NAME}` and files of variables.

use std::path::{Path, PathBuf};

use super::super::credentials::name_length;
use super::super::value::Value;
use super::env_file;
use super::names::MAX_QUOTED;
use super::secrets::{VARIABLE, is_secret};
use crate::policy::normalize;
use crate::private_file::is_read_by_others;
use crate::text::clip::head;

/// Variables that are no secrets, wherever they are used: the system's own
/// (environ(7)).
const OF_THE_SYSTEM: [&str; 10] =
    ["HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];

pub(super) const NO_PLACEHOLDER: &str = "a placeholder is ${NAME}, ${NAME:-default} or \
                                         ${env:NAME}; VS Code's ${input:NAME}, which asks the \
                                         user, is not supported";

/// The variable of VS Code and Cursor for the directory that is open.
const WORKSPACE_FOLDER: &str = "workspaceFolder";

const NO_WORKSPACE_FOLDER: &str = "${workspaceFolder} is the directory above .vscode or .cursor, \
                                   where this file is not; write the path";

/// Bytes of a value after substitution: execve(2) takes no longer argument
/// (MAX_ARG_STRLEN, 32 pages of 4 KiB).
pub(super) const MAX_TEXT: usize = 128 << 10;

/// Placeholders inside of one another.
const MAX_NESTING: usize = 16;

/// Directories of projects, beside which VS Code and Cursor have `${workspaceFolder}`.
const OF_PROJECTS: [&str; 2] = [".vscode", ".cursor"];

/// Puts variables in where a text names them.
pub(super) struct Expander<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    /// The file that the texts are from.
    file: &'a Path,
    /// Files of variables that may be read; without it, all.
    readable: Option<&'a [PathBuf]>,
    /// `{env:NAME}` is a variable.
    pub(super) is_of_opencode: bool,
    pub(super) used: Vec<String>,
    pub(super) env_files: Vec<PathBuf>,
    pub(super) warnings: Vec<String>,
    /// Keys of the entry at hand whose values look like secrets.
    pub(super) secrets: Vec<String>,
    /// What to know of the entry at hand.
    pub(super) notes: Vec<String>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(
        variable: &'a dyn Fn(&str) -> Option<String>,
        file: &'a Path,
        readable: Option<&'a [PathBuf]>,
    ) -> Self {
        Self {
            variable,
            file,
            readable,
            is_of_opencode: false,
            used: Vec::new(),
            env_files: Vec::new(),
            warnings: Vec::new(),
            secrets: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Keeps programs from the file of variables of an entry, whatever becomes of the entry:
    /// one that is disabled today may be used after the next start.
    pub(super) fn close_env_file(&mut self, entry: &Value) {
        let Value::Table(members) = entry else { return };
        for member in members.iter().filter(|member| member.key == "envFile") {
            let Value::Text(text) = &member.value else { continue };
            let Ok(path) = self.env_file_at(text) else { continue };
            // Programs would be kept from all that is in a directory.
            if !path.is_dir() && !self.env_files.contains(&path) {
                self.env_files.push(path);
            }
        }
    }

    /// The place that an entry names, without `.` and `..`.
    fn env_file_at(&mut self, text: &str) -> Result<PathBuf, String> {
        let path = self.path("envFile", text)?;
        let directory = self.file.parent().unwrap_or(Path::new("/"));
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        Ok(normalize(&directory.join(path)))
    }

    /// The variables of a file that an entry names.
    pub(super) fn env_file(&mut self, text: &str) -> Result<env_file::Variables, String> {
        let problem = |problem: String| format!("envFile: {problem}");
        let path = self.env_file_at(text)?;
        self.notes.push(format!("envFile: {text}"));
        if path.is_dir() {
            return Err(problem("not a regular file".to_owned()));
        }
        if let Some(link) = env_file::link_to(&path) {
            let link = link.display();
            return Err(problem(format!(
                "{link} is a symbolic link, and whoever can replace it chooses the file's \
                 content; name the file itself"
            )));
        }
        if self.readable.is_some_and(|readable| !readable.contains(&path)) {
            return Err(problem(
                "named after this server was started, and programs are kept from such files only \
                 from the start; restart this server"
                    .to_owned(),
            ));
        }
        let (variables, writers) = env_file::variables(&path).map_err(problem)?;
        self.warnings.extend(writers);
        if variables.iter().any(|(name, text)| is_secret(name, text)) && is_read_by_others(&path) {
            let path = path.display();
            self.warnings.push(format!(
                "other users can read {path}, and it contains what looks like a secret; run chmod \
                 600 {path}"
            ));
        }
        Ok(variables)
    }

    pub(super) fn text(&mut self, place: &str, text: &str) -> Result<String, String> {
        let text = self.expand(text).map_err(|problem| format!("{place}: {problem}"))?;
        if text.contains('\0') {
            return Err(format!("{place}: it contains a NUL character"));
        }
        Ok(text)
    }

    pub(super) fn path(&mut self, place: &str, text: &str) -> Result<String, String> {
        let text = self.text(place, text)?;
        if text.is_empty() {
            return Err(format!("{place}: the value is empty"));
        }
        let rest = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let Some(rest) = rest else { return Ok(text) };
        let home = self.lookup("HOME").ok_or_else(|| format!("{place}: ~ needs HOME"))?;
        Ok(home + rest)
    }

    /// Replaces `env:NAME` at the beginning or after a space, and `${…}` anywhere.
    /// What was put in is not looked at again.
    pub(super) fn expand(&mut self, text: &str) -> Result<String, String> {
        self.expand_inside(text, 0)
    }

    /// As [`Self::expand`]; inside of so many placeholders only these are replaced.
    fn expand_inside(&mut self, text: &str, depth: usize) -> Result<String, String> {
        if depth > MAX_NESTING {
            return Err(format!("placeholders nested more than {MAX_NESTING} deep"));
        }
        let (mut out, mut rest, mut at_word) = (String::new(), text, depth == 0);
        while let Some(next) = rest.chars().next() {
            if at_word && let Some(after) = rest.strip_prefix(VARIABLE) {
                let (name, left) = after.split_at(name_length(after));
                if name.is_empty() {
                    return Err("env: needs the name of a variable, such as env:TOKEN".to_owned());
                }
                out.push_str(&self.lookup(name).ok_or_else(|| not_set(name))?);
                rest = left;
            } else if let Some(after) = rest.strip_prefix("${") {
                let (inside, left) = split_placeholder(after).ok_or(NO_PLACEHOLDER)?;
                out.push_str(&self.placeholder(inside, depth)?);
                rest = left;
            } else if self.is_of_opencode
                && let Some(after) = rest.strip_prefix('{')
                && (after.starts_with(VARIABLE) || after.starts_with("file:"))
            {
                let (inside, left) = after.split_once('}').ok_or(NO_PLACEHOLDER)?;
                out.push_str(&self.placeholder(inside, depth)?);
                rest = left;
            } else {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
            at_word = depth == 0 && next == ' ';
            if out.len() > MAX_TEXT {
                return Err(format!("more than {MAX_TEXT} bytes"));
            }
        }
        Ok(out)
    }

    /// As in a shell, a default is looked at only if it is needed.
    fn placeholder(&mut self, inside: &str, depth: usize) -> Result<String, String> {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let name = name.strip_prefix(VARIABLE).unwrap_or(name);
        if name.is_empty() || name_length(name) != name.len() {
            return Err(NO_PLACEHOLDER.to_owned());
        }
        if let Some(value) = self.lookup(name).or_else(|| self.of_an_editor(name)) {
            return Ok(value);
        }
        match default {
            Some(default) => self.expand_inside(default, depth + 1),
            None if name == WORKSPACE_FOLDER => Err(NO_WORKSPACE_FOLDER.to_owned()),
            None => Err(not_set(name)),
        }
    }

    /// What VS Code and Cursor have besides variables of the environment.
    fn of_an_editor(&mut self, name: &str) -> Option<String> {
        if name == "userHome" {
            return self.lookup("HOME");
        }
        let directory = self.file.parent().filter(|_| name == WORKSPACE_FOLDER)?;
        let is_of_a_project = OF_PROJECTS.iter().any(|name| directory.ends_with(name));
        let folder = directory.parent().filter(|_| is_of_a_project)?;
        folder.to_str().map(str::to_owned)
    }

    /// An empty variable is as good as none, as for `${NAME:-default}` in a shell.
    fn lookup(&mut self, name: &str) -> Option<String> {
        let value = (self.variable)(name).filter(|value| !value.is_empty())?;
        if !OF_THE_SYSTEM.contains(&name) {
            self.used.push(name.to_owned());
        }
        Some(value)
    }
}

/// What is inside of a placeholder, with those inside of it, and what is behind.
fn split_placeholder(text: &str) -> Option<(&str, &str)> {
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        if text[at..].starts_with("${") {
            open += 1;
        } else if c == '}' {
            let Some(fewer) = open.checked_sub(1) else {
                return Some((&text[..at], &text[at + 1..]));
            };
            open = fewer;
        }
    }
    None
}

fn not_set(name: &str) -> String {
    format!("the variable {} is not set, or empty", head(name, MAX_QUOTED))
}

/// A text such as `$TOKEN`, which Gemini CLI takes for a variable.
pub(super) fn is_reference_of_a_shell(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(|name| {
        let length = name_length(name);
        length > 0 && length == name.len()
    })
}
