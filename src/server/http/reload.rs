//! SIGHUP: configuration, tokens and keys are read again.

use std::sync::Arc;

use rmcp::ServerHandler;

use super::app::{App, Settings};
use super::{HttpError, Reload, check_exposure};
use crate::config::Config;

/// Takes over what can be; what cannot be used leaves everything as it was.
pub(super) async fn reload<H: ServerHandler + Send + 'static>(app: &Arc<App<H>>, reload: &Reload) {
    match read(app, reload).await {
        Ok(settings) => {
            app.tenants.renew(&settings);
            app.set_settings(settings);
            tracing::info!("the configuration was read again");
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
    for key in keep_fixed(&old.config, &mut config) {
        tracing::warn!("{key} has changed: it is used after a restart");
    }
    config.validate()?;
    check_exposure(&config)?;
    let authenticator = old.authenticator.renewed(config.http()).await?;
    let anonymous = match config.is_same_for_programs(&old.config) {
        true => old.anonymous.clone(),
        false => app.base.with_settings(config.clone())?,
    };
    Ok(Settings { config, authenticator, anonymous })
}

/// Puts back what the processes, the queue and the listener were made with. Returns
/// the names of what was changed.
fn keep_fixed(old: &Config, new: &mut Config) -> Vec<&'static str> {
    let mut changed = Vec::new();
    macro_rules! keep {
        ($($name:literal: $get:ident, $with:ident;)*) => {$(
            if new.$get() != old.$get() {
                changed.push($name);
                *new = new.clone().$with(old.$get());
            }
        )*};
    }
    keep! {
        "max_cpu_time": max_cpu_time, with_max_cpu_time;
        "max_memory": max_memory, with_max_memory;
        "max_return_size": max_return_size, with_max_return_size;
        "max_concurrent": max_concurrent, with_max_concurrent;
        "max_queue": max_queue, with_max_queue;
        "max_queue_wait": max_queue_wait, with_max_queue_wait;
        "standby": standby, with_standby;
        "isolate": isolate, with_isolate;
    }
    if new.audit_log() != old.audit_log() {
        changed.push("audit_log");
    }
    let mut http = new.http().clone();
    let fixed = [
        ("bind", http.bind != old.http().bind),
        ("port", http.port != old.http().port),
        ("max_clients", http.max_clients != old.http().max_clients),
        ("metrics", http.metrics != old.http().metrics),
        ("drain_timeout", http.drain_timeout != old.http().drain_timeout),
    ];
    changed.extend(fixed.into_iter().filter(|(_, is)| *is).map(|(name, _)| name));
    http.bind = old.http().bind;
    http.port = old.http().port;
    *new = new.clone().with_http(http);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_processes_were_made_with_is_kept_and_named() {
        let old = Config::default().with_max_memory(64 << 20);
        let mut new = Config::default().with_max_memory(128 << 20).with_max_tool_calls(5);
        assert_eq!(keep_fixed(&old, &mut new), ["max_memory"]);
        assert_eq!((new.max_memory(), new.max_tool_calls()), (64 << 20, 5));
    }
}
