//! What a checker is asked: the text of a program, and the declarations of what it names. Only
//! that is looked for whose name the text holds, so that thousands of tools cost nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;
use tokio::time::timeout;

use super::plan::Check;
use super::unchecked::{MAX_TEXT, Unchecked};
use crate::broker::Services;
use crate::catalog::{Mentioned, Seen, checked_module};
use crate::policy::RunTools;
use crate::protocol::ModuleScheme;
use crate::upstream::Upstream;

/// Bytes of all declarations, of four servers with a full module each.
const MAX_DECLARATIONS: usize = 1 << 20;

/// Names of tools in all: those of a checker's "did you mean".
const MAX_NAMES: usize = 20_000;

/// Modules of playbooks: a program imports one or two.
const MAX_PLAYBOOKS: usize = 16;

/// How long a program that does not run meanwhile waits for a server to be connected. One that runs
/// connects it itself.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// What is asked about a program.
pub(in crate::runtime) struct Question {
    pub source: String,
    /// Names of the globals of the call.
    pub globals: Vec<String>,
    pub tools: RunTools,
    pub check: Check,
}

/// The request, as `js/checker` reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    text: &'a str,
    /// The run itself says what cannot be parsed.
    parsed: bool,
    globals: &'a [String],
    /// Other specifiers than those in `modules` may be found by the run.
    open: bool,
    modules: Vec<Module>,
    servers: Vec<Arc<str>>,
    tools: BTreeMap<Arc<str>, Vec<String>>,
    factory: bool,
}

#[derive(Serialize)]
struct Module {
    specifier: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Arc<str>>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// A server as far as it is known here.
struct Known {
    name: Arc<str>,
    /// None of one that is not connected.
    seen: Option<Seen>,
}

impl Question {
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Whether the program does not run meanwhile.
    pub(super) fn may_wait(&self) -> bool {
        match self.check {
            Check::Off | Check::Warn => false,
            Check::Error | Check::Only => true,
        }
    }

    /// The request as JSON.
    pub(super) async fn json(&self, services: &Services) -> Result<String, Unchecked> {
        if self.source.len() > MAX_TEXT {
            return Err(Unchecked::TooLong(self.source.len()));
        }
        let text = Mentioned::of(&self.source);
        let (servers, known) = self.servers(services, &text).await;
        let playbooks = services.playbooks.clone();
        let (source, globals) = (self.source.clone(), self.globals.clone());
        let (parsed, factory) = (self.check != Check::Only, services.upstreams.is_configured());
        let open = !services.policy.packages().is_empty() || names_files(&source);
        let made = services.upstreams.on_thread(move |go_on| {
            let (mut modules, tools) = modules(&known, &text, go_on);
            for folder in folders(&source) {
                let module = playbooks.code(&folder).ok();
                modules.extend(module.map(|code| playbook(&folder, code)));
            }
            let request = Request {
                text: &source,
                parsed,
                globals: &globals,
                open,
                modules,
                servers,
                tools,
                factory,
            };
            serde_json::to_string(&request)
        });
        let made = made.await.map_err(Unchecked::Failed)?;
        made.map_err(|error| Unchecked::Failed(error.to_string()))
    }

    /// The names of all servers that the run reaches, and what is known of those that the text
    /// names.
    async fn servers(&self, services: &Services, text: &Mentioned) -> (Vec<Arc<str>>, Vec<Known>) {
        let all = services.upstreams.servers();
        let reached: Vec<_> =
            all.iter().filter(|server| self.tools.reaches(&server.name)).collect();
        // By their whole names any tool may be called.
        let by_name = text.has("callMCPTool");
        let looked_at = reached.iter().filter_map(|server| {
            let is_named = text.has(&server.name);
            (by_name || is_named).then(|| async move {
                let seen = self.seen(services, server, is_named).await;
                Known { name: server.name.clone(), seen }
            })
        });
        // All at once: what does not answer is waited for once.
        let known = join_all(looked_at).await;
        (reached.iter().map(|server| server.name.clone()).collect(), known)
    }

