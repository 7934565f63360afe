//! Why there is no server on HTTP.

use thiserror::Error;

use crate::config::ConfigError;
use crate::config::environment::{BIND, NO_AUTH, TOKENS};
use crate::runtime::StartError;
use crate::server::auth::AuthConfigError;

/// Why the server on HTTP does not start, or stopped.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Signal handlers could not be installed.
    #[error("signals: {0}")]
    Signals(std::io::Error),
    /// The address cannot be listened on.
    #[error("Cannot listen on {address}: {error}")]
    Bind {
        /// Address and port.
        address: std::net::SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The thread that takes connections cannot be started.
    #[error("Cannot start the thread for connections: {0}")]
    Thread(std::io::Error),
    /// Anyone who can reach the machine could run programs.
    #[error(
        "{BIND}: {0} is not loopback, and nobody has to authenticate: name a token file \
         (mcp-conductor token add NAME, {TOKENS}) or an OAuth issuer, or set \
         {NO_AUTH}=1, for example {BIND}=127.0.0.1"
    )]
    NoAuthentication(std::net::IpAddr),
    /// The settings of authentication cannot be used.
    #[error("{0}")]
    Authentication(String),
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A runtime does not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl From<AuthConfigError> for HttpError {
    fn from(error: AuthConfigError) -> Self {
        Self::Authentication(error.to_string())
    }
}
