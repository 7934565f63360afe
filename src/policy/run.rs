//! Which commands programs may start. A name is looked up when the server
//! starts, in its own PATH; what a program says is matched against the files
//! that were found then.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::grants::{Rule, Scope, normalize};
use super::paths::PathRules;
use super::{Denied, Permission};
use crate::links::places;

/// A command that may be started.
#[derive(Debug, Clone)]
pub(crate) struct AllowedCommand {
    program: PathBuf,
}

impl AllowedCommand {
    /// The absolute path to execute.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }
}

/// The rules of `run`.
#[derive(Debug)]
pub(crate) struct RunRules {
    all: bool,
    allowed: Vec<PathBuf>,
    /// Named by a grant, but where a program could replace them.
    replaceable: Vec<PathBuf>,
    deny_all: bool,
    denied: Vec<PathBuf>,
    path: OsString,
}

impl RunRules {
    /// Looks every command up. `writable` are the rules of `write`; with
    /// `unconfined`, the administrator has granted everything.
    ///
    /// # Errors
    /// A command that does not exist, as a sentence.
    pub(crate) fn new(
        rule: &Rule,
        path: &OsStr,
        writable: &PathRules,
        unconfined: bool,
    ) -> Result<Self, String> {
        let mut rules = Self {
            all: rule.allow == Scope::All,
            allowed: Vec::new(),
            replaceable: Vec::new(),
            deny_all: rule.deny == Scope::All,
            denied: Vec::new(),
            path: path.to_owned(),
        };
        if let Scope::Only(commands) = &rule.allow {
            for command in commands {
                let program = rules.find(command)?;
                if !unconfined && is_replaceable(&program, writable) {
                    rules.replaceable.push(program);
                } else {
                    rules.allowed.push(program);
                }
            }
        }
        if let Scope::Only(commands) = &rule.deny {
            for command in commands {
                // What does not exist needs no rule, but may come to exist.
                let found = rules.find(command).unwrap_or_else(|_| PathBuf::from(command));
                rules.denied.extend(found.canonicalize());
                rules.denied.push(found);
            }
        }
        Ok(rules)
    }

    /// Decides about a command as a program named it.
    pub(crate) fn check(
        &self,
        command: &str,
        writable: &PathRules,
        unconfined: bool,
    ) -> Result<AllowedCommand, Denied> {
        let refusal = || Denied::new(Permission::Run, Some(command.to_owned()));
        let Ok(program) = self.find(command) else { return Err(refusal()) };
        let is = |list: &[PathBuf]| list.contains(&program);
        let target = program.canonicalize().unwrap_or_else(|_| program.clone());
        if self.deny_all || is(&self.denied) || self.denied.contains(&target) {
            return Err(refusal());
        }
        if is(&self.replaceable) || self.all && !unconfined && is_replaceable(&program, writable) {
            return Err(refusal().because(
                "it is located where programs may write, so that a program could replace it"
                    .to_owned(),
            ));
        }
        if self.all || is(&self.allowed) { Ok(AllowedCommand { program }) } else { Err(refusal()) }
    }

    /// Whether any command can be started.
    pub(crate) fn grants_something(&self) -> bool {
        !self.deny_all && (self.all || !self.allowed.is_empty())
    }

    /// Files that programs must not be able to write.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &Path> {
        self.allowed.iter().chain(&self.replaceable).map(PathBuf::as_path)
    }

    /// Grants that were not given, because a program could replace the file.
    pub(crate) fn replaceable(&self) -> &[PathBuf] {
        &self.replaceable
    }

    /// granted, denied, partial.
    pub(crate) fn query(
        &self,
        command: Option<&str>,
        writable: &PathRules,
        unconfined: bool,
    ) -> (bool, bool, bool) {
        match command {
            None => {
                (self.all && !self.deny_all, self.deny_all, self.all && !self.denied.is_empty())
            }
            Some(command) => {
                let granted = self.check(command, writable, unconfined).is_ok();
                let denied = self.find(command).is_ok_and(|found| self.denied.contains(&found));
                (granted, self.deny_all || denied, false)
            }
        }
    }

    /// The file of a command: a name is looked up in PATH, a path must be
    /// absolute. Links between directories are resolved, the last name is not:
    /// one file can be many commands by its name (busybox).
    fn find(&self, command: &str) -> Result<PathBuf, String> {
        if command.is_empty() || command.contains('\0') {
            return Err("a command has a name".to_owned());
        }
        if command.contains('/') {
            let path = Path::new(command);
            if !path.is_absolute() {
                return Err(format!(
                    "the command \"{command}\" must be a name or an absolute path"
                ));
            }
            return is_executable(path)
                .then(|| place(path))
                .ok_or_else(|| format!("there is no executable file {command}"));
        }
        std::env::split_paths(&self.path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(command))
            .find(|candidate| is_executable(candidate))
            .map(|found| place(&found))
            .ok_or_else(|| {
                format!("there is no command \"{command}\" in PATH; install it or name its path")
            })
    }
}

fn place(path: &Path) -> PathBuf {
    let path = normalize(path);
    let directory = path.parent().and_then(|parent| parent.canonicalize().ok());
    match (directory, path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => path,
    }
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

/// Whether a program could put another file in the place of this one, or of a link on
/// the way to it. What cannot be looked at is not known to be safe.
fn is_replaceable(program: &Path, writable: &PathRules) -> bool {
    places(program).map_or(true, |hops| hops.iter().any(|(hop, _)| writable.covers(hop)))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::grants::expand_path;
    use super::*;

    /// A directory that goes with the test.
    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// `bin/tool` is a link to `mid/hop`, which is one to the file `own/tool`.
    #[test]
    fn a_command_is_not_granted_if_any_link_to_it_lies_where_programs_write() {
        let name = format!("conductor-run-{}", std::process::id());
        let parent = std::env::temp_dir().canonicalize().unwrap();
        let scratch = Scratch(parent.join(name));
        let path = |below: &str| scratch.0.join(below);
        create_dir(&scratch.0).unwrap();
        for directory in ["bin", "mid", "own", "ws"] {
            create_dir(path(directory)).unwrap();
        }
        write(path("own/tool"), "").unwrap();
        set_permissions(path("own/tool"), Permissions::from_mode(0o755)).unwrap();
        symlink("../own/tool", path("mid/hop")).unwrap();
        symlink("../mid/hop", path("bin/tool")).unwrap();
        let tool = path("bin/tool").to_string_lossy().into_owned();
        for (writable, granted) in [("bin", false), ("mid", false), ("own", false), ("ws", true)] {
            let only = |text: String| Rule { allow: Scope::Only(vec![text]), deny: Scope::Nothing };
            let rule = only(path(writable).to_string_lossy().into_owned());
            let expand = |text: &str| expand_path(text, None, Path::new("/"));
            let writes = PathRules::new(Permission::Write, &rule, &[], &[], expand).unwrap();
            let run = RunRules::new(&only(tool.clone()), "".as_ref(), &writes, false).unwrap();
            assert_eq!(run.check(&tool, &writes, false).is_ok(), granted, "{writable}");
        }
    }
}
