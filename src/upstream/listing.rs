//! Servers as a list shows them: what each is for, and how much it has.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use serde::Serialize;

use super::{Ask, Upstream, Upstreams};
use crate::catalog::{GoOn, Seen};
use crate::policy::RunTools;

/// Samples of each server in a list, as in the Deno version.
const SAMPLES: usize = 10;

/// For the counts of resources and prompts of one server.
const COUNT_TIMEOUT: Duration = Duration::from_secs(5);

/// Servers that are asked at once for one list: with lists of the largest size, 4 MiB,
/// at most 32 MiB.
const AT_ONCE: usize = 8;

/// Whether one question more may be asked of servers.
pub(crate) type MayAsk<'a> = &'a (dyn Fn() -> bool + Sync);

/// A server in a list.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    /// Its name in the configuration.
    name: String,
    /// What it is for, as the configuration or the server itself says; can be empty.
    description: String,
    /// How many tools it has.
    tools: usize,
    /// How many resources it has; nothing if it may not be asked.
    resources: Option<usize>,
    /// How many prompts it has; likewise.
    prompts: Option<usize>,
    /// Some of its tools, such as "echo(text:string, n?:number) - Echo".
    sample_tools: Vec<String>,
    /// Why it cannot be used; null if it can.
    error: Option<String>,
}

impl Listed {
    /// Whether it is known that a run can use nothing of it.
    fn is_closed(&self) -> bool {
        self.tools == 0 && self.error.is_none()
    }
}

impl Upstreams {
    /// The servers that a run may use, those with a problem too.
    pub(crate) async fn list(&self, run: &RunTools, may_ask: MayAsk<'_>) -> Vec<Listed> {
        self.settled().await;
        let servers = self.servers();
        let reached = servers.iter().filter(|server| run.reaches(&server.name));
        let listing: Vec<_> = reached.map(|server| self.listed(server, run, may_ask)).collect();
        let mut listed: Vec<_> = stream::iter(listing).buffered(AT_ONCE).collect().await;
        listed.retain(|server| run.is_unrestricted() || !server.is_closed());
        listed
    }

    /// One server as far as it is known, with the counts that it is asked for.
    pub(crate) async fn listed(
        &self,
        upstream: &Arc<Upstream>,
        run: &RunTools,
        may_ask: MayAsk<'_>,
    ) -> Listed {
        let state = upstream.state();
        let instructions = state.catalog.as_ref().and_then(|catalog| catalog.instructions.clone());
        let seen = self.seen_of_known(upstream, run).await;
        let (seen, problem) = match seen {
            Ok(seen) => (Some(seen), None),
            Err(problem) => (None, Some(problem.to_string())),
        };
        let tools = seen.as_ref().map_or(0, Seen::len);
        let configured =
            upstream.config.as_ref().ok().and_then(|config| config.description.clone());
        let error = state.error.or(problem).or_else(|| pending(upstream, tools > 0));
        let sampling = move |_: GoOn<'_>| {
            let samples = seen.iter().flat_map(Seen::tools).take(SAMPLES);
            samples.map(|tool| tool.sample().to_owned()).collect::<Vec<_>>()
        };
        Listed {
            name: upstream.name.to_string(),
            description: configured.or(instructions).unwrap_or_default(),
            tools,
            sample_tools: self.on_thread(sampling).await.unwrap_or_default(),
            resources: self.count(upstream, run, Ask::ListResources, may_ask).await,
            prompts: self.count(upstream, run, Ask::ListPrompts, may_ask).await,
            error,
        }
    }

    async fn count(
        &self,
        upstream: &Arc<Upstream>,
        run: &RunTools,
        ask: Ask,
        may_ask: MayAsk<'_>,
    ) -> Option<usize> {
        if !upstream.is_connected() {
            return Some(0);
        }
        if !may_ask() {
            return None;
        }
        let key = if matches!(ask, Ask::ListResources) { "resources" } else { "prompts" };
        let asked = self.ask(run, &upstream.name, ask, None);
        Some(match tokio::time::timeout(COUNT_TIMEOUT, asked).await {
            Ok(Ok(listed)) => listed.value[key].as_array().map_or(0, Vec::len),
            // A server without them says so with an error.
            _ => 0,
        })
    }
}

/// Why a server without an error cannot be used at the moment.
fn pending(upstream: &Upstream, is_known: bool) -> Option<String> {
    let text = if is_known {
        "the connection was closed; the next call connects again"
    } else {
        "it has not answered yet"
    };
    (!upstream.is_connected()).then(|| text.to_owned())
}
