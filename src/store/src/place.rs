//! Where a store is, as an administrator writes it.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// What a place looks like.
const EXAMPLES: &str = "write an absolute path of a directory, memory, or \
                        rediss://user:env:REDIS_PASSWORD@redis.example:6379/0";

/// The port that Redis and Valkey listen on.
const PORT: u16 = 6379;

/// In front of every key, so that other programs can use the same database.
const PREFIX: &str = "mcp-conductor:";

/// The most bytes of a prefix.
const MAX_PREFIX: usize = 64;

/// Where entries are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file below this directory.
    Directory(PathBuf),
    /// In memory.
    Memory,
    /// By a Redis or Valkey server.
    Redis(Box<RedisAddress>),
}

impl Place {
    /// Reads `memory`, an absolute path, or an address of Redis.
    ///
    /// # Errors
    /// What is wrong with it, without a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "memory" {
            Ok(Self::Memory)
        } else if text.starts_with("redis://") || text.starts_with("rediss://") {
            RedisAddress::parse(text).map(|address| Self::Redis(Box::new(address)))
        } else if Path::new(text).is_absolute() && !text.contains('\0') {
            Ok(Self::Directory(text.into()))
        } else {
            // It may have a password.
            Err(format!("not a place for a store, {EXAMPLES}"))
        }
    }
}

/// The address of a server, without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAddress {
    pub(crate) is_encrypted: bool,
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
    pub(crate) database: i64,
    pub(crate) user: Option<String>,
    pub(crate) prefix: String,
    password_variable: Option<String>,
}

impl RedisAddress {
    /// Reads `redis://USER:env:NAME@HOST:PORT/DATABASE?prefix=PREFIX`, or `rediss://` for TLS.
    /// Everything but the host can be left out.
    ///
    /// # Errors
    /// What is wrong with it, without a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("not a URL ({error}), {EXAMPLES}"))?;
        let host = match url.host() {
            // A host of a scheme that is not the web's is a text.
            Some(Host::Domain(name)) => Host::parse(name).map_err(|error| error.to_string()),
            Some(host) => Ok(host.to_owned()),
            None => Err("it has no host".to_owned()),
        };
        let host = host.map_err(|problem| format!("{problem}, {EXAMPLES}"))?;
        Ok(Self {
            is_encrypted: match url.scheme() {
                "redis" => false,
                "rediss" => true,
                _ => return Err(format!("neither redis:// nor rediss://, {EXAMPLES}")),
            },
            host,
            port: url.port().unwrap_or(PORT),
            database: database(&url)?,
            user: Some(decoded(url.username())?).filter(|user| !user.is_empty()),
            prefix: prefix(&url)?,
            password_variable: url.password().map(variable).transpose()?,
        })
    }

    /// The variable of the environment that has the password.
    pub fn password_variable(&self) -> Option<&str> {
        self.password_variable.as_deref()
    }

    /// Whether it is asked by TLS.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }
}

/// Without user and password.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "rediss" } else { "redis" };
        let Self { host, port, database, .. } = self;
        write!(f, "{scheme}://{host}:{port}/{database}")
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| "user or password are not UTF-8".to_owned())
}

/// The number of the database.
fn database(url: &Url) -> Result<i64, String> {
    let path = url.path().trim_start_matches('/');
    if path.is_empty() {
        return Ok(0);
    }
    path.parse::<u32>()
        .map(i64::from)
        .map_err(|_| "what follows the host is not the number of a database, such as /0".to_owned())
}

/// `env:NAME`: a password itself would be shown with the configuration.
fn variable(password: &str) -> Result<String, String> {
    let password = decoded(password)?;
    let name = password.strip_prefix("env:").filter(|name| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_part)
    });
    name.map(str::to_owned).ok_or_else(|| {
        "the password is not env:NAME; put it into a variable of the environment and name that, \
         for example rediss://:env:REDIS_PASSWORD@redis.example"
            .to_owned()
    })
}

fn prefix(url: &Url) -> Result<String, String> {
    let mut prefix = PREFIX.to_owned();
    for (name, value) in url.query_pairs() {
        if name != "prefix" {
            return Err("the URL has a parameter other than prefix, for example \
                        redis://redis.example?prefix=team-a:"
                .to_owned());
        }
        if value.len() > MAX_PREFIX || value.chars().any(char::is_control) {
            return Err(format!(
                "the prefix has control characters or more than {MAX_PREFIX} bytes"
            ));
        }
        prefix = value.into_owned();
    }
    Ok(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redis(text: &str) -> RedisAddress {
        RedisAddress::parse(text).unwrap()
    }

    #[test]
    fn everything_but_the_host_can_be_left_out() {
        let address = redis("redis://redis.example");
        assert_eq!(address.to_string(), "redis://redis.example:6379/0");
        assert_eq!((address.user.as_deref(), address.password_variable()), (None, None));
        assert_eq!(address.prefix, "mcp-conductor:");
    }

    #[test]
    fn all_parts_are_read() {
        let address = redis("rediss://me%40x:env:REDIS_PASSWORD@[::1]:7000/3?prefix=team%3A");
        assert_eq!(address.to_string(), "rediss://[::1]:7000/3");
        assert_eq!(address.user.as_deref(), Some("me@x"));
        assert_eq!(address.password_variable(), Some("REDIS_PASSWORD"));
        assert_eq!(address.prefix, "team:");
        assert!(matches!(redis("redis://127.0.0.1").host, Host::Ipv4(_)));
    }

    #[test]
    fn a_password_is_a_variable_s_and_is_never_shown() {
        for password in ["s3cret", "env:", "env:1", "env:a-b", "env:s3cret x"] {
            let error = RedisAddress::parse(&format!("redis://:{password}@h")).unwrap_err();
            assert!(error.contains("env:NAME"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_place_is_a_directory_memory_or_redis() {
        assert_eq!(Place::parse("memory"), Ok(Place::Memory));
        assert_eq!(Place::parse("/a b"), Ok(Place::Directory("/a b".into())));
        for text in
            ["", "disk", "a/b", "http://h", "redis:h", "redis://", "redis://h/x", "redis://h?db=1"]
        {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }
}
