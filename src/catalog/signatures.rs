//! Python for what a server says of its tools: how each is called, with hints of types. A model
//! reads it; nothing checks programs against it.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::dialects::{plain, plain_arguments};
use super::tool_info::{ToolInfo, resolve};
use crate::text::clip::line_of;
use crate::text::python::{is_plain_identifier, string_literal};

/// Schemas and values of one tool that are looked at, and of all tools together: as for
/// declarations.
const MAX_WORK: usize = 100_000;
const MAX_ALL_WORK: usize = 2_000_000;
/// Deepest hint: the objects of real tools are 3 to 6 deep.
const MAX_DEPTH: usize = 8;
/// Bytes of one tool's hints, each counted once at each of its levels.
const MAX_TEXT: usize = 64 << 10;
/// The same of a line of a list, of which there may be a hundred.
const MAX_SAMPLE_WORK: usize = 10_000;
const MAX_SAMPLE_TEXT: usize = 2 << 10;
/// Bytes of all signatures of a server: more than a model reads.
const MAX_ALL: usize = 1 << 20;
/// Values of an enumeration that are written out, and the longest of them in bytes.
const MAX_VALUES: usize = 50;
const MAX_STRING: usize = 256;
/// Characters of a tool's description, and of a parameter's.
const MAX_ABOUT: usize = 500;
const MAX_ABOUT_PARAMETER: usize = 200;

/// What the module of a server has beside its tools, so that a tool of the name is `server["name"]`
/// (`Server` in engines/python/boot/conductor/tools.py).
const OWN: [&str; 2] = ["call_tool", "list_tools"];

/// How some tools of a server are called in Python: each with a comment behind it. `all` are the
/// names of all its tools, and `servers` those of all servers.
pub(crate) fn python_signatures(
    server: &str,
    servers: &[&str],
    tools: &[&ToolInfo],
    all: &[&str],
) -> String {
    let module = format!("mcp{}", Attributes::of(servers, &[]).access(server));
    let names = Attributes::of(all, &OWN);
    let (mut text, mut work) = (String::new(), MAX_ALL_WORK);
    for tool in tools {
        if text.len() > MAX_ALL {
            text.push_str("# There are more: name the tools that you need.\n");
            break;
        }
        let place = format!("{module}{}", names.access(&tool.name));
        text.push_str(&signature(tool, &place, &mut work));
    }
    text
}

/// One tool in one line: `mcp.github.create_issue(owner: str, …) -> Any`.
pub(crate) fn python_sample(tool: &ToolInfo) -> String {
    let place = format!(
        "mcp{}{}",
        Attributes::of(&[&*tool.server], &[]).access(&tool.server),
        Attributes::of(&[&*tool.name], &OWN).access(&tool.name)
    );
    head(tool, &place, &mut MAX_SAMPLE_WORK.clone(), MAX_SAMPLE_TEXT)
}

/// Which names are attributes, and of which tool or server.
struct Attributes<'a> {
    owners: HashMap<String, &'a str>,
}

impl<'a> Attributes<'a> {
    /// Of these names, which the interpreter looks up in this order; `reserved` are others'.
    fn of(names: &[&'a str], reserved: &[&str]) -> Self {
        let mut owners: HashMap<String, &str> = HashMap::new();
        for name in names {
            owners.entry(identifier(name)).or_insert(name);
        }
        // A name itself comes before those that are written like it.
        for name in names.iter().filter(|name| owners.contains_key(**name)).collect::<Vec<_>>() {
            owners.insert((*name).to_string(), name);
        }
        owners.retain(|own, _| is_plain_identifier(own) && !reserved.contains(&own.as_str()));
        Self { owners }
    }

    /// `.create_issue`, or where that means another or nothing `["create-issue"]`.
    fn access(&self, name: &str) -> String {
        let own = identifier(name);
        match self.owners.get(&own) {
            Some(owner) if *owner == name => format!(".{own}"),
            _ => format!("[{}]", string_literal(name)),
        }
    }
}

/// A name as Python writes it: `create-issue` and `createIssue` are `create_issue`. The same as
/// `_identifier` in engines/python/boot/conductor/tools.py.
fn identifier(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut before = '_';
    for c in name.chars() {
        let c = if c == '_' || c.is_alphanumeric() { c } else { '_' };
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            words.push('_');
        }
        words.push(c);
        before = c;
    }
    words.trim_matches('_').to_lowercase()
}

