//! The JavaScript of a module `mcp:NAME`. It is run in the sandbox: what a server
//! calls its tools is text in it, and never code.

use std::collections::HashSet;
use std::fmt::Write;

use super::{ModuleError, loaded};
use crate::catalog::{ToolInfo, exports, string_exports};
use crate::policy::RunTools;
use crate::protocol::{MediaType, ModuleScheme, ModuleSource};
use crate::text::identifiers::string_literal;
use crate::upstream::{UpstreamError, Upstreams};

/// The module of a server, with the tools that the run may call. It is connected to if
/// need be.
pub(super) async fn load(
    upstreams: &Upstreams,
    run: &RunTools,
    name: &str,
) -> Result<ModuleSource, ModuleError> {
    let upstream = upstreams.server(name)?;
    let seen = upstreams.seen(&upstream, run).await?;
    let made = upstreams.on_thread(move |_| seen.module(module_source)).await;
    let source = made.map_err(UpstreamError::Invalid)?.to_string();
    Ok(loaded(ModuleScheme::Mcp, name, MediaType::JavaScript, source))
}

/// Each tool as a function under its identifiers and under its own name; all of
/// them by their own names as the default export.
fn module_source(server: &str, tools: &[&ToolInfo]) -> String {
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let server = string_literal(server);
    let mut source = String::from("import { callTool } from \"conductor:tools\";\n");
    for (at, name) in names.iter().enumerate() {
        let name = string_literal(name);
        let _ = writeln!(source, "const f{at} = async (args) => callTool({server}, {name}, args);");
    }
    let _ = writeln!(source, "export {{ {} }};", named(&names).join(", "));
    let _ = writeln!(source, "export default {{ {} }};", by_own_name(&names).join(", "));
    source
}

/// Every export name is written as a string: no name is code, whatever alphabet V8
/// takes identifiers from.
fn named(names: &[&str]) -> Vec<String> {
    let mut entries = Vec::new();
    let all = exports(names).into_iter().zip(string_exports(names));
    for (at, (identifiers, own)) in all.enumerate() {
        for name in identifiers.iter().map(String::as_str).chain(own) {
            entries.push(format!("f{at} as {}", string_literal(name)));
        }
    }
    entries
}

/// Computed keys, because `"__proto__": f` would set the prototype (ECMA-262, annex
/// B.3.1). Of two tools with one name the first keeps it.
fn by_own_name(names: &[&str]) -> Vec<String> {
    let mut seen = HashSet::new();
    let entries = names.iter().enumerate().filter(|(_, name)| seen.insert(**name));
    entries.map(|(at, name)| format!("[{}]: f{at}", string_literal(name))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Map;

    use super::*;

    fn source(server: &str, names: &[&str]) -> String {
        let tools: Vec<ToolInfo> = names
            .iter()
            .map(|name| ToolInfo {
                server: server.to_owned(),
                name: (*name).to_owned(),
                title: None,
                description: None,
                input_schema: Map::new(),
                output_schema: None,
            })
            .collect();
        module_source(server, &tools.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_module_exports_each_tool_as_a_function() {
        assert_eq!(
            source("git hub", &["get_file", "create-issue"]),
            r#"import { callTool } from "conductor:tools";
const f0 = async (args) => callTool("git hub", "get_file", args);
const f1 = async (args) => callTool("git hub", "create-issue", args);
export { f0 as "get_file", f0 as "getFile", f1 as "createIssue", f1 as "create-issue" };
export default { ["get_file"]: f0, ["create-issue"]: f1 };
"#
        );
    }

    #[test]
    fn a_server_without_tools_is_a_module_without_functions() {
        assert_eq!(
            source("empty", &[]),
            "import { callTool } from \"conductor:tools\";\nexport {  };\nexport default {  };\n"
        );
    }

    #[test]
    fn a_name_stays_within_its_literal() {
        assert_eq!(
            source("\"; x()//", &["\u{2028}\"); x(\"", "__proto__"]),
            r#"import { callTool } from "conductor:tools";
const f0 = async (args) => callTool("\"; x()//", "\u2028\"); x(\"", args);
const f1 = async (args) => callTool("\"; x()//", "__proto__", args);
export { f0 as "x", f0 as "\u2028\"); x(\"", f1 as "__proto__", f1 as "proto" };
export default { ["\u2028\"); x(\""]: f0, ["__proto__"]: f1 };
"#
        );
    }

    #[test]
    fn a_module_is_neither_a_thenable_nor_has_two_defaults() {
        let source = source("s", &["then", "default"]);
        assert!(source.contains("export { f0 as \"then_\", f1 as \"default_\" };\n"), "{source}");
    }

    proptest! {
        #[test]
        fn a_module_has_four_kinds_of_lines(names in prop::collection::vec(any::<String>(), 0..8)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let source = source("s", &names);
            prop_assert_eq!(source.lines().count(), names.len() + 3);
            let starts = ["import ", "const f", "export { ", "export default { "];
            let is_known = |line: &str| starts.iter().any(|start| line.starts_with(start));
            prop_assert!(source.lines().all(is_known));
        }
    }
}
