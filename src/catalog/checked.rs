//! Declarations of a server's tools for the type checker: a module file that a program's import
//! finds, with the tools alone whose names the program's text holds. Others cost time, and the
//! checker says nothing of what is not declared.

use super::declarations::checked_types;
use super::identifiers::{exports, string_exports};
use super::tool_info::ToolInfo;
use crate::text::identifiers::string_literal;

/// Bytes of a server's declarations: forty tools of 6 KB, more than a program calls.
const MAX_MODULE: usize = 256 << 10;

/// Names and values of all its schemas that are looked at: some 10 ms.
const MAX_WORK: usize = 200_000;

/// What is declared where nothing is known.
const ANY: &str = "any";

/// A text of which it is asked what names it holds, however they are written: `search_products`,
/// `searchProducts` and `mcp__shop__search-products` are all the same.
pub(crate) struct Mentioned(Vec<u8>);

impl Mentioned {
    /// Reads a text: its letters and digits, in lower case.
    pub(crate) fn of(text: &str) -> Self {
        Self(bare(text).into_bytes())
    }

    /// Whether the text holds a name. One without letters and digits is held by any text.
    pub(crate) fn has(&self, name: &str) -> bool {
        memchr::memmem::find(&self.0, bare(name).as_bytes()).is_some()
    }
}

fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The declarations of those of a server's tools that a text holds: each as a function under all
/// the names that its module exports, and all of them by their own names as the default export.
pub(crate) fn checked_module(tools: &[&ToolInfo], text: &Mentioned) -> String {
    let held: Vec<bool> = tools.iter().map(|tool| text.has(&tool.name)).collect();
    let mut declared = Declared { work: MAX_WORK, ..Declared::default() };
    if held.contains(&true) {
        // A tool's names are those that the whole list leaves it.
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        let exported = exports(&names).into_iter().zip(string_exports(&names));
        for ((tool, exported), held) in tools.iter().zip(exported).zip(held) {
            if held {
                declared.add(tool, exported);
            }
        }
    }
    declared.module()
}

/// What is declared so far.
#[derive(Default)]
struct Declared {
    functions: String,
    names: Vec<String>,
    aliases: Vec<String>,
    /// Of the default export.
    members: Vec<String>,
    work: usize,
}

impl Declared {
    /// Adds a tool, with its identifiers and the name of its own that is exported as a string.
    fn add(&mut self, tool: &ToolInfo, (mut identifiers, own): (Vec<String>, Option<&str>)) {
        let Some(name) = identifiers.pop() else { return };
        let function = function(&name, tool, &mut self.work);
        if self.functions.len() + function.len() > MAX_MODULE {
            return;
        }
        self.functions.push_str(&function);
        self.aliases.extend(identifiers.iter().map(|other| format!("{name} as {other}")));
        self.aliases.extend(own.map(|own| format!("{name} as {}", string_literal(own))));
        self.members.push(format!("{}: typeof {name}", string_literal(&tool.name)));
        self.names.extend(identifiers);
        self.names.push(name);
    }

    fn module(self) -> String {
        let Self { functions, names, aliases, members, .. } = self;
        let mut all = TOOLS.to_owned();
        while names.contains(&all) {
            all.push('_');
        }
        let (aliases, members) = (aliases.join(", "), members.join("; "));
        format!(
            "{functions}export {{ {aliases} }};\ndeclare const {all}: {{ {members} }};\n\
             export default {all};\n"
        )
    }
}

/// The identifier of the default export, if no tool has it.
const TOOLS: &str = "tools";

/// One function.
fn function(name: &str, tool: &ToolInfo, work: &mut usize) -> String {
    let (arguments, result) = checked_types(tool, work);
    let arguments = arguments.map(|text| with_any(&text));
    let arguments = arguments.unwrap_or_else(|| "args?: Record<string, never>".to_owned());
    format!("export function {name}({arguments}): Promise<{}>;\n", with_any(&result))
}