    /// What is known of a server. One that the text names is connected, if the program waits
    /// for its check: nothing else would say so if its tools have changed.
    async fn seen(
        &self,
        services: &Services,
        server: &Arc<Upstream>,
        is_named: bool,
    ) -> Option<Seen> {
        let upstreams = &services.upstreams;
        let connects = is_named && self.may_wait();
        if server.state().catalog.is_some() && (server.is_connected() || !connects) {
            return upstreams.seen_of_known(server, &self.tools).await.ok();
        }
        if !connects {
            return None;
        }
        let connected = timeout(CONNECT_PATIENCE, upstreams.seen(server, &self.tools)).await;
        connected.ok()?.ok()
    }
}

/// The modules of the servers, and the names of their tools.
fn modules(
    known: &[Known],
    text: &Mentioned,
    go_on: &(dyn Fn() -> bool + Sync),
) -> (Vec<Module>, BTreeMap<Arc<str>, Vec<String>>) {
    let (mut modules, mut tools) = (Vec::new(), BTreeMap::new());
    let (mut bytes, mut names) = (0, 0);
    for Known { name, seen } in known {
        let mut module = Module {
            specifier: format!("{}:{name}", ModuleScheme::Mcp.name()),
            server: Some(name.clone()),
            kind: "any",
            text: None,
        };
        if let Some(seen) = seen.as_ref().filter(|_| go_on() && bytes < MAX_DECLARATIONS) {
            let infos: Vec<_> = seen.tools().map(|tool| &tool.info).collect();
            let declared = checked_module(&infos, text);
            bytes += declared.len();
            names += infos.len();
            (module.kind, module.text) = ("dts", Some(declared));
            if names <= MAX_NAMES {
                tools.insert(name.clone(), seen.names().map(str::to_owned).collect());
            }
        }
        modules.push(module);
    }
    (modules, tools)
}

fn playbook(folder: &str, code: String) -> Module {
    let specifier = format!("{}:{folder}", ModuleScheme::Playbook.name());
    let text = (code.len() <= MAX_TEXT).then_some(code);
    let kind = if text.is_some() { "ts" } else { "any" };
    Module { specifier, server: None, kind, text }
}

/// The folders of playbooks that a text imports from.
fn folders(source: &str) -> Vec<String> {
    const SCHEME: &str = "playbook:";
    let mut folders: Vec<String> = Vec::new();
    for (at, _) in source.match_indices(SCHEME) {
        let rest = &source[at + SCHEME.len()..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let folder = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        let is_new = !folder.is_empty() && !folders.iter().any(|known| known == folder);
        if is_new && folders.len() < MAX_PLAYBOOKS {
            folders.push(folder.to_owned());
        }
    }
    folders
}

/// Whether a text has a string that may be the specifier of a file: `./lib.ts`, but not
/// `./mcp/shop.ts`.
fn names_files(source: &str) -> bool {
    const QUOTES: [char; 3] = ['"', '\'', '`'];
    const FILES: [&str; 4] = ["./", "../", "/", "file:"];
    source.match_indices(QUOTES).any(|(at, _)| {
        let rest = &source[at + 1..];
        FILES.iter().any(|start| rest.starts_with(start)) && !rest.starts_with("./mcp/")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_playbooks_of_a_text_are_each_named_once() {
        let source = "import 'playbook:a-b'; await import(`playbook:c`); 'playbook:a-b'; playbook:";
        assert_eq!(folders(source), ["a-b", "c"]);
        let many: String = (0..99).map(|at| format!("'playbook:p{at}'")).collect();
        assert_eq!(folders(&many).len(), MAX_PLAYBOOKS);
    }

    #[test]
    fn a_text_with_specifiers_of_files_may_import_what_is_not_known_here() {
        for source in ["import './lib.ts'", "import('../a.ts')", "`/srv/a.ts`", "'file:///a'"] {
            assert!(names_files(source), "{source}");
        }
        for source in ["import 'lodash'", "import './mcp/shop.ts'", "a / b", "// it's"] {
            assert!(!names_files(source), "{source}");
        }
    }
}