fn signature(tool: &ToolInfo, place: &str, all: &mut usize) -> String {
    let mut work = MAX_WORK.min(*all);
    *all -= work;
    let mut text = head(tool, place, &mut work, MAX_TEXT);
    text.push('\n');
    let about = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
    let about = line_of(about, MAX_ABOUT);
    if !about.is_empty() {
        text.push_str(&format!("    # {about}\n"));
    }
    let properties = tool.input_schema.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        if work == 0 || text.len() > MAX_TEXT {
            break;
        }
        work -= 1;
        let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let about = line_of(about, MAX_ABOUT_PARAMETER);
        if !about.is_empty() {
            text.push_str(&format!("    # {}: {about}\n", line_of(name, MAX_ABOUT_PARAMETER)));
        }
    }
    *all += work;
    text
}

fn head(tool: &ToolInfo, place: &str, work: &mut usize, text: usize) -> String {
    let input = plain_arguments(&tool.input_schema);
    let mut hints = Hints::new(&input, *work, text);
    let parameters = hints.parameters();
    let (mut left, text) = (hints.work, hints.left);
    let mut result = ANY.to_owned();
    if let Some(schema) = &tool.output_schema {
        let root = plain(Value::Object(schema.clone()));
        let mut hints = Hints::new(&root, left, text);
        result = hints.hint(&root);
        left = hints.work;
    }
    *work = left;
    format!("{place}({parameters}) -> {result}")
}

const ANY: &str = "Any";

/// Writes the hints of one schema.
struct Hints<'a> {
    root: &'a Value,
    /// Schemas and values that may still be looked at.
    work: usize,
    /// Bytes that may still be written.
    left: usize,
    depth: usize,
    /// Targets of references whose hints are being written.
    open: Vec<&'a Value>,
}

impl<'a> Hints<'a> {
    fn new(root: &'a Value, work: usize, left: usize) -> Self {
        Self { root, work, left, depth: 0, open: vec![root] }
    }

