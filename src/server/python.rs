//! `execute_python` as clients see it, where Python is installed.

use rmcp::model::Tool;

use super::arguments::ExecutePython;
use super::tool::{described, runs_programs};
use crate::config::Config;
use crate::packages::allowed::{AllowedPackages, PypiSpecifier};

pub(super) const EXECUTE_PYTHON: &str = "execute_python";

/// Within the limits of [`super::tool`], as `run_deno_code`'s.
const DESCRIPTION: &str = "\
Run a Python 3.15 program in a sandbox and get its value back. Included: numpy, \
pandas, scipy, sklearn, statsmodels, matplotlib, PIL, lxml, openpyxl, pypdf, bs4, yaml, sympy, \
networkx{PACKAGES}; no pip. For tool calls and JSON run_deno_code starts faster.

Granted here: {GRANTS}. All else raises PermissionError, which names the missing flag: do not \
retry, tell the user. Relative paths start at WORKSPACE_DIR (open, pathlib, sqlite3); HTTP by \
urllib.request, commands by subprocess.

Value: the last statement's, if it is an expression (as in a notebook); no `return`. It becomes \
JSON: dataclass, set, date, Decimal, numpy, Series, DataFrame (records) too; keep it small ({RETURN} \
KiB): a summary. print lines come back as `output`, also on failure. Figures of matplotlib and PIL \
images come back as pictures.

Pass data with `globals`, not in the code: {\"rows\": [...]} is the variable `rows`.

Tools of other MCP servers: call_mcp_tool(\"mcp__SERVER__TOOL\", {...}) or from mcp.SERVER import \
TOOL; in parallel: await asyncio.gather(...). Find them with search_tools.

Top-level await works. Threads run one after the other. Not available: sockets, ctypes, input().

Each call is a fresh process: files are kept, and in a `conversation` session.set(key, value). \
Limits: {WALL} s wall time (`timeout` in ms, up to {MAX} s), {CPU} s CPU, {MEMORY} MiB memory.

A failed program is a normal result with status \"error\": read errorType, error and errorDetail \
(line, frame), fix the code, call again.";

/// The tool's definition.
pub(super) fn execute_python(
    config: &Config,
    grants: &[String],
    packages: &AllowedPackages,
) -> Tool {
    let description = described(DESCRIPTION, config, grants, |room| further(packages, room));
    runs_programs::<ExecutePython>(EXECUTE_PYTHON, "Run Python", description, grants)
}

/// The packages of PyPI that are allowed, as far as there is room to name them.
fn further(packages: &AllowedPackages, room: usize) -> String {
    let mut text = String::new();
    for name in packages.pypi().iter().map(PypiSpecifier::name) {
        if text.len() + name.len() + 2 > room {
            break;
        }
        text.push_str(", ");
        text.push_str(name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_within_what_clients_show() {
        let grants = ["--allow-read=/".repeat(99)];
        let tool = execute_python(&Config::default(), &grants, &AllowedPackages::default());
        let description = tool.description.unwrap();
        assert!((800..=1800).contains(&description.len()), "{} bytes", description.len());
        for of_json in ["{\"rows\": [...]}", ", {...})"] {
            assert!(description.contains(of_json));
        }
        assert_eq!(description.matches('{').count(), 2, "{description}");
    }

    #[test]
    fn every_property_of_both_schemas_is_described() {
        let tool = execute_python(&Config::default(), &[], &AllowedPackages::default());
        for schema in [tool.input_schema, tool.output_schema.unwrap()] {
            assert_eq!(schema["type"], "object");
            for (name, property) in schema["properties"].as_object().unwrap() {
                assert!(property["description"].is_string(), "{name}: {property}");
            }
        }
    }
}
