//! The file that lists the servers: read when the server starts, and again whenever it
//! changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Upstreams;
use super::server::Upstream;
use crate::config::servers::ServersFile;

/// How often the configuration file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The file that lists the servers.
#[derive(Debug)]
pub(crate) struct List {
    pub path: PathBuf,
    /// Files of variables that its entries may name. No program may read or write them.
    pub env_files: Vec<PathBuf>,
}

impl List {
    pub(super) fn stamps(&self) -> Vec<Option<Stamp>> {
        [&self.path].into_iter().chain(&self.env_files).map(|path| stamp(path)).collect()
    }
}

impl Upstreams {
    pub(super) fn read_file(&self) -> Result<(), String> {
        let Some(list) = &self.0.list else { return Ok(()) };
        let List { path, env_files } = list;
        let variable = |name: &str| self.0.common.environment.get(name).cloned();
        let file = ServersFile::read(path, &variable, Some(env_files))?;
        for warning in &file.warnings {
            tracing::warn!("{}: {warning}", path.display());
        }
        *self.0.variables.lock() = file.variables;
        *self.0.notes.lock() = file.notes;
        let before = self.servers();
        let kept = |name: &str, config: &Result<_, String>| {
            before.iter().find(|old| &*old.name == name && old.config == *config).cloned()
        };
        let reached = file.servers.into_iter().filter(|(name, _)| self.0.reach.reaches(name));
        let servers = reached.map(|(name, config)| {
            if let Err(reason) = &config {
                tracing::warn!(server = %name, "disabled: {reason}");
            }
            kept(&name, &config).unwrap_or_else(|| {
                // So that one server leaves something for others.
                let memory = self.0.memory.share(self.0.memory.bytes() / 4 * 3);
                Upstream::new(&name, config, self.0.common.clone(), memory)
            })
        });
        let servers = Arc::new(servers.collect::<Vec<_>>());
        *self.0.servers.write() = servers;
        // It holds servers that may not be there any more.
        self.0.index.forget();
        Ok(())
    }

    /// Reads the file again whenever it changes, until the last clone is dropped.
    pub(crate) fn watch(&self) {
        if self.0.list.is_none() {
            return;
        }
        let inner = Arc::downgrade(&self.0);
        let mut seen = self.0.read.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(inner) = inner.upgrade() else { return };
                if inner.common.groups.is_closed() {
                    return;
                }
                let now = inner.list.as_ref().map(List::stamps).unwrap_or_default();
                if now != seen {
                    seen = now;
                    Self(inner).read_again();
                }
            }
        });
    }

    fn read_again(&self) {
        let read = self.read_file();
        *self.0.problem.lock() = read.as_ref().err().cloned();
        match read {
            Ok(()) => {
                tracing::info!("the configuration of MCP servers has changed and was reloaded");
                self.connect_all();
            }
            Err(problem) => tracing::error!("the changed configuration is not used: {problem}"),
        }
    }
}

/// What changes when a file does: inode, length, time of the change.
pub(super) type Stamp = (u64, u64, SystemTime);

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.modified().ok()?))
}
