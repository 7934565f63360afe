//! What is known of servers and their tools, as far as a run may see it.

use std::sync::Arc;

use mcp_conductor_search::Learned;

use super::error::{UpstreamError, shown};
use super::server::Upstream;
use super::{INTERRUPTED, Upstreams};
use crate::catalog::{
    Catalog, Found, GoOn, Had, Indexed, Missing, Seen, WITHIN, did_you_mean, qualified_name,
};
use crate::policy::{RunTools, is_visible};
use crate::text::near::near_names;

impl Upstreams {
    /// Server and tool of a name such as `mcp__server__tool`. Names of servers may
    /// have `__` in them.
    pub(crate) fn qualified(&self, name: &str) -> Result<(String, String), UpstreamError> {
        let invalid = || {
            UpstreamError::Invalid(format!(
                "\"{}\" is not a tool name: write mcp__server__tool",
                shown(name)
            ))
        };
        let rest = name.strip_prefix("mcp__").ok_or_else(invalid)?;
        let servers = self.servers();
        let found = servers.iter().filter_map(|server| {
            let tool = rest.strip_prefix(&*server.name)?.strip_prefix("__")?;
            Some((server.name.to_string(), tool.to_owned()))
        });
        // The longest name of a server that fits.
        if let Some(found) = found.max_by_key(|(server, _)| server.len()) {
            return Ok(found);
        }
        let (server, _) = rest.split_once("__").ok_or_else(invalid)?;
        Err(self.server(server).err().unwrap_or_else(invalid))
    }

    /// The tools of a server that a run may call, after connecting if need be.
    pub(crate) async fn seen(
        &self,
        upstream: &Arc<Upstream>,
        run: &RunTools,
    ) -> Result<Seen, UpstreamError> {
        let catalog = self.catalog(upstream).await?;
        self.seen_of(upstream, &catalog, run).await
    }

    /// The same of what is known of it.
    pub(crate) async fn seen_of_known(
        &self,
        upstream: &Arc<Upstream>,
        run: &RunTools,
    ) -> Result<Seen, UpstreamError> {
        let catalog = upstream.state().catalog.unwrap_or_default();
        self.seen_of(upstream, &catalog, run).await
    }

    async fn seen_of(
        &self,
        upstream: &Arc<Upstream>,
        catalog: &Arc<Catalog>,
        run: &RunTools,
    ) -> Result<Seen, UpstreamError> {
        if let Some(seen) = Seen::at_once(&upstream.provider, catalog, run) {
            return Ok(seen);
        }
        let (provider, catalog, run) = (upstream.provider.clone(), catalog.clone(), run.clone());
        let look = move |go_on: GoOn<'_>| Seen::look(&provider, &catalog, &run, go_on);
        let seen = self.0.work.on_thread(look).await.flatten();
        seen.ok_or_else(|| UpstreamError::Invalid(INTERRUPTED.to_owned()))
    }

    /// The tools of a server, after connecting if need be.
    pub(super) async fn catalog(
        &self,
        upstream: &Arc<Upstream>,
    ) -> Result<Arc<Catalog>, UpstreamError> {
        upstream.connect().await?;
        Ok(upstream.state().catalog.unwrap_or_default())
    }

    /// The best tools for a query, among those that the run may call; none if it was
    /// stopped. What its principal's use has taught counts too. It can take long.
    pub(crate) fn search(
        &self,
        run: &RunTools,
        query: &str,
        limit: usize,
        learned: Option<&Learned>,
        go_on: GoOn<'_>,
    ) -> Vec<(Found, f64)> {
        self.0.index.of(self.lists()).search(run, query, limit, learned, go_on)
    }

    /// One tool by its qualified name, if the run may see it.
    pub(crate) fn find(&self, run: &RunTools, qualified: &str) -> Option<Found> {
        let (server, tool) = self.qualified(qualified).ok()?;
        let upstream = self.server(&server).ok()?;
        let catalog = upstream.state().catalog?;
        let place = *catalog.by_name.get(&tool)?;
        is_visible(&upstream.provider.rules, run, &server, &tool)
            .then(|| Found::new(catalog, place))
    }

    /// One tool by its name, `mcp__server__tool` or `server/tool`, after connecting to its
    /// server if need be.
    ///
    /// # Errors
    /// The run may not see it, with names that are near.
    pub(crate) async fn named(&self, run: &RunTools, name: &str) -> Result<Found, UpstreamError> {
        let (server, tool) = match name.split_once('/') {
            Some((server, tool)) if !name.starts_with("mcp__") => {
                (server.to_owned(), tool.to_owned())
            }
            _ => self.qualified(name)?,
        };
        let upstream = self.server(&server)?;
        let seen = self.seen(&upstream, run).await?;
        if let Some(found) = self.find(run, &qualified_name(&server, &tool)) {
            return Ok(found);
        }
        let missing = move |_: GoOn<'_>| no_tool(&server, &tool, seen.names());
        let missing = self.on_thread(missing).await;
        Err(missing.unwrap_or_else(UpstreamError::Invalid))
    }

    /// The lists of all servers as they are now.
    fn lists(&self) -> Vec<Indexed> {
        let servers = self.servers();
        let lists = servers.iter().map(|server| {
            let list = server.state().catalog.unwrap_or_else(|| server.nothing());
            (server.provider.clone(), list)
        });
        lists.collect()
    }
}

impl Upstreams {
    /// ". Did you mean …", where an error says that a function is not there which may
    /// have been one of a server; else nothing.
    pub(crate) async fn near_functions(&self, run: &RunTools, had: &Had, message: &str) -> String {
        let Some(missing) = Missing::of(message) else { return String::new() };
        let looking = async {
            let (mut modules, mut objects) = (Vec::new(), Vec::new());
            for server in self.servers().iter() {
                let is_module = had.modules.contains(&server.name);
                if !is_module && !had.objects {
                    continue;
                }
                let Ok(seen) = self.seen_of_known(server, run).await else { continue };
                if is_module {
                    modules.push(seen.clone());
                }
                if had.objects {
                    objects.push(seen);
                }
            }
            self.on_thread(move |go_on| missing.hint(&modules, &objects, go_on)).await
        };
        let found = tokio::time::timeout(WITHIN, looking).await;
        found.ok().and_then(Result::ok).unwrap_or_default()
    }
}

/// The error for an unknown tool, with near names.
pub(crate) fn no_tool<'a>(
    server: &str,
    tool: &str,
    names: impl Iterator<Item = &'a str>,
) -> UpstreamError {
    UpstreamError::NoTool {
        server: server.to_owned(),
        tool: shown(tool),
        hint: did_you_mean(&near_names(tool, names)),
    }
}
