//! The tools that this server has beside `run_deno_code`.

use rmcp::model::{Tool, ToolAnnotations};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;

use super::coercion::{Argument, Arguments, Kind};
use super::discovery::{GetTools, NoArguments, SearchTools};
use super::packages::DescribePackage;
use super::tool::schema;
use crate::playbooks::NewPlaybook;

pub(super) const LIST_MCP_SERVERS: &str = "list_mcp_servers";
pub(super) const GET_TOOLS: &str = "get_tools";
pub(super) const SEARCH_TOOLS: &str = "search_tools";
pub(super) const DESCRIBE_PACKAGE: &str = "describe_package";
pub(super) const HEALTH: &str = "health";
pub(super) const LIST_PLAYBOOKS: &str = "list_playbooks";
pub(super) const GET_PLAYBOOK: &str = "get_playbook";
pub(super) const CREATE_PLAYBOOK: &str = "create_playbook";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetPlaybook {
    /// The playbook's folder, as list_playbooks shows it.
    pub folder_name: String,
}

const FOLDER: &str = "a string, the name of the playbook's folder";

impl Arguments for GetPlaybook {
    const KNOWN: &'static [Argument] = &[Argument {
        name: "folder_name",
        kind: Kind::Text,
        also: &["folder", "playbook", "playbook_name", "name"],
        expected: FOLDER,
    }];
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreatePlaybook {
    /// Name of its folder: letters, digits, hyphens and underscores.
    folder_name: String,
    /// Its name, for readers.
    name: String,
    /// What it is for, in a sentence.
    description: String,
    /// Instructions, as Markdown.
    content: String,
    /// TypeScript that programs import with importPlaybook(folder_name).
    #[serde(default)]
    #[schemars(with = "String")]
    code: Option<String>,
    /// Who wrote it.
    #[serde(default)]
    #[schemars(with = "String")]
    author: Option<String>,
    /// Its version, such as 1.0.0.
    #[serde(default)]
    #[schemars(with = "String")]
    version: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    tags: Option<Vec<String>>,
}

impl Arguments for CreatePlaybook {
    const KNOWN: &'static [Argument] = &[
        Argument { name: "folder_name", kind: Kind::Text, also: &["folder"], expected: FOLDER },
        text("name", "a string, the playbook's name"),
        text("description", "a string, a sentence"),
        text("content", "a string, instructions as Markdown"),
        text("code", "a string, TypeScript"),
        text("author", "a string"),
        Argument { kind: Kind::Words, ..text("version", "a string, such as \"1.0.0\"") },
        Argument { kind: Kind::Texts, ..text("tags", "a list of words") },
    ];
}

const fn text(name: &'static str, expected: &'static str) -> Argument {
    Argument { name, kind: Kind::Text, also: &[], expected }
}

impl From<CreatePlaybook> for NewPlaybook {
    fn from(given: CreatePlaybook) -> Self {
        Self {
            folder: given.folder_name,
            name: given.name,
            description: given.description,
            content: given.content,
            code: given.code,
            author: given.author,
            version: given.version,
            tags: given.tags.unwrap_or_default(),
        }
    }
}

fn input<T: JsonSchema>(name: &'static str, title: &str, description: &'static str) -> Tool {
    Tool::new(name, description, schema::<T>(SchemaSettings::draft2020_12())).with_title(title)
}

/// Of a tool that changes nothing but what the caller's own conversation remembers, which is no
/// environment of his: a client that asked the user at each search would be used without one.
fn reads(title: &str, open_world: bool) -> ToolAnnotations {
    ToolAnnotations::with_title(title)
        .read_only(true)
        .destructive(false)
        .idempotent(true)
        .open_world(open_world)
}