    /// Parameters in the order in which values without a name are taken. What cannot be a
    /// parameter's name is a key of a dict.
    fn parameters(&mut self) -> String {
        let Some(schema) = self.root.as_object() else { return String::new() };
        let elsewhere = ["$ref", "anyOf", "oneOf", "allOf", "patternProperties"];
        let has_more = elsewhere.iter().any(|key| schema.contains_key(*key))
            || !matches!(schema.get("additionalProperties"), None | Some(Value::Bool(_)));
        let required = self.required(schema);
        let (mut named, mut keyed, mut is_optional, mut is_mixed) =
            (Vec::new(), Vec::new(), false, false);
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            if self.work == 0 || self.left < name.len() {
                keyed.push("...".to_owned());
                break;
            }
            self.left -= name.len();
            let is_required = required.contains(name.as_str());
            let hint = self.hint(schema);
            if !is_plain_identifier(name) {
                keyed.push(entry(name, is_required, &hint));
                continue;
            }
            is_mixed |= is_optional && is_required;
            is_optional |= !is_required;
            named.push(format!("{name}: {hint}{}", if is_required { "" } else { " = ..." }));
        }
        if is_mixed {
            named.insert(0, "*".to_owned());
        }
        if !keyed.is_empty() {
            named.push(format!("**{{{}}}", keyed.join(", ")));
        } else if has_more {
            named.push("**more".to_owned());
        }
        named.join(", ")
    }

    fn required(&mut self, schema: &'a Map<String, Value>) -> HashSet<&'a str> {
        let names = schema.get("required").and_then(Value::as_array);
        let names: HashSet<_> =
            names.into_iter().flatten().take(self.work).filter_map(Value::as_str).collect();
        self.work = self.work.saturating_sub(names.len());
        names
    }

    /// A hint, or `Any` for what is recursive, too deep or too long.
    fn hint(&mut self, schema: &'a Value) -> String {
        if self.depth == MAX_DEPTH || self.work == 0 || self.left == 0 {
            return ANY.to_owned();
        }
        self.work -= 1;
        self.depth += 1;
        let hint = schema.as_object().and_then(|map| self.keywords(map));
        self.depth -= 1;
        let hint = hint.filter(|hint| hint.len() <= self.left).unwrap_or_else(|| ANY.to_owned());
        self.left = self.left.saturating_sub(hint.len());
        hint
    }

    fn keywords(&mut self, map: &'a Map<String, Value>) -> Option<String> {
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            return self.reference(reference);
        }
        if let Some(value) = map.get("const") {
            return literal(value);
        }
        if let Some(values) = map.get("enum").and_then(Value::as_array) {
            let most = values.len().min(self.work);
            self.work -= most;
            return one_of(values.iter().take(most.min(MAX_VALUES)).map(literal));
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(branches) = map.get(key).and_then(Value::as_array) {
                let branches: Vec<_> =
                    branches.iter().map(|branch| Some(self.hint(branch))).collect();
                return one_of(branches.into_iter());
            }
        }
        match map.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            Some([one]) if !map.contains_key("type") => return Some(self.hint(one)),
            _ => {}
        }
        match map.get("type") {
            Some(Value::String(name)) => self.named(name, map),
            Some(Value::Array(names)) => {
                let names: Vec<_> = names.iter().take(7).filter_map(Value::as_str).collect();
                let hints: Vec<_> = names.into_iter().map(|name| self.named(name, map)).collect();
                one_of(hints.into_iter())
            }
            _ if map.contains_key("properties") => self.object(map),
            _ if map.contains_key("items") => self.array(map),
            _ => None,
        }
    }

    fn reference(&mut self, reference: &str) -> Option<String> {
        let target = resolve(self.root, reference)?;
        if self.open.iter().any(|open| std::ptr::eq(*open, target)) {
            return None;
        }
        self.open.push(target);
        let hint = self.hint(target);
        self.open.pop();
        Some(hint)
    }

    fn named(&mut self, name: &str, map: &'a Map<String, Value>) -> Option<String> {
        let plain = match name {
            "string" => "str",
            "integer" => "int",
            "number" => "float",
            "boolean" => "bool",
            "null" => "None",
            "array" => return self.array(map),
            "object" => return self.object(map),
            _ => return None,
        };
        Some(plain.to_owned())
    }

    fn array(&mut self, map: &'a Map<String, Value>) -> Option<String> {
        Some(match map.get("items") {
            Some(items @ Value::Object(_)) => format!("list[{}]", self.hint(items)),
            _ => "list".to_owned(),
        })
    }

    fn object(&mut self, map: &'a Map<String, Value>) -> Option<String> {
        let properties = map.get("properties").and_then(Value::as_object);
        let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
            let values = map.get("additionalProperties").filter(|schema| schema.is_object());
            let values = values.map(|schema| format!("dict[str, {}]", self.hint(schema)));
            return Some(values.unwrap_or_else(|| "dict".to_owned()));
        };
        let required = self.required(map);
        let mut entries = Vec::new();
        for (name, schema) in properties {
            if self.work == 0 || self.left < name.len() {
                entries.push("...".to_owned());
                break;
            }
            self.left -= name.len();
            let hint = self.hint(schema);
            entries.push(entry(name, required.contains(name.as_str()), &hint));
        }
        Some(format!("{{{}}}", entries.join(", ")))
    }
}

/// `"name": str`, and `"name"?: str` if it can be left out.
fn entry(name: &str, is_required: bool, hint: &str) -> String {
    format!("{}{}: {hint}", string_literal(name), if is_required { "" } else { "?" })
}

/// One of them, each once; of nothing, or with what is not known, anything.
fn one_of(hints: impl Iterator<Item = Option<String>>) -> Option<String> {
    let mut seen = HashSet::new();
    let mut parts: Vec<String> = Vec::new();
    for hint in hints {
        let hint = hint.filter(|hint| hint != ANY)?;
        if seen.insert(hint.clone()) {
            parts.push(hint);
        }
    }
    (!parts.is_empty()).then(|| parts.join(" | "))
}

fn literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) if text.len() > MAX_STRING => "str".to_owned(),
        Value::String(text) => string_literal(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        Value::Array(_) => "list".to_owned(),
        Value::Object(_) => "dict".to_owned(),
    })
}

#[cfg(test)]
#[path = "signatures_tests.rs"]
mod tests;
