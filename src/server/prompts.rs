//! The prompts `execute_task` and `usage_guide`.

use rmcp::model::{JsonObject, Prompt, PromptArgument};
use serde_json::Value;

use super::packages::Available;

/// The topics of `usage_guide`, in reading order.
pub(super) const TOPICS: [&str; 6] =
    ["overview", "python", "permissions", "tools", "playbooks", "errors"];

/// What a task is to be done with, in the order of its steps.
const APPROACH: &str = r#"# How to do it

Write one program that does the whole task, and return only the answer: in TypeScript for `run_deno_code`, or, where `execute_python` is listed, in Python for tables, statistics, plots, spreadsheets and PDF. Many small calls cost more time and more tokens than one program.

1. Look first. `list_playbooks` shows code and knowledge that may already be there. `list_mcp_servers` and `search_tools` show tools of other MCP servers; `get_tools` with `format: "typescript"` gives declarations to write against.
2. Check what is granted: `PERMISSIONS` holds Deno's flags. By default a program reads and writes the workspace, and nothing else. A denial (`NotCapable`) names the missing flag: do not look for a way around it, tell the user.
3. Do independent work at once, and keep what came through:

```typescript
import * as github from "mcp:github";

const repos = ["deno", "fresh", "std"];
const results = await Promise.allSettled(
  repos.map((repo) => github.listIssues({ owner: "denoland", repo, state: "open" })),
);
const open = Object.fromEntries(
  repos.map((repo, i) => {
    const result = results[i];
    return [repo, result.status === "fulfilled" ? result.value.length : String(result.reason)];
  }),
);
return { open };
```

4. Filter, join and count in the program. Return a summary of large data and write the rest to a file of the workspace.
5. If it fails, read `errorType`, `error` and `errorDetail` (line, column, code frame), correct the program and call again.
"#;

const OVERVIEW: &str = r#"## Overview

`run_deno_code` runs a TypeScript program in a sandbox and returns its value. Only the value and what the program prints come back, so the program does the work and the data stays out of the conversation.

- **Program**: one ES module. Top-level `await` and `return` work; types are stripped, not checked.
- **Value**: a top-level `return`, else `export default`, else the last expression. Promises are awaited. It becomes JSON; `Map`, `Set`, `Date`, `BigInt` and errors stay readable.
- **Input**: pass data in `globals`, not in the code.
- **State**: each call is a fresh process. Files of the workspace are kept, nothing else.
- **Globals**: `WORKSPACE_DIR`, `PLAYBOOKS_DIR`, `ROOT_DIR`, `PERMISSIONS`, `importPlaybook`, and `mcpFactory` if other MCP servers are configured.
- **Available**: `fetch`, URL, streams, `crypto.subtle`, Intl, `Temporal`, `WebAssembly`, timers, and Deno's API for files, environment and commands, as far as it is granted.
- **Imports**: Node's built-ins (`node:fs`, also as `require("fs")`), files of the workspace that the read grant covers (`./lib.ts`; JSON, text and bytes with `{ type: "json" }`), names of its `deno.json` and `package.json`, and the packages below.
- **Packages**: {PACKAGES}
- **Not available**: other packages, remote imports, `WebSocket`, listening on ports.

Where `execute_python` is listed, programs in Python run too: topic `python` says when to use which.

Start independent work at once, with `Promise.all` or `Promise.allSettled`, and await it: what is left behind when the value is reached is soon ended, and named in `unfinished`.
"#;

const PYTHON: &str = r#"## Python

`execute_python` runs a Python program in the same sandbox. If it is not among the tools, Python is not installed here: write TypeScript.

| use | for |
|---|---|
| `execute_python` | tables, statistics, linear algebra, machine learning, plots, images, Excel, PDF, XML, symbolic mathematics |
| `run_deno_code` | calling many tools and joining their results, JSON, text, HTTP, cryptography: it starts faster and takes less memory |

- **Value**: that of the last statement, if it is an expression, as in a notebook; otherwise null. There is no top-level `return`. Top-level `await` works; a coroutine is awaited.
- **As JSON**: tuples and sets are lists, dataclasses objects, dates ISO texts, bytes base64, NaN null, integers beyond 2^53 their digits. A DataFrame is a list of records, cut with a note; a Series an object; an array a list.
- **Pictures**: figures of matplotlib that are open at the end or shown, PIL images and `display(x)` come back as images.
- **Input**: `globals` of the call are variables. `input()` raises `EOFError`.
- **Inside**: numpy, pandas, scipy, scikit-learn, statsmodels, matplotlib, seaborn, pillow, lxml, beautifulsoup4, pyyaml, openpyxl, xlsxwriter, pypdf, reportlab, sympy, networkx, jinja2, tabulate, and the standard library with sqlite3. `pip install` does not work: further packages are the administrator's choice, and an import error names them.
- **Files and network**: `open`, `pathlib`, `shutil`, `sqlite3`, `zipfile` on the workspace; `urllib.request` for granted hosts; `subprocess` for granted commands. What is denied raises `PermissionError` with the missing flag.
- **Tools**: `call_mcp_tool("mcp__github__create_issue", {...})`, or `from mcp.github import create_issue`. They work with and without `await`; in parallel with `asyncio.gather` or a `ThreadPoolExecutor`. `get_tools` with `format: "python"` shows how each is called.
- **Not available**: threads at the same time (they run one after the other), processes, sockets, ctypes, native wheels.

