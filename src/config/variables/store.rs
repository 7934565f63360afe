//! Where what the server remembers is kept.

use std::path::PathBuf;

use mcp_conductor_store::{Limits, Place};

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group, home};
use super::super::form::{Form, Integer, Unit, at};

/// Bytes of a replica's name: of a host name (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;

group! {
    /// Where what the server remembers is kept.
    Kept as kept {
        /// Bytes that a store on this machine may hold. 256 MiB.
        store_size, with_store_size: u64;
    } and {
        store: Option<String>;
        replica: Option<String>;
    }
}

impl Config {
    /// Where what the server remembers is kept: by default in a file below the directory `store`
    /// beside the workspace, if that is named `workspace`, else below `~/.mcp-conductor/store`.
    pub(crate) fn store(&self) -> Place {
        let given = self.kept.store.as_deref().and_then(|text| Place::parse(text).ok());
        given.unwrap_or_else(|| Place::Directory(self.default_store()))
    }

    /// Sets where what the server remembers is kept: `memory`, an absolute path of a directory,
    /// or the address of a Redis server.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn with_store(mut self, place: &str) -> Result<Self, String> {
        self.kept.store = Some(checked(place)?);
        Ok(self)
    }

    /// Whether servers on several machines can have the store.
    pub fn store_is_shared(&self) -> bool {
        matches!(self.store(), Place::Redis(_))
    }

    /// The name of this server among those that share its store: by default the host's.
    pub fn replica(&self) -> String {
        self.kept.replica.clone().unwrap_or_else(host_name)
    }

    fn default_store(&self) -> PathBuf {
        let beside = self.workspace().parent().filter(|_| self.workspace().ends_with("workspace"));
        let root = beside.map_or_else(|| home().join(".mcp-conductor"), PathBuf::from);
        root.join("store")
    }
}

/// The kernel's name of this machine or container (sethostname(2)), if others can be told it.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    named(name.trim()).unwrap_or_else(|_| "unnamed".to_owned())
}

/// A name that can be in a header, and be an address.
fn named(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
    match (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(format!("not 1 to {MAX_NAME} letters, digits, `.`, `-`, `_` and `:`")),
    }
}

/// A place that can be used, as it was written.
fn checked(text: &str) -> Result<String, String> {
    Place::parse(text).map(|_| text.to_owned())
}

entries! {
    STORE = "MCP_CONDUCTOR_STORE" {
        meaning: "Where what the server remembers is kept: an absolute path of a directory, \
                  `memory`, or the address of a Redis or Valkey server, `redis://` or `rediss://` \
                  with a password as `env:NAME`. Unset: the directory `store` beside the workspace",
        example: "rediss://conductor:env:REDIS_PASSWORD@redis.example:6379/0",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Means("the directory `store` beside the workspace"),
        form: Form::Text { check: checked, at: at!(kept.store) },
    }
    STORE_SIZE = "MCP_CONDUCTOR_STORE_SIZE" {
        meaning: "What a store on this machine may hold; its file may have three times as much",
        example: "256",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Number(Limits::DEFAULT.bytes >> 20),
        form: Form::Number {
            min: 1,
            // A terabyte: more than one server has to remember.
            max: 1 << 20,
            unit: Unit::MiB,
            at: Integer::U64(at!(kept.store_size)),
        },
    }
    REPLICA = "MCP_CONDUCTOR_REPLICA" {
        meaning: "The name of this server among those that share its store, such as the address \
                  at which a balancer reaches it. Unset: the host name",
        example: "10.0.3.7",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Means("the host name"),
        form: Form::Text { check: named, at: at!(kept.replica) },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn directory(config: &Config) -> PathBuf {
        match config.store() {
            Place::Directory(directory) => directory,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_store_is_beside_a_workspace_of_the_usual_name() {
        let config = Config::default().with_workspace("/srv/conductor/workspace");
        assert_eq!(directory(&config), Path::new("/srv/conductor/store"));
        let config = Config::default().with_workspace("/srv/data");
        assert!(directory(&config).ends_with(".mcp-conductor/store"));
    }

    #[test]
    fn a_replica_is_named_by_its_setting_or_its_host() {
        assert!(!Config::default().replica().is_empty());
        for (name, is_one) in [("10.0.3.7", true), ("fd00::7", true), ("a\r\nb", false)] {
            assert_eq!(named(name).is_ok(), is_one, "{name:?}");
        }
        assert!(named("").is_err() && named(&"a".repeat(MAX_NAME + 1)).is_err());
    }

    #[test]
    fn a_store_is_a_directory_memory_or_redis() {
        let with = |text| Config::default().with_store(text).map(|config| config.store());
        assert_eq!(with("memory"), Ok(Place::Memory));
        assert_eq!(with("/a"), Ok(Place::Directory("/a".into())));
        assert!(matches!(with("redis://h"), Ok(Place::Redis(_))));
        assert!(with("a").is_err());
    }
}
