//! What programs may send and fetch.

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, Integer, Unit, at};

group! {
    /// What programs may send and fetch.
    Network as network {
        /// Bytes of all bodies that a run fetches, decoded, and of all that it sends.
        /// 256 MiB.
        max_fetch_size, with_max_fetch_size: u64;
        /// Requests of a run that have a connection. 32.
        max_connections, with_max_connections: usize;
    } and {
        fetch_headers: Option<String>;
    }
}

impl Config {
    /// Headers that the server adds to requests of programs, which do not see
    /// them: a JSON object of hosts, each with an object of headers, in whose
    /// values `env:NAME` stands for a variable of the environment.
    #[must_use]
    pub fn with_fetch_headers(mut self, json: impl Into<String>) -> Self {
        self.network.fetch_headers = Some(json.into());
        self
    }

    pub(crate) fn fetch_headers(&self) -> Option<&str> {
        self.network.fetch_headers.as_deref()
    }
}

entries! {
    FETCH_HEADERS = "MCP_CONDUCTOR_FETCH_HEADERS" {
        meaning: "Headers that the server adds to requests to a host, JSON; programs do not \
                  see them; `env:NAME` stands for a variable's value",
        example: r#"{"api.example.com": {"authorization": "Bearer env:PATH"}}"#,
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Unset,
        form: Form::Headers(at!(network.fetch_headers)),
    }
    MAX_FETCH_SIZE = "MCP_CONDUCTOR_MAX_FETCH_SIZE" {
        meaning: "Bytes of all bodies that a run may fetch, decoded, and of all that it may send",
        example: "268435456",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(256 << 20),
        form: Form::Number {
            min: 0,
            max: 1 << 50,
            unit: Unit::Bytes,
            at: Integer::U64(at!(network.max_fetch_size)),
        },
    }
    MAX_CONNECTIONS = "MCP_CONDUCTOR_MAX_CONNECTIONS" {
        meaning: "Concurrent requests of a run",
        example: "32",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(32),
        form: Form::Number {
            min: 1,
            max: 10_000,
            unit: Unit::One,
            at: Integer::Usize(at!(network.max_connections)),
        },
    }
}
