//! The settings that requests are served by, and what must hold of them.

use super::error::HttpError;
use crate::config::Config;
use crate::runtime::Runtime;
use crate::server::auth::Authenticator;

/// What SIGHUP replaces as a whole.
pub(super) struct Settings {
    pub config: Config,
    pub authenticator: Authenticator,
    /// Of callers without a name.
    pub anonymous: Runtime,
}

/// Looks for sections of the config file that nobody gets.
pub(super) fn check_sections(
    config: &Config,
    authenticator: &Authenticator,
) -> Result<(), HttpError> {
    for section in config.sections() {
        if authenticator.is_open() {
            return Err(HttpError::Authentication(format!(
                "principals.{section}: nobody authenticates, so all callers get the server's own \
                 settings; name a token file or an OAuth issuer, for example tokens = \
                 \"/etc/mcp-conductor/tokens.json\""
            )));
        }
        if section != "*" && !config.has_subject(section) && !authenticator.has_token(section) {
            tracing::warn!("principals.{section}: there is no token of this name");
        }
    }
    Ok(())
}

/// Refuses a server that anyone can reach and use.
pub(super) fn check_exposure(config: &Config) -> Result<(), HttpError> {
    let http = config.http();
    if http.bind.is_loopback() || http.has_authentication() {
        return Ok(());
    }
    if !http.unsafe_no_auth {
        return Err(HttpError::NoAuthentication(http.bind));
    }
    tracing::warn!("anyone who reaches {} can run programs here", http.bind);
    Ok(())
}