/// A type with `any` where nothing is known: strings and names of members stay as they are.
fn with_any(text: &str) -> String {
    const UNKNOWN: &str = "unknown";
    let mut written = String::with_capacity(text.len());
    let (mut rest, mut in_string) = (text, false);
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '\\' if in_string => length += rest[1..].chars().next().map_or(0, char::len_utf8),
            '"' => in_string = !in_string,
            _ if !in_string && is_of_name(c) => {
                length = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
                let after = rest[length..].trim_start_matches('?');
                if &rest[..length] == UNKNOWN && !after.starts_with(':') {
                    written.push_str(ANY);
                    rest = &rest[length..];
                    continue;
                }
            }
            _ => {}
        }
        written.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    written
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn tool(name: &str, input: Value, output: Option<Value>) -> ToolInfo {
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        ToolInfo {
            server: "shop".to_owned(),
            name: name.to_owned(),
            title: None,
            description: Some("Ends */ here".to_owned()),
            input_schema: object(input),
            output_schema: output.map(object),
        }
    }

    #[test]
    fn a_name_is_held_however_it_is_written() {
        let text =
            Mentioned::of("await mcp.searchProducts(); callMCPTool('mcp__git-hub__get_file')");
        for name in ["search_products", "SearchProducts", "git hub", "get-file"] {
            assert!(text.has(name), "{name}");
        }
        assert!(!text.has("delete_products"));
    }

    #[test]
    fn a_module_declares_the_tools_that_a_text_holds_by_all_their_names() {
        let input = json!({
            "type": "object",
            "properties": {"unknown": {"type": "string", "description": "x"}, "q": {}},
            "required": ["unknown"]
        });
        let (issue, other) = (tool("create-issue", input, None), tool("tools", json!({}), None));
        assert_eq!(
            checked_module(&[&issue, &other], &Mentioned::of("createIssue()")),
            "export function createIssue(args: {unknown: string, q?: any}): Promise<any>;\n\
             export { createIssue as \"create-issue\" };\n\
             declare const tools: { \"create-issue\": typeof createIssue };\n\
             export default tools;\n"
        );
        let both = checked_module(&[&issue, &other], &Mentioned::of("createIssue(tools)"));
        assert!(both.ends_with("export default tools_;\n"), "{both}");
    }

    #[test]
    fn a_module_of_no_tools_is_a_module() {
        let text = checked_module(&[&tool("a_b", json!({}), None)], &Mentioned::of("1"));
        assert_eq!(text, "export {  };\ndeclare const tools: {  };\nexport default tools;\n");
    }

    #[test]
    fn a_tool_without_parameters_takes_an_empty_object() {
        let ping = tool("ping", json!({"type": "object"}), None);
        let text = checked_module(&[&ping], &Mentioned::of("ping"));
        assert!(text.contains("ping(args?: Record<string, never>): Promise<any>"), "{text}");
    }

    #[test]
    fn a_moment_may_be_a_date_in_arguments_and_is_a_string_in_results() {
        let moment = json!({
            "type": "object",
            "properties": {"at": {"type": "string", "format": "date-time"}}
        });
        let at = tool("at", moment.clone(), Some(moment));
        let text = checked_module(&[&at], &Mentioned::of("at"));
        assert!(text.contains("(args?: {at?: string | Date}): Promise<{at?: string}>"), "{text}");
    }

    #[test]
    fn an_object_with_members_and_others_takes_any_others() {
        let open = json!({
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "additionalProperties": {"type": "number"}
        });
        let text = checked_module(&[&tool("a", open, None)], &Mentioned::of("a"));
        assert!(text.contains("(args?: {a?: string, [more: string]: any})"), "{text}");
    }

    #[test]
    fn strings_and_names_of_members_stay_as_they_are() {
        let kept = r#"{unknown: "unknown", "unknown \" x"?: "a\\" | unknowns}"#;
        assert_eq!(with_any(kept), kept);
        assert_eq!(with_any("unknown[] | Record<string, unknown>"), "any[] | Record<string, any>");
        assert_eq!(with_any("{unknown?: unknown}"), "{unknown?: any}");
    }
}
