//! Downloads an archive to a file. Its hash is not known to be right yet.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::AUTHORIZATION;

use super::located::Located;
use super::origin::{bare, locate, reason};
use super::progress::Progress;
use super::{Component, MAX_ARCHIVE, problem};
use crate::config::Config;
use crate::install::error::{At, InstallError};
use crate::net::tls::tls_with_roots;

/// For a connection, and between two pieces of a body.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// For all of an archive: 1 GiB at 1 MB/s, and a bit.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// Attempts where a connection breaks.
const ATTEMPTS: u32 = 3;

/// Before the second attempt, and twice as long before the third.
const PAUSE: Duration = Duration::from_secs(1);

/// Why an attempt has no archive.
enum Failure {
    /// Another attempt may have it.
    Passing(String),
    Lasting(InstallError),
}

pub(super) async fn download(
    config: &Config,
    component: &Component,
    archive: &Path,
) -> Result<(), InstallError> {
    let failed = |error: String| problem(component.name, error);
    let client = client().await.map_err(failed)?;
    let mut pause = PAUSE;
    for attempt in 1.. {
        match once(config, &client, component, archive).await {
            Ok(()) => break,
            Err(Failure::Lasting(error)) => return Err(error),
            Err(Failure::Passing(text)) if attempt == ATTEMPTS => return Err(failed(text)),
            Err(Failure::Passing(text)) => eprintln!("{text}: trying again"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Ok(())
}

async fn client() -> Result<Client, String> {
    let builder = Client::builder();
    // Tests ask this machine, whatever the environment says.
    #[cfg(test)]
    let builder = builder.no_proxy();
    builder
        .tls_backend_preconfigured(tls_with_roots().await?)
        // The archive is hashed as it is.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(IDLE_TIMEOUT)
        .read_timeout(IDLE_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .build()
        .map_err(|error| error.without_url().to_string())
}

async fn once(
    config: &Config,
    client: &Client,
    component: &Component,
    archive: &Path,
) -> Result<(), Failure> {
    let located = locate(config, client, component.origin, component.sha256).await;
    let Located { url, authorization } = located.map_err(|error| match error.may_pass {
        true => Failure::Passing(error.text),
        false => lasting(component, error.text),
    })?;
    let passing = |error: reqwest::Error| Failure::Passing(reason(&url, &error));
    let mut request = client.get(url.clone());
    if let Some(value) = authorization {
        // Not sent on to another host.
        request = request.header(AUTHORIZATION, value);
    }
    let response = request.send().await.map_err(passing)?;
    let status = response.status();
    let mut response = response.error_for_status().map_err(|error| match status {
        _ if status.is_client_error() => lasting(component, reason(&url, &error)),
        _ => Failure::Passing(reason(&url, &error)),
    })?;
    let host = url.host_str().unwrap_or_default();
    let name = component.origin.to_string();
    let mut progress = Progress::start(name, response.content_length(), host);
    let mut file = File::create(archive).at(archive).map_err(Failure::Lasting)?;
    let mut left = MAX_ARCHIVE;
    while let Some(piece) = response.chunk().await.map_err(passing)? {
        let too_large = || format!("{} has more than {MAX_ARCHIVE} bytes", bare(&url));
        let rest = left.checked_sub(piece.len() as u64);
        left = rest.ok_or_else(|| lasting(component, too_large()))?;
        file.write_all(&piece).at(archive).map_err(Failure::Lasting)?;
        progress.add(piece.len() as u64);
    }
    Ok(())
}

fn lasting(component: &Component, text: String) -> Failure {
    Failure::Lasting(problem(component.name, text))
}
