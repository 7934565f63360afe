//! The tools that show what programs can call: `list_mcp_servers`, `get_tools`,
//! `search_tools`, and `health`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::arguments::CONVERSATION;
use super::coercion::{Argument, Arguments, Kind};
use crate::catalog::{
    Found, GoOn, Seen, Tool, ToolInfo, module_declaration, python_sample, python_signatures,
};
use crate::conversations::{Conversation, NEW, Within};
use crate::runtime::{Language, Runtime, Told};
use crate::upstream::{Listed, UpstreamError, no_tool};

/// Tools that one search gives back at most.
const MAX_FOUND: usize = 100;

const DEFAULT_FOUND: usize = 10;

/// The arguments of a tool that takes none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoArguments {}

impl Arguments for NoArguments {
    const KNOWN: &'static [Argument] = &[];
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetTools {
    /// The server's name, as list_mcp_servers shows it.
    server: String,
    /// Names of the tools to show; all of the server's without it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    tools: Option<Vec<String>>,
    /// "json" for JSON Schemas (the default), "typescript" for declarations of the module mcp:SERVER,
    /// "python" for how execute_python calls them.
    #[serde(default)]
    #[schemars(with = "Format")]
    format: Option<Format>,
    /// Goes on with a conversation by its handle, "new" begins one: it remembers the tools that are shown as loaded.
    #[serde(default)]
    #[schemars(with = "String")]
    conversation: Option<String>,
}

impl Arguments for GetTools {
    const KNOWN: &'static [Argument] = &[
        Argument {
            name: "server",
            kind: Kind::Text,
            also: &["server_name", "mcp_server"],
            expected: "a string, the server's name",
        },
        Argument {
            name: "tools",
            kind: Kind::Texts,
            also: &["tool", "tool_names", "tool_name"],
            expected: "a list of tool names",
        },
        Argument {
            name: "format",
            kind: Kind::Choice(&["json", "typescript", "python"]),
            also: &["language"],
            expected: "\"json\", \"typescript\" or \"python\"",
        },
        CONVERSATION,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Typescript,
    Python,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchTools {
    /// Words to find in the tool's name, description or parameters.
    query: String,
    /// How many tools to return: 10 by default, at most 100.
    #[serde(default)]
    #[schemars(with = "u32", range(min = 1, max = 100))]
    limit: Option<u64>,
    /// "brief" for names and one line each (the default), "detailed" for signatures, "full" for schemas.
    #[serde(default)]
    #[schemars(with = "Detail")]
    detail: Option<Detail>,
    /// The language of signatures: "typescript" (the default) or "python".
    #[serde(default)]
    #[schemars(with = "Notation")]
    format: Option<Notation>,
    /// Goes on with a conversation by its handle, "new" begins one: tools that it has loaded are listed apart.
    #[serde(default)]
    #[schemars(with = "String")]
    conversation: Option<String>,
}

impl Arguments for SearchTools {
    const KNOWN: &'static [Argument] = &[
        Argument {
            name: "query",
            kind: Kind::Words,
            also: &["q", "search"],
            expected: "a string, the words to look for",
        },
        Argument {
            name: "limit",
            kind: Kind::Whole,
            also: &["max_results", "top_k"],
            expected: "an integer between 1 and 100",
        },
        Argument {
            name: "detail",
            kind: Kind::Choice(&["brief", "detailed", "full"]),
            also: &["detail_level"],
            expected: "\"brief\", \"detailed\" or \"full\"",
        },
        Argument {
            name: "format",
            kind: Kind::Choice(&["typescript", "python"]),
            also: &["language"],
            expected: "\"typescript\" or \"python\"",
        },
        CONVERSATION,
    ];
}

/// In which language a signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Notation {
    Typescript,
    Python,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Detail {
    Brief,
    Detailed,
    Full,
}

#[derive(Debug, Serialize)]
struct Servers {
    /// The configured servers that are not disabled.
    servers: Vec<Listed>,
}

/// Names, counts and samples of all servers.
pub(super) async fn list_mcp_servers(runtime: &Runtime) -> Value {
    let upstreams = runtime.upstreams();
    upstreams.settled().await;
    let servers = upstreams.servers();
    let described =
        servers.iter().map(|server| upstreams.listed(server, runtime.tools(), &|| true));
    let servers = futures::future::join_all(described).await;
    json!(Servers { servers })
}

/// Tools of one server, as schemas or as TypeScript.
pub(super) async fn get_tools(runtime: &Runtime, arguments: GetTools) -> Result<Value, String> {
    let call = Call::begin(runtime, arguments.conversation.clone()).await?;
    let within = call.within.clone();
    call.end(shown_of(runtime, arguments, within).await, "The tools are shown").await
}

async fn shown_of(runtime: &Runtime, arguments: GetTools, within: Within) -> Result<Value, String> {
    let upstreams = runtime.upstreams();
    let text = |error: UpstreamError| error.to_string();
    let upstream = upstreams.server(&arguments.server).map_err(text)?;
    let seen = upstreams.seen(&upstream, runtime.tools()).await.map_err(text)?;
    let servers: Vec<Arc<str>> = upstreams.servers().iter().map(|it| it.name.clone()).collect();
    let shown = move |_: GoOn<'_>| {
        let Shown { value, tools } = shown_tools(&arguments, &seen, &servers)?;
        if let Within::One(one) = within {
            tools.iter().for_each(|info| one.loaded(&info.qualified_name()));
        }
        Ok(value)
    };
    upstreams.on_thread(shown).await?
}

