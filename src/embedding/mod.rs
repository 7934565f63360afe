//! Vectors of texts: how near two of them are says how near the meanings of texts are. A model
//! on this machine or an endpoint makes them, in the background; they are kept by the hash of
//! their texts. It knows no tools.
//!
//! ```text
//! MCP_CONDUCTOR_SEARCH → Method → Search → Embeddings → Order → Source (model or endpoint) → Kept
//!                                                           Stored ↔ Pack ↗
//! ```

mod budget;
mod embeddings;
mod endpoint;
mod error;
pub(crate) mod installed;
mod kept;
mod method;
mod opened;
mod order;
mod pack;
mod source;
mod stored;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_conductor_model::{Expected, VOCABULARY, WEIGHTS};
use mcp_conductor_store::Store;
use reqwest::header::HeaderValue;

pub(crate) use embeddings::{Embeddings, Vectors};
pub(crate) use method::Method;
pub(crate) use order::Order;

use endpoint::Endpoint;
use source::{LazyModel, Source};
use stored::Stored;

use crate::telemetry::SearchMetrics;

/// The model that an endpoint is asked for if none is named.
pub(crate) const DEFAULT_MODEL: &str = "text-embedding-3-small";

/// What ranks tools beside their words.
#[derive(Debug, Clone)]
pub(crate) enum Search {
    Words,
    Table,
    Embeddings(Embeddings),
}

/// What ranks tools, and what is counted of that.
#[derive(Debug, Clone)]
pub(crate) struct MeasuredSearch {
    pub search: Search,
    pub metrics: SearchMetrics,
}

/// What a search is set up with.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    pub method: Method,
    /// The model that an endpoint is asked for.
    pub model: Option<&'a str>,
    /// The key of an endpoint.
    pub key: Option<&'a str>,
    pub install_dir: Option<&'a Path>,
    /// Where vectors outlive the process, and the bytes that it may hold of all things.
    pub store: Option<(Arc<dyn Store>, u64)>,
    pub metrics: SearchMetrics,
}

impl Search {
    /// What the settings say. Vectors are made on the current runtime.
    ///
    /// # Errors
    /// Why that cannot be, as a sentence that does not have the key.
    pub(crate) fn start(settings: Settings<'_>) -> Result<Self, String> {
        let source = match settings.method {
            Method::Lexical => return Ok(Self::Words),
            Method::Table => return Ok(Self::Table),
            Method::Installed => Source::Model(installed_model(settings.install_dir)?),
            Method::Directory(directory) => Source::Model(model(directory)?),
            Method::Endpoint(url) => {
                let key = settings.key.map(key).transpose()?;
                if key.is_some() && !method::is_private(&url) {
                    return Err(
                        "the key would be sent over plain http: use https, or an endpoint \
                                on this machine"
                            .to_owned(),
                    );
                }
                let model = settings.model.unwrap_or(DEFAULT_MODEL).to_owned();
                Source::Endpoint(Endpoint::new(url, model, key))
            }
        };
        let metrics = settings.metrics;
        let stored = settings.store.map(|(store, size)| Stored::new(store, size, metrics.clone()));
        Ok(Self::Embeddings(Embeddings::new(source, stored, metrics)))
    }
}

impl Search {
    /// What ranks tools, in one line, after it was tried.
    pub(crate) async fn described(&self) -> String {
        match self {
            Self::Words => "lexical: by words alone".to_owned(),
            Self::Table => "table: by words, and by the vectors that are built in".to_owned(),
            Self::Embeddings(embeddings) => {
                let source = embeddings.described();
                match embeddings.check().await {
                    Ok(numbers) => {
                        let kept = embeddings.stored().await;
                        format!("by words, and by {source}: vectors of {numbers} numbers, {kept}")
                    }
                    Err(error) => format!("by words only: {source} is not available: {error}"),
                }
            }
        }
    }
}

fn installed_model(install_dir: Option<&Path>) -> Result<LazyModel, String> {
    let directory = install_dir.and_then(installed::installed);
    let directory = directory
        .ok_or_else(|| format!("the model is not installed: {}", installed::HOW_TO_GET_IT))?;
    Ok(LazyModel::new(directory, Expected::MiniLm))
}

fn model(directory: PathBuf) -> Result<LazyModel, String> {
    match [WEIGHTS, VOCABULARY].iter().find(|file| !directory.join(file).is_file()) {
        Some(missing) => Err(format!("{} does not have {missing}", directory.display())),
        None => Ok(LazyModel::new(directory, Expected::Any)),
    }
}

fn key(key: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(&format!("Bearer {key}"));
    let mut value = value.map_err(|_| "the key is not a single line of ASCII".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
pub(crate) mod tests;
