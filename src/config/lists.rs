//! Files of variables that lists of MCP servers name (`envFile`). Who writes one decides
//! what a process of the server's user gets, so programs are kept from all of them: those
//! that are named when the configuration is read. A list that names another later has to
//! wait until it is read again.

use std::path::{Path, PathBuf};

use super::Config;
use super::servers::ServersFile;

/// Lists of MCP servers as they were when the configuration was read.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Lists {
    /// The lists themselves.
    pub files: Vec<PathBuf>,
    env_files: Vec<PathBuf>,
}

impl Lists {
    /// Reads the server's own and those of sections. One that cannot be used is told of by
    /// whoever uses it.
    pub(super) fn read(
        files: impl Iterator<Item = PathBuf>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let mut lists = Self { files: files.collect(), env_files: Vec::new() };
        lists.files.sort();
        lists.files.dedup();
        lists.env_files = lists.files.iter().flat_map(|path| env_files(path, variable)).collect();
        lists.env_files.sort();
        lists.env_files.dedup();
        lists
    }
}

fn env_files(path: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    ServersFile::read(path, variable, None).map(|file| file.env_files).unwrap_or_default()
}

impl Config {
    /// Files of variables that lists of MCP servers name, whoever's they are.
    pub(crate) fn env_files(&self) -> Vec<PathBuf> {
        let mut env_files = self.lists.env_files.clone();
        // One that was set since the configuration was read.
        if let Some(path) = self.mcp_config().filter(|path| !self.lists.has(path)) {
            let environment = self.environment();
            env_files.extend(self::env_files(path, &|name| environment.get(name).cloned()));
        }
        env_files
    }
}

impl Lists {
    fn has(&self, path: &Path) -> bool {
        self.files.iter().any(|file| file == path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Directory, read};
    use super::*;

    fn list(name: &str) -> String {
        format!(r#"{{"mcpServers": {{"a": {{"command": "a", "envFile": "{name}"}}}}}}"#)
    }

    #[test]
    fn files_of_variables_of_all_lists_are_known_to_everybody() {
        let directory = Directory::new();
        let own = directory.write("own.json", list("own.env"));
        let hers = directory.write("hers.json", list("../hers.env"));
        let text = format!(
            "mcp_config = {own:?}\n[principals.alice]\nmcp_config = {hers:?}\n[principals.bob]\n"
        );
        let path = directory.write("conductor.toml", text);
        let config = read(Some(path), &[], &[]).unwrap().config;
        let above = directory.0.parent().unwrap();
        let expected = [above.join("hers.env"), directory.0.join("own.env")];
        for name in ["alice", "bob"] {
            let principal = config.principal_of_token(name).unwrap();
            let files = principal.config.env_files();
            assert!(files.len() == 2 && expected.iter().all(|file| files.contains(file)));
            let own_files = principal.config.own_files();
            assert!(own_files.contains(&own) && own_files.contains(&hers), "{own_files:?}");
        }
    }

    #[test]
    fn a_list_that_names_another_file_is_another_configuration() {
        let directory = Directory::new();
        let own = directory.write("own.json", list("one.env"));
        let path = directory.write("conductor.toml", format!("mcp_config = {own:?}\n"));
        let config = || read(Some(path.clone()), &[], &[]).unwrap().config;
        let before = config();
        assert!(before.is_same_for_programs(&config()));
        directory.write("own.json", list("two.env"));
        assert!(!before.is_same_for_programs(&config()));
    }

    #[test]
    fn a_list_that_is_set_later_is_looked_at_then() {
        let directory = Directory::new();
        let own = directory.write("own.json", list("own.env"));
        let config = Config::default().with_mcp_config(&own);
        assert_eq!(config.env_files(), [directory.0.join("own.env")]);
    }
}