/// A call of one of these tools within a conversation, or without one.
struct Call<'a> {
    runtime: &'a Runtime,
    within: Within,
    is_new: bool,
}

impl<'a> Call<'a> {
    async fn begin(runtime: &'a Runtime, given: Option<String>) -> Result<Self, String> {
        let within = runtime.within(given.as_deref()).await;
        let within = within.map_err(|error| format!("conversation: {error}"))?;
        Ok(Self { runtime, within, is_new: given.as_deref() == Some(NEW) })
    }

    /// The result with what it says of the conversation. `made` is what was done without one
    /// where the store does not answer.
    async fn end(self, result: Result<Value, String>, made: &str) -> Result<Value, String> {
        let mut shown = match result {
            Ok(shown) => shown,
            Err(error) => {
                if let (true, Within::One(one)) = (self.is_new, &self.within) {
                    self.runtime.discard(one).await;
                }
                return Err(error);
            }
        };
        match self.within {
            Within::One(one) => {
                let Told { handle, note } = self.runtime.conclude(&one, None).await;
                if let Some(handle) = handle {
                    shown["conversation"] = handle.into();
                }
                shown["notes"] = note.into_iter().collect();
            }
            Within::Unavailable(error) => {
                shown["notes"] = json!([format!("{error}. {made} without it")]);
            }
            Within::Nothing => {}
        }
        Ok(shown)
    }
}

/// Bytes of the schemas that one call lists, beyond the first tool's: more than a model
/// reads.
const MAX_LISTED: usize = 1 << 20;

/// Names of tools that one call may list.
const MAX_WANTED: usize = 1000;

/// What is shown of a server's tools, and which these are.
struct Shown<'a> {
    value: Value,
    tools: Vec<&'a ToolInfo>,
}

fn shown_tools<'a>(
    arguments: &GetTools,
    seen: &'a Seen,
    servers: &[Arc<str>],
) -> Result<Shown<'a>, String> {
    let mut tools: Vec<&Tool> = seen.tools().collect();
    if let Some(wanted) = &arguments.tools {
        if wanted.len() > MAX_WANTED {
            return Err(format!("tools must have at most {MAX_WANTED} names"));
        }
        let known: HashSet<&str> = tools.iter().map(|tool| &*tool.info.name).collect();
        if let Some(name) = wanted.iter().find(|name| !known.contains(name.as_str())) {
            let names = tools.iter().map(|tool| tool.info.name.as_str());
            return Err(no_tool(&arguments.server, name, names).to_string());
        }
        let wanted: HashSet<&str> = wanted.iter().map(String::as_str).collect();
        tools.retain(|tool| wanted.contains(&*tool.info.name));
    }
    let mut infos: Vec<_> = tools.iter().map(|tool| &tool.info).collect();
    let value = match arguments.format.unwrap_or(Format::Json) {
        Format::Typescript => {
            json!({"declarations": module_declaration(&arguments.server, &infos)})
        }
        Format::Python => {
            let servers: Vec<&str> = servers.iter().map(|name| &**name).collect();
            let all: Vec<&str> = seen.tools().map(|tool| tool.info.name.as_str()).collect();
            let signatures = python_signatures(&arguments.server, &servers, &infos, &all);
            json!({"signatures": signatures})
        }
        Format::Json => {
            let (mut listed, mut bytes) = (Vec::new(), 0);
            for info in &infos {
                let tool = json!({
                    "name": info.name,
                    "description": info.description,
                    "inputSchema": info.input_schema,
                });
                bytes += tool.to_string().len();
                if bytes > MAX_LISTED && !listed.is_empty() {
                    break;
                }
                listed.push(tool);
            }
            let more = infos.len() - listed.len();
            infos.truncate(listed.len());
            let mut shown = json!({"tools": listed});
            if more > 0 {
                let text = format!("There are {more} more: name the tools that you need.");
                shown["more"] = text.into();
            }
            shown
        }
    };
    Ok(Shown { value, tools: infos })
}