/// What there is only where packages are installed.
pub(super) fn describe_package() -> Tool {
    input::<DescribePackage>(
        DESCRIBE_PACKAGE,
        "Describe a package",
        "Show what an installed package offers to programs, before you import it: without \
         `symbol` its version, subpaths and exports, with it the declaration and documentation of \
         one. Of packages for execute_python (pypi:NAME) version, summary and modules.",
    )
    .with_annotations(reads("Describe a package", false))
}

/// In the order in which clients see them.
pub(super) fn all() -> Vec<Tool> {
    vec![
        input::<NoArguments>(
            LIST_MCP_SERVERS,
            "List MCP servers",
            "List the MCP servers whose tools programs in run_deno_code can call: name, number of \
             tools, resources and prompts, some tools with their parameters, and why a server \
             cannot be used. In a program: const s = await mcpFactory.load(\"NAME\"); await \
             s.callTool(\"TOOL\", {...}), or import * as s from 'mcp:NAME'.",
        )
        .with_annotations(reads("List MCP servers", true)),
        input::<GetTools>(
            GET_TOOLS,
            "Get tools of an MCP server",
            "Show tools of one MCP server before calling them in run_deno_code: JSON Schemas of \
             their parameters, or with format \"typescript\" declarations of the module \
             mcp:SERVER. Name the tools you need, to read less. With `conversation` they are \
             remembered as loaded.",
        )
        .with_annotations(reads("Get tools of an MCP server", true)),
        input::<SearchTools>(
            SEARCH_TOOLS,
            "Search tools",
            "Search the tools of all MCP servers by words from their names, descriptions and \
             parameters. Best matches come first. Then call them in run_deno_code: await \
             callTool(\"SERVER\", \"NAME\", {...}). With `conversation` what was loaded is \
             listed apart.",
        )
        .with_annotations(reads("Search tools", true)),
        input::<NoArguments>(
            LIST_PLAYBOOKS,
            "List playbooks",
            "List the playbooks: instructions and TypeScript for recurring tasks. Look here \
             before you write a long program.",
        )
        .with_annotations(reads("List playbooks", false)),
        input::<GetPlaybook>(
            GET_PLAYBOOK,
            "Get a playbook",
            "Show a playbook: its instructions, and its code if it has any. In a program: const p \
             = await importPlaybook(\"FOLDER\").",
        )
        .with_annotations(reads("Get a playbook", false)),
        input::<CreatePlaybook>(
            CREATE_PLAYBOOK,
            "Create a playbook",
            "Keep instructions, and code that other programs import, for a recurring task. An \
             existing folder is not overwritten.",
        )
        .with_annotations(
            ToolAnnotations::with_title("Create a playbook")
                .read_only(false)
                .destructive(false)
                .idempotent(false)
                .open_world(false),
        ),
        input::<NoArguments>(
            HEALTH,
            "Health",
            "Whether this server works: workers, runs in flight and waiting, MCP servers that are \
             connected, uptime.",
        )
        .with_annotations(reads("Health", false)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::arguments::{ExecutePython, RunDenoCode};
    use super::*;

    fn assert_known<T: Arguments + JsonSchema>() {
        let schema = schema::<T>(SchemaSettings::draft2020_12());
        let all = schema.get("properties").and_then(|all| all.as_object());
        let named: Vec<_> = all.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let known: Vec<_> = T::KNOWN.iter().map(|argument| argument.name).collect();
        assert_eq!(known, named);
        for name in T::KNOWN.iter().flat_map(|argument| argument.also) {
            let owners =
                T::KNOWN.iter().filter(|known| known.name == *name || known.also.contains(name));
            assert_eq!(owners.count(), 1, "{name}");
        }
    }

    #[test]
    fn the_arguments_of_every_tool_are_known() {
        assert_known::<RunDenoCode>();
        assert_known::<ExecutePython>();
        assert_known::<NoArguments>();
        assert_known::<GetTools>();
        assert_known::<SearchTools>();
        assert_known::<GetPlaybook>();
        assert_known::<CreatePlaybook>();
        assert_known::<DescribePackage>();
    }
}
