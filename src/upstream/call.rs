//! Calls of tools, and other questions of runs: decided, checked, then asked.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::client::CallContext;
use super::connection::{Ask, Charged};
use super::error::UpstreamError;
use super::lookup::no_tool;
use super::server::Upstream;
use super::{INTERRUPTED, Upstreams};
use crate::catalog::{Catalog, GoOn, Tool};
use crate::policy::{Denied, Permission, RunTools, allow_tool};

/// A call that was not made, or failed.
#[derive(Debug)]
pub(crate) enum CallError {
    Denied(Denied),
    Failed(UpstreamError),
}

impl From<UpstreamError> for CallError {
    fn from(error: UpstreamError) -> Self {
        Self::Failed(error)
    }
}

impl Upstreams {
    /// Calls a tool, if policy lets this run and the arguments fit.
    pub(crate) async fn call(
        &self,
        run: &RunTools,
        server: &str,
        tool: &str,
        arguments: Map<String, Value>,
        context: CallContext,
    ) -> Result<Charged, CallError> {
        let upstream = self.server(server)?;
        upstream.usable()?;
        let allowed =
            allow_tool(&upstream.provider.rules, run, server, tool).map_err(CallError::Denied)?;
        let catalog = self.catalog(&upstream).await?;
        let Some(&place) = catalog.by_name.get(allowed.tool()) else {
            return Err(self.no_tool(&upstream, run, tool).await.into());
        };
        let arguments = self.checked(&upstream, &catalog, place, arguments).await?;
        let ask = Ask::CallTool { name: allowed.tool().to_owned(), arguments };
        Ok(upstream.ask(ask, Some(context)).await?)
    }

    /// Asks for something other than a call. A run that is restricted to some tools
    /// may ask their servers only.
    pub(crate) async fn ask(
        &self,
        run: &RunTools,
        server: &str,
        ask: Ask,
        context: Option<CallContext>,
    ) -> Result<Charged, CallError> {
        let upstream = self.server(server)?;
        if !run.is_unrestricted() && self.seen(&upstream, run).await?.is_empty() {
            return Err(CallError::Denied(
                allow_tool(&upstream.provider.rules, run, server, "").err().unwrap_or_else(|| {
                    Denied::never(
                        Permission::Tool,
                        Some(server.to_owned()),
                        "this call's allowedTools include none of its tools",
                    )
                }),
            ));
        }
        Ok(upstream.ask(ask, context).await?)
    }

    /// The arguments of a call, if they are as the tool's schema says.
    async fn checked(
        &self,
        upstream: &Arc<Upstream>,
        catalog: &Arc<Catalog>,
        place: usize,
        arguments: Map<String, Value>,
    ) -> Result<Map<String, Value>, UpstreamError> {
        let mut arguments = Value::Object(arguments);
        let is_quick = catalog.tools[place].check.is_quick(&arguments);
        let (catalog, account) = (catalog.clone(), upstream.checks.clone());
        let checking = move || {
            let Tool { info, check, .. } = &catalog.tools[place];
            check.check(info, &mut arguments, &account).map(|()| arguments)
        };
        let checked = if is_quick {
            checking()
        } else {
            self.0.work.on_thread(move |_| checking()).await.unwrap_or_else(interrupted)
        };
        match checked.map_err(UpstreamError::Invalid)? {
            Value::Object(arguments) => Ok(arguments),
            _ => unreachable!("made above"),
        }
    }

    /// The error for an unknown tool, with near names.
    async fn no_tool(&self, upstream: &Arc<Upstream>, run: &RunTools, tool: &str) -> UpstreamError {
        let seen = match self.seen(upstream, run).await {
            Ok(seen) => seen,
            Err(error) => return error,
        };
        let (server, tool) = (upstream.name.clone(), tool.to_owned());
        let near = move |_: GoOn<'_>| no_tool(&server, &tool, seen.names());
        let near = self.0.work.on_thread(near).await;
        near.unwrap_or_else(|| UpstreamError::Invalid(INTERRUPTED.to_owned()))
    }
}

fn interrupted<T>() -> Result<T, String> {
    Err(INTERRUPTED.to_owned())
}