/// The best tools of all servers for a query.
pub(super) async fn search_tools(
    runtime: &Runtime,
    arguments: SearchTools,
) -> Result<Value, String> {
    let limit = arguments.limit.map_or(DEFAULT_FOUND, |limit| limit as usize);
    if !(1..=MAX_FOUND).contains(&limit) {
        return Err(format!("limit must be between 1 and {MAX_FOUND}, not {limit}"));
    }
    let call = Call::begin(runtime, arguments.conversation.clone()).await?;
    let found = found(runtime, arguments, limit, call.within.clone()).await;
    call.end(found, "The search was made").await
}

async fn found(
    runtime: &Runtime,
    arguments: SearchTools,
    limit: usize,
    within: Within,
) -> Result<Value, String> {
    let upstreams = runtime.upstreams();
    upstreams.settled().await;
    let shown = How {
        detail: arguments.detail.unwrap_or(Detail::Brief),
        notation: arguments.format.unwrap_or(Notation::Typescript),
    };
    let (servers, run, learned) = (upstreams.clone(), runtime.tools().clone(), runtime.learned());
    let searching = move |go_on: GoOn<'_>| {
        let (query, learned) = (&arguments.query, learned.as_deref());
        match within {
            Within::One(one) => {
                let loaded = one.known().loaded;
                // As many new ones, whatever is known already.
                let found = servers.search(&run, query, limit + loaded.len(), learned, go_on);
                found_apart(&found, limit, shown, query, &one)
            }
            Within::Nothing | Within::Unavailable(_) => {
                found_tools(servers.search(&run, query, limit, learned, go_on).iter(), shown)
            }
        }
    };
    upstreams.on_thread(searching).await
}

/// What is shown of a tool that was found.
#[derive(Debug, Clone, Copy)]
struct How {
    detail: Detail,
    notation: Notation,
}

/// What a search within a conversation shows: tools that it has loaded by their names alone.
fn found_apart(
    found: &[(Found, f64)],
    limit: usize,
    how: How,
    query: &str,
    one: &Conversation,
) -> Value {
    let names: Vec<_> = found.iter().map(|(found, _)| found.info().qualified_name()).collect();
    let loaded = one.known().loaded;
    let both = found.iter().zip(&names).take(limit + loaded.len());
    let (known, new): (Vec<_>, Vec<_>) = both.partition(|(_, name)| loaded.contains(name));
    let new: Vec<_> = new.into_iter().take(limit).collect();
    let shown: Vec<String> = new.iter().map(|(_, name)| (*name).clone()).collect();
    one.found(query, &shown);
    if how.detail == Detail::Full {
        new.iter().for_each(|(_, name)| one.loaded(name));
    }
    let mut shown = found_tools(new.iter().map(|(found, _)| *found), how);
    shown["loaded"] = known.into_iter().map(|(_, name)| Value::from(name.as_str())).collect();
    shown
}

fn found_tools<'a>(found: impl Iterator<Item = &'a (Found, f64)>, how: How) -> Value {
    let How { detail, notation } = how;
    let tools = found.map(|(found, score)| {
        let info = found.info();
        let mut tool = json!({
            "server": info.server,
            "name": info.name,
            "description": info.brief(),
            // Three digits tell what ranks before what.
            "score": (score * 1e3).round() / 1e3,
        });
        if detail != Detail::Brief {
            tool["signature"] = match notation {
                Notation::Typescript => found.tool().sample().into(),
                Notation::Python => python_sample(info).into(),
            };
            tool["description"] = info.description.as_deref().unwrap_or_default().into();
        }
        if detail == Detail::Full {
            tool["inputSchema"] = info.input_schema.clone().into();
            tool["outputSchema"] = info.output_schema.clone().into();
        }
        tool
    });
    json!({"tools": tools.collect::<Vec<_>>()})
}

/// Whether everything works, for those who watch.
pub(super) fn health(runtime: &Runtime, uptime: Duration) -> Value {
    let upstreams = runtime.upstreams();
    let servers: Vec<_> = upstreams
        .servers()
        .iter()
        .map(|upstream| {
            json!({
                "name": &*upstream.name,
                "connected": upstream.is_connected(),
                "error": upstream.state().error,
            })
        })
        .collect();
    let config = runtime.config();
    let executions = runtime.executions();
    let languages = [Language::TypeScript, Language::Python].into_iter();
    let languages = languages.filter(|language| runtime.runs(*language)).map(Language::name);
    let languages: Vec<_> = languages.collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "healthy": runtime.has_zygote(),
        "version": env!("CARGO_PKG_VERSION"),
        "uptimeSeconds": uptime.as_secs(),
        "timestamp": crate::audit::timestamp(UNIX_EPOCH + now),
        "executions": {
            "active": executions.active,
            "waiting": executions.waiting,
            "maximum": executions.maximum,
        },
        "standbyWorkers": runtime.standing_by(),
        "languages": languages,
        "auditLog": config.audit_log().is_some(),
        "servers": servers,
        "configurationProblem": upstreams.problem(),
    })
}