```python
import pandas as pd

table = pd.DataFrame(rows)  # globals: {"rows": [...]}
table.groupby("region")["amount"].agg(["sum", "mean"]).reset_index()
```
"#;

const PERMISSIONS: &str = r#"## Permissions

What a program may do is the administrator's choice. A call cannot get more, and the user is not asked.

- `PERMISSIONS` holds the grants as Deno's flags, such as `["--allow-read=/ws", "--allow-write=/ws"]`.
- By default: read and write the workspace, and nothing else. No network, no environment variables, no commands.
- What is denied throws `Deno.errors.NotCapable` (in Python `PermissionError`), in Deno's words: `Requires net access to "example.com:443", run again with the --allow-net flag`.
- `allow-net` does not open private addresses, unless it names them. A link in a file's path does not lead out of what is granted.
- Tools of other MCP servers have rules of their own; what is not allowed is not listed. `allowedTools` in a call restricts that run further.

Do not retry what was denied, and do not look for a way around it. Return what you have, and tell the user which flag is missing.

```typescript
try {
  return await Deno.readTextFile("/data/report.csv");
} catch (error) {
  if (error instanceof Deno.errors.NotCapable) return { missing: error.message };
  throw error;
}
```
"#;

const TOOLS: &str = r#"## Tools of other MCP servers

Find them with `list_mcp_servers`, `search_tools` and `get_tools` (`format: "typescript"` gives declarations, `format: "python"` calls in Python), or in a program with `mcpFactory.listServers()`, `searchTools(query, limit)`, `discoverMCPTools({ search })` and `getToolSchema("mcp__server__tool")`.

Work that takes several calls is a conversation: pass `conversation: "new"`, and then the handle of the result. It remembers which tools were found and loaded, and JSON values: `await session.set("rows", rows)`, `session.get`, `session.delete`, `session.keys`; `findTools(query)` and `loadToolSpec(name)` (in Python `find_tools`, `load_tool_spec`) search within it.

Four ways to call one; all of them do the same:

```typescript
import * as github from "mcp:github"; // functions, under their own names and in camelCase
await github.createIssue({ owner, repo, title });

const server = await mcpFactory.load("github");
await server.callTool("create_issue", { owner, repo, title });

await callTool("github", "create_issue", { owner, repo, title });
await callMCPTool("mcp__github__create_issue", { owner, repo, title });
```

- A loaded server also has `listTools`, `listResources`, `readResource`, `listPrompts` and `getPrompt`.
- A result is its structured content, else its text, parsed if it is a JSON object or list, else `{ content: [...] }` with images and other blocks. Integers beyond 2^53 are text of digits: pass them on, or use `BigInt(id)`; in code write them as `123n` or `"123"`. Content blocks can be returned from the program.
- A tool that fails throws `McpToolError` with `server`, `tool` and `message`.
- Arguments are checked against the tool's schema before the call; the error lists the expected ones.
- Calls run in parallel: start them together. `toolCalls` in the result counts them.
"#;

const PLAYBOOKS: &str = r#"## Playbooks

Knowledge and code that are kept: a folder with `playbook.md`, and perhaps `playbook.ts`.

- `list_playbooks` shows them, `get_playbook` shows one, `create_playbook` saves one. It never replaces a folder that exists.
- A program imports the code by the folder's name. That needs no grant:

```typescript
import { fetchJSON } from "playbook:http-utilities";
const { fetchWithRetry } = await importPlaybook("http-utilities");
```

- The code runs with the program's grants: `http-utilities` needs `allow-net`.
- Save a playbook when a program took several attempts, or when the user explains how something is done here. The playbook `playbook-creator` says how to write a good one.
"#;

const ERRORS: &str = r#"## Errors

A program that fails is a normal result with `status: "error"`. `error` is one sentence, `errorDetail` has line, column and a frame of your code, and `output` has what was printed before.

| `errorType` | the program | what to do |
|---|---|---|
| `syntax` | does not parse | correct the place in the frame |
| `runtime` | threw, or left a promise rejected | correct it, or catch what can happen |
| `permission` | did something that is not granted | tell the user which flag is missing |
| `timeout` | took too much time | call tools in parallel, do less, or pass a larger `timeout` |
| `cpu`, `memory` | computed or kept too much | work in pieces |
| `output`, `value` | printed or returned too much | return a summary, write the rest to a file |
| `crash` | took its process down | change what it does |
| `dependency-not-allowed` | did not run: a package of `dependencies` is not allowed | use what the error names |

An error with `isError` is another thing: the program did not run, because an argument was wrong, the queue was full or the call was cancelled.
"#;

/// The text of `execute_task`.
pub(super) fn execute_task(task: &str, requirements: Option<&str>) -> String {
    let requirements = requirements.map(str::trim).filter(|text| !text.is_empty());
    let requirements =
        requirements.map(|text| format!("**Requirements:** {text}\n\n")).unwrap_or_default();
    format!("# Task\n\n{}\n\n{requirements}{APPROACH}", task.trim())
}

