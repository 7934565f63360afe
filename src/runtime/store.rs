//! The store of a server, from its settings. Nothing is opened before it is used.

use std::path::PathBuf;
use std::sync::Arc;

use mcp_conductor_store::{Limits, Place, RedisAddress, RedisSettings, Settings, Store, Tls, lazy};

use super::StartError;
use crate::config::environment::STORE;
use crate::config::{Config, ConfigError};
use crate::net::tls::tls_with_roots;
use crate::policy::normalize;
use crate::shared_limits::SharedLimits;
use crate::telemetry::{Metrics, measured};

/// The store, and where it is on this machine.
///
/// # Errors
/// The password's variable is not set.
pub(super) fn of(
    config: &Config,
    metrics: &Arc<Metrics>,
) -> Result<(Arc<dyn Store>, Option<PathBuf>), StartError> {
    let limits = Limits { bytes: config.store_size() };
    let (settings, directory) = match config.store() {
        Place::Directory(directory) => {
            let directory = normalize(&directory);
            (Settings::Directory(directory.clone(), limits), Some(directory))
        }
        Place::Memory => (Settings::Memory(limits), None),
        Place::Redis(address) => (Settings::Redis(redis(config, *address)?), None),
    };
    let kind = settings.kind();
    Ok((measured(lazy(settings), kind, metrics.clone()), directory))
}

/// What holds limits over all replicas, if the store is one that they share.
pub(super) fn limits(
    config: &Config,
    store: &Arc<dyn Store>,
    metrics: &Arc<Metrics>,
) -> Option<SharedLimits> {
    match config.store() {
        Place::Redis(_) => SharedLimits::new(store.clone(), metrics.clone()),
        Place::Directory(_) | Place::Memory => None,
    }
}

/// Whether what is stored outlives the server, or is another's: vectors are in its memory anyway.
pub(super) fn outlives_the_server(config: &Config) -> bool {
    match config.store() {
        Place::Directory(_) | Place::Redis(_) => true,
        Place::Memory => false,
    }
}

/// The variable that has the password of the store.
pub(super) fn variable(config: &Config) -> Option<String> {
    match config.store() {
        Place::Redis(address) => address.password_variable().map(str::to_owned),
        Place::Directory(_) | Place::Memory => None,
    }
}

fn redis(config: &Config, address: RedisAddress) -> Result<RedisSettings, StartError> {
    let password = match address.password_variable() {
        None => None,
        Some(variable) => Some(config.environment().remove(variable).ok_or_else(|| {
            let problem = format!("the variable {variable}, which it names, is not set");
            ConfigError::variable(STORE, problem, "redis://redis.example:6379/0")
        })?),
    };
    let tls: Tls = Arc::new(|| Box::pin(tls_with_roots()));
    Ok(RedisSettings { address, password, tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(url: &str, variables: &[(&str, &str)]) -> Config {
        let config = Config::default().with_store(url).unwrap();
        config.with_environment(variables.iter().copied())
    }

    #[test]
    fn a_password_that_is_not_set_stops_the_start() {
        let config = with("redis://:env:REDIS_PASSWORD@h", &[]);
        let message = of(&config, &Arc::new(Metrics::new())).unwrap_err().to_string();
        assert!(message.starts_with("MCP_CONDUCTOR_STORE: "), "{message}");
        assert!(message.contains("REDIS_PASSWORD"), "{message}");
        let config = with("redis://:env:REDIS_PASSWORD@h", &[("REDIS_PASSWORD", "s3cret")]);
        let (store, directory) = of(&config, &Arc::new(Metrics::new())).unwrap();
        assert_eq!(directory, None);
        assert!(!format!("{store:?}").contains("s3cret"));
        assert_eq!(variable(&config).as_deref(), Some("REDIS_PASSWORD"));
    }

    #[test]
    fn a_store_that_nobody_uses_makes_no_file() {
        let directory = std::env::temp_dir().join(format!("store-of-{}", std::process::id()));
        let config = Config::default().with_store(&directory.to_string_lossy()).unwrap();
        let (_store, kept) = of(&config, &Arc::new(Metrics::new())).unwrap();
        assert_eq!(kept.as_deref(), Some(directory.as_path()));
        assert!(!directory.exists());
    }
}
