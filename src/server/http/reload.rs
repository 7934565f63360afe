//! SIGHUP: configuration, tokens, keys and the list of installed packages are read again.

use std::sync::Arc;

use rmcp::ServerHandler;

use super::error::HttpError;
use super::settings::{Settings, check_exposure, check_sections};
use super::state::App;
use crate::config::{Config, ConfigError};

/// Reads the configuration again, when SIGHUP arrives.
pub type Reload = Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// Takes over what can be; what cannot be used leaves everything as it was.
pub(super) async fn reload<H: ServerHandler + Send + 'static>(app: &Arc<App<H>>, reload: &Reload) {
    match read(app, reload).await {
        Ok(settings) => {
            let settings = Arc::new(settings);
            let old = app.set_settings(settings.clone());
            app.base.take_packages(&settings.config).await;
            // Whoever was let in by the old settings is in the list by now, or is
            // looked at again.
            app.tenants.renew(&settings);
            if !old.anonymous.is(&settings.anonymous) {
                tokio::spawn(async move { old.anonymous.upstreams().close().await });
            }
            tracing::info!("the configuration was reloaded");
        }
        Err(error) => tracing::error!("the configuration is not used: {error}"),
    }
}

async fn read<H: ServerHandler + Send + 'static>(
    app: &Arc<App<H>>,
    reload: &Reload,
) -> Result<Settings, HttpError> {
    let old = app.settings();
    let mut config = reload()?;
    for key in config.keep_fixed(&old.config) {
        tracing::warn!("{key} has changed: it takes effect after a restart");
    }
    config.validate()?;
    check_exposure(&config)?;
    let authenticator = old.authenticator.renewed(config.http()).await?;
    if authenticator.is_open() && !old.authenticator.is_open() && !config.http().unsafe_no_auth {
        return Err(HttpError::Authentication(
            "nobody would have to authenticate any more: restart the server if that is intended"
                .into(),
        ));
    }
    check_sections(&config, &authenticator)?;
    let anonymous = match config.is_same_for_programs(&old.config) {
        true => old.anonymous.clone(),
        false => app.base.with_settings(config.clone())?,
    };
    if authenticator.is_open() {
        anonymous.upstreams().connect_all();
    }
    Ok(Settings { config, authenticator, anonymous })
}