/// Bytes of the packages that the guide names.
const MAX_PACKAGES: usize = 1000;

/// The text of `usage_guide`: one topic, or all of them.
pub(super) fn usage_guide(topic: Option<&str>, packages: &Available) -> String {
    let topic = topic.unwrap_or("overview").trim().to_ascii_lowercase();
    let text = match topic.as_str() {
        "all" => [OVERVIEW, PYTHON, PERMISSIONS, TOOLS, PLAYBOOKS, ERRORS].join("\n"),
        known => section(known).unwrap_or(OVERVIEW).to_owned(),
    };
    let others = format!("Topics of this guide: {}, all.", TOPICS.join(", "));
    let packages = match packages.named(MAX_PACKAGES) {
        Some(named) => format!(
            "{named}. `describe_package` shows what one exports. The administrator's version is \
             used: write `npm:zod` without one"
        ),
        None => "none are installed. An administrator allows and installs them".to_owned(),
    };
    let text = text.replace("{PACKAGES}", &packages);
    format!("# MCP Conductor\n\n{text}\n{others}\n")
}

/// A topic, also under its name in the Deno version.
fn section(topic: &str) -> Option<&'static str> {
    Some(match topic {
        "overview" | "performance" => OVERVIEW,
        "python" | "execute_python" | "languages" => PYTHON,
        "permissions" | "security" => PERMISSIONS,
        "tools" | "mcp-proxy" | "mcp" => TOOLS,
        "playbooks" => PLAYBOOKS,
        "errors" => ERRORS,
        _ => return None,
    })
}

/// The prompts as clients list them.
pub(super) fn all() -> Vec<Prompt> {
    let argument = |name: &str, description: &str, required| {
        PromptArgument::new(name).with_description(description).with_required(required)
    };
    vec![
        Prompt::new(
            EXECUTE_TASK,
            Some("Solve a task with a program"),
            Some(vec![
                argument("task", "The task", true),
                argument("requirements", "Requirements for the solution", false),
            ]),
        )
        .with_title("Execute a task"),
        Prompt::new(
            USAGE_GUIDE,
            Some("How to use this server"),
            Some(vec![argument(
                "topic",
                "One of overview, python, permissions, tools, playbooks, errors",
                false,
            )]),
        )
        .with_title("Usage guide"),
    ]
}

/// The text of a prompt.
///
/// # Errors
/// A sentence about the name or the arguments.
pub(super) fn get(
    name: &str,
    arguments: &JsonObject,
    packages: &Available,
) -> Result<String, String> {
    let argument = |key: &str| match arguments.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("The argument {key} must be a string")),
    };
    match name {
        EXECUTE_TASK => {
            let task = argument("task")?.ok_or("The argument task is required")?;
            Ok(execute_task(task, argument("requirements")?))
        }
        USAGE_GUIDE => Ok(usage_guide(argument("topic")?, packages)),
        _ => Err(format!(
            "Prompt not found: {name}. Available prompts: {EXECUTE_TASK} and {USAGE_GUIDE}"
        )),
    }
}

const EXECUTE_TASK: &str = "execute_task";
const USAGE_GUIDE: &str = "usage_guide";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_comes_first_and_its_requirements_second() {
        let text = execute_task(" Count the issues\n", Some("only open ones"));
        let start =
            "# Task\n\nCount the issues\n\n**Requirements:** only open ones\n\n# How to do it";
        assert!(text.starts_with(start), "{text}");
    }

    #[test]
    fn a_task_needs_no_requirements() {
        for requirements in [None, Some(" ")] {
            let text = execute_task("Count", requirements);
            assert!(text.starts_with("# Task\n\nCount\n\n# How to do it\n"), "{text}");
        }
    }

    #[test]
    fn every_topic_has_a_text_of_its_own() {
        for topic in TOPICS {
            let packages = Available::none();
            let guide = usage_guide(Some(topic), &packages);
            let of_all = usage_guide(Some("all"), &packages);
            let none = "none are installed. An administrator allows and installs them";
            let text = section(topic).unwrap().replace("{PACKAGES}", none);
            assert_eq!(
                guide,
                format!(
                    "# MCP Conductor\n\n{text}\nTopics of this guide: overview, python, permissions, \
                     tools, playbooks, errors, all.\n"
                )
            );
            assert!(of_all.contains(&text));
        }
    }

    #[test]
    fn without_a_known_topic_the_guide_is_the_overview() {
        let usage_guide = |topic| usage_guide(topic, &Available::many(2));
        let overview = usage_guide(Some("overview"));
        assert!(overview.contains("**Packages**: npm:p0@1.0.0, npm:p1@1.0.0. `describe_package`"));
        for topic in [None, Some("nonsense"), Some(""), Some(" Overview "), Some("performance")] {
            assert_eq!(usage_guide(topic), overview);
        }
        assert_eq!(usage_guide(Some("security")), usage_guide(Some("permissions")));
    }
}
