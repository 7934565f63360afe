//! TypeScript for what a server says of its tools: declarations of the module
//! `mcp:NAME`, and types of JSON Schemas (2020-12, and what older drafts and
//! OpenAPI write instead). A model reads it; nothing checks programs against it.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::dialects::{plain, plain_arguments};
use super::identifiers::{exports, string_exports};
use super::tool_info::{ToolInfo, resolve};
use crate::text::clip::{head, line_of, shortened};
use crate::text::identifiers::string_literal;
use crate::text::shown;

/// Names and values of one tool's schemas that are looked at: some ms. Only a schema
/// that refers to the same long list again and again has as many.
const MAX_WORK: usize = 100_000;
/// The same of all tools together.
const MAX_ALL_WORK: usize = 2_000_000;
/// Deepest type: the objects of real tools are 3 to 6 deep.
const MAX_DEPTH: usize = 16;
/// Text of one tool's types, in bytes; a reader that is given more than some 16 000
/// tokens for one tool has no room for the others.
const MAX_TEXT: usize = 64 * 1024;
/// What a type counts for at the least: the longest that is written for nothing,
/// `Record<string, unknown>`.
const TYPE: usize = 24;
/// Values of an enumeration that are written out; then only their types are.
const MAX_VALUES: usize = 100;
/// Longest string that is written as a value, in bytes.
const MAX_STRING: usize = 256;
/// Longest comment, in characters.
const MAX_COMMENT: usize = 4096;
/// Longest default that is shown, in bytes: a number or a word.
const MAX_DEFAULT: usize = 60;
/// How far below a property a described one is looked for.
const MAX_LOOK: usize = 4;
/// Bytes of all declarations of a server: more than a model reads.
const MAX_ALL: usize = 1 << 20;

/// Parameters in a sample, and the longest type there: it is a line of a list.
const MAX_SAMPLED: usize = 8;
const MAX_SAMPLED_TYPE: usize = 24;
/// Longest name and longest description in a sample, in characters.
const MAX_SAMPLED_NAME: usize = 64;
const MAX_SAMPLED_TEXT: usize = 120;

/// The declarations of a server's tools, each under its camelCase name; the last
/// line says under which other names the module exports them.
pub(crate) fn module_declaration(server: &str, tools: &[&ToolInfo]) -> String {
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let mut text = format!("declare module {} {{\n", string_literal(&format!("mcp:{server}")));
    let mut aliases = Vec::new();
    let mut work = MAX_ALL_WORK;
    let exported = exports(&names).into_iter().zip(string_exports(&names));
    for (tool, (mut identifiers, own)) in tools.iter().zip(exported) {
        let Some(name) = identifiers.pop() else { continue };
        if text.len() > MAX_ALL {
            text.push_str("  // There are more: name the tools that you need.\n");
            break;
        }
        text.push_str(&function(tool, &name, &mut work));
        aliases.extend(identifiers.iter().map(|other| format!("{name} as {other}")));
        aliases.extend(own.map(|own| format!("{name} as {}", string_literal(own))));
    }
    if !aliases.is_empty() {
        text.push_str(&format!("  export {{ {} }};\n", aliases.join(", ")));
    }
    text.push('}');
    text
}

/// A JSON Schema as a TypeScript type on one line. What is recursive, too deep or too
/// long becomes `unknown`.
pub(crate) fn type_of(schema: Value) -> String {
    let root = plain(schema);
    typed(&root, &root, &mut MAX_WORK.clone())
}

/// The same of a part of a plain schema, with at most so much work, of which the rest is
/// left. References are looked up in `root`.
fn typed(schema: &Value, root: &Value, work: &mut usize) -> String {
    let mut printer = Printer::new(root, schema, MAX_TEXT, *work);
    let text = printer.typed(schema, None).text();
    *work = printer.work;
    text
}

/// The types of a tool's arguments and results, each on one line, for the type checker: `None` for
/// arguments of a tool that takes none. What is left of the work is left.
pub(super) fn checked_types(tool: &ToolInfo, all: &mut usize) -> (Option<String>, String) {
    let input = plain_arguments(&tool.input_schema);
    let work = MAX_WORK.min(*all);
    *all -= work;
    let mut printer = Printer::new(&input, &input, MAX_TEXT, work);
    printer.reader = Reader::CheckerOfArguments;
    let parameters = printer.parameters_in_line(&input);
    let (left, mut work) = (printer.left, printer.work);
    let result = tool.output_schema.as_ref().map(|schema| {
        let root = plain(Value::Object(schema.clone()));
        let mut printer = Printer::new(&root, &root, left, work);
        printer.reader = Reader::CheckerOfResults;
        let text = printer.typed(&root, None).text();
        work = printer.work;
        text
    });
    *all += work;
    (parameters, result.unwrap_or_else(|| UNKNOWN.to_owned()))
}

/// A tool as a line of a list: `echo(text:string, n?:number) - Echo`.
pub(crate) fn sample(tool: &ToolInfo) -> String {
    let root = plain_arguments(&tool.input_schema);
    let mut work = MAX_WORK;
    let required = root.as_object().map(|root| required(root, MAX_WORK)).unwrap_or_default();
    let properties = root.get("properties").and_then(Value::as_object);
    let mut parameters = Vec::new();
    for (at, (name, schema)) in properties.into_iter().flatten().enumerate() {
        if at == MAX_SAMPLED {
            parameters.push("…".to_owned());
            break;
        }
        let optional = if required.contains(name.as_str()) { "" } else { "?" };
        let name = line_of(name, MAX_SAMPLED_NAME);
        parameters.push(format!("{name}{optional}:{}", short_type(schema, &root, &mut work)));
    }
    let name = line_of(&tool.name, MAX_SAMPLED_NAME);
    let sample = format!("{name}({})", parameters.join(", "));
    let described = description(tool).lines().find(|line| !line.trim().is_empty());
    match described.map(|line| line_of(line, MAX_SAMPLED_TEXT)) {
        Some(line) if !line.is_empty() => format!("{sample} - {line}"),
        _ => sample,
    }
}

fn short_type(schema: &Value, root: &Value, work: &mut usize) -> String {
    let full = typed(schema, root, work);
    if full.len() <= MAX_SAMPLED_TYPE {
        return full;
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) if kinds.len() == 2 => kinds.iter().find(|kind| *kind != "null"),
        kind => kind,
    };
    match kind.and_then(Value::as_str) {
        Some("integer" | "number") => "number".to_owned(),
        Some(kind @ ("string" | "array" | "object")) => kind.to_owned(),
        _ => "any".to_owned(),
    }
}

fn description(tool: &ToolInfo) -> &str {
    let description = tool.description.as_deref().filter(|text| !text.trim().is_empty());
    description.or(tool.title.as_deref()).unwrap_or_default()
}

fn function(tool: &ToolInfo, name: &str, all: &mut usize) -> String {
    let input = plain_arguments(&tool.input_schema);
    let mut work = MAX_WORK.min(*all);
    *all -= work;
    let mut printer = Printer::new(&input, &input, MAX_TEXT, work);
    let parameters = printer.parameters(&input);
    let left = printer.left;
    work = printer.work;
    let result = tool.output_schema.as_ref().map(|schema| {
        let root = plain(Value::Object(schema.clone()));
        let mut printer = Printer::new(&root, &root, left, work);
        let text = printer.typed(&root, None).text();
        work = printer.work;
        text
    });
    *all += work;
    let result = result.filter(|text| text != UNKNOWN).unwrap_or_else(|| "any".to_owned());
    let comment = comment(description(tool), MARGIN);
    format!("{MARGIN}{comment}export function {name}({parameters}): Promise<{result}>;\n")
}

const MARGIN: &str = "  ";
const UNKNOWN: &str = "unknown";
const ANY_OBJECT: &str = "Record<string, unknown>";

/// How strongly a type's parts hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Union,
    Intersection,
    Single,
}

struct Type {
    parts: Vec<String>,
    binding: Binding,
}

impl Type {
    fn single(text: impl Into<String>) -> Self {
        Self { parts: vec![text.into()], binding: Binding::Single }
    }

    fn unknown() -> Self {
        Self::single(UNKNOWN)
    }

    fn is_unknown(&self) -> bool {
        self.parts == [UNKNOWN]
    }

    fn text(&self) -> String {
        self.parts.join(if self.binding == Binding::Union { " | " } else { " & " })
    }

    /// Its text as a part of something that binds so strongly.
    fn within(&self, binding: Binding) -> String {
        if self.binding < binding { format!("({})", self.text()) } else { self.text() }
    }
}

/// One of them; of nothing is anything.
fn union(members: Vec<Type>) -> Type {
    if members.iter().any(Type::is_unknown) {
        return Type::unknown();
    }
    joined(members, Binding::Union)
}

/// All of them; what is not known restricts nothing.
fn intersection(members: Vec<Type>) -> Type {
    joined(
        members.into_iter().filter(|member| !member.is_unknown()).collect(),
        Binding::Intersection,
    )
}

fn joined(mut members: Vec<Type>, binding: Binding) -> Type {
    if members.len() < 2 {
        return members.pop().unwrap_or_else(Type::unknown);
    }
    let mut parts = Vec::new();
    for member in members {
        if member.binding == binding {
            parts.extend(member.parts);
        } else {
            parts.push(member.within(binding));
        }
    }
    let mut seen = HashSet::new();
    parts.retain(|part| seen.insert(part.clone()));
    let binding = if parts.len() == 1 { Binding::Single } else { binding };
    Type { parts, binding }
}

/// Writes the types of one tool.
struct Printer<'a> {
    root: &'a Value,
    /// Bytes that may still be written.
    left: usize,
    /// Names and values that may still be looked at.
    work: usize,
    depth: usize,
    /// Targets of references whose types are being written.
    open: Vec<&'a Value>,
    reader: Reader,
}

/// Who reads the types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A model, or whoever writes a program.
    Author,
    /// The type checker, of arguments, and of results.
    CheckerOfArguments,
    CheckerOfResults,
}

/// With an indentation, an object whose properties are described is written on
/// several lines, with the descriptions.
type Indent = Option<usize>;

impl<'a> Printer<'a> {
    fn new(root: &'a Value, schema: &'a Value, left: usize, work: usize) -> Self {
        Self { root, left, work, depth: 0, open: vec![schema], reader: Reader::Author }
    }

    /// How many of so many names or values are looked at.
    fn looks(&mut self, at: usize) -> usize {
        let most = self.work.min(at);
        self.work -= most;
        most
    }

    fn charge(&mut self, bytes: usize) -> bool {
        let enough = self.left >= bytes;
        self.left = self.left.saturating_sub(bytes);
        enough
    }

    /// MCP's `inputSchema` is that of an object; a tool whose schema is another, or
    /// none, can still be called with an object.
    fn parameters(&mut self, root: &'a Value) -> String {
        let Some(schema) = root.as_object() else { return String::new() };
        if takes_nothing(schema) {
            return String::new();
        }
        self.arguments(root, schema, Some(1))
    }

    /// The same without descriptions; none if there are no parameters.
    fn parameters_in_line(&mut self, root: &'a Value) -> Option<String> {
        let schema = root.as_object().filter(|schema| !takes_nothing(schema))?;
        Some(self.arguments(root, schema, None))
    }

    fn arguments(
        &mut self,
        root: &'a Value,
        schema: &'a Map<String, Value>,
        indent: Indent,
    ) -> String {
        let kind = schema.get("type").and_then(Value::as_str);
        let typed = self.typed(root, indent);
        let no_object = typed.is_unknown() || kind.is_some_and(|kind| kind != "object");
        let text = if no_object { ANY_OBJECT.to_owned() } else { typed.text() };
        let elsewhere = ["$ref", "anyOf", "oneOf", "allOf"];
        let needed = !required(schema, MAX_WORK).is_empty()
            || elsewhere.iter().any(|key| schema.contains_key(*key));
        format!("args{}: {text}", if needed { "" } else { "?" })
    }

    fn typed(&mut self, schema: &'a Value, indent: Indent) -> Type {
        if self.depth == MAX_DEPTH || self.looks(1) == 0 || !self.charge(TYPE) {
            return Type::unknown();
        }
        self.depth += 1;
        let typed = match schema {
            Value::Bool(false) => Type::single("never"),
            Value::Object(map) => self.keywords(map, indent),
            _ => Type::unknown(),
        };
        self.depth -= 1;
        typed
    }

    fn keywords(&mut self, map: &'a Map<String, Value>, indent: Indent) -> Type {
        let mut all = Vec::new();
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            all.push(self.reference(reference, indent));
        }
        all.push(match (map.get("const"), map.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => self.literal(value),
            (None, Some(values)) => self.enumeration(values),
            (None, None) => self.by_type(map, indent),
        });
        for alternatives in ["anyOf", "oneOf"] {
            if let Some(branches) = map.get(alternatives).and_then(Value::as_array) {
                all.push(union(self.each(branches, indent)));
            }
        }
        if let Some(branches) = map.get("allOf").and_then(Value::as_array) {
            all.extend(self.each(branches, indent));
        }
        intersection(all)
    }

    fn each(&mut self, schemas: &'a [Value], indent: Indent) -> Vec<Type> {
        let mut types = Vec::new();
        for schema in schemas {
            types.push(self.typed(schema, indent));
            if self.left == 0 {
                break;
            }
        }
        types
    }

    fn reference(&mut self, reference: &str, indent: Indent) -> Type {
        let Some(target) = resolve(self.root, reference) else { return Type::unknown() };
        if self.open.iter().any(|open| std::ptr::eq(*open, target)) {
            return Type::unknown();
        }
        self.open.push(target);
        let typed = self.typed(target, indent);
        self.open.pop();
        typed
    }

    fn literal(&mut self, value: &Value) -> Type {
        let text = match value {
            Value::String(text) if text.len() > MAX_STRING => return Type::single("string"),
            Value::String(text) => string_literal(text),
            Value::Array(_) | Value::Object(_) => return Type::unknown(),
            other => other.to_string(),
        };
        if self.charge(text.len()) { Type::single(text) } else { Type::unknown() }
    }

    fn enumeration(&mut self, values: &[Value]) -> Type {
        let mut members: Vec<Type> = Vec::new();
        let most = self.looks(values.len());
        for (at, value) in values.iter().take(most).enumerate() {
            let member = if at < MAX_VALUES { self.literal(value) } else { kind_of(value) };
            let kinds = members.get(MAX_VALUES..).unwrap_or_default();
            if !kinds.iter().any(|kind| kind.parts == member.parts) {
                members.push(member);
            }
            if self.left == 0 {
                break;
            }
        }
        union(members)
    }

    fn by_type(&mut self, map: &'a Map<String, Value>, indent: Indent) -> Type {
        let has = |keys: &[&str]| keys.iter().any(|key| map.contains_key(*key));
        match map.get("type") {
            Some(Value::String(name)) => self.named(name, map, indent),
            // There are seven types.
            Some(Value::Array(names)) => {
                let names = names.iter().take(7).filter_map(Value::as_str);
                let mut seen = HashSet::new();
                let names = names.filter(|name| seen.insert(*name)).collect::<Vec<_>>();
                union(names.into_iter().map(|name| self.named(name, map, indent)).collect())
            }
            None if has(&["properties", "additionalProperties", "patternProperties"]) => {
                self.object(map, indent)
            }
            None if has(&["items", "prefixItems"]) => self.array(map, indent),
            _ => Type::unknown(),
        }
    }

    fn named(&mut self, name: &str, map: &'a Map<String, Value>, indent: Indent) -> Type {
        match name {
            "integer" => Type::single("number"),
            // JSON.stringify writes a Date so.
            "string" if self.reader == Reader::CheckerOfArguments && is_moment(map) => {
                union(vec![Type::single("string"), Type::single("Date")])
            }
            "string" | "number" | "boolean" | "null" => Type::single(name),
            "array" => self.array(map, indent),
            "object" => self.object(map, indent),
            _ => Type::unknown(),
        }
    }

    /// A tuple is `prefixItems` with `items` for the rest; before 2020-12 it was
    /// `items` with `additionalItems`.
    fn array(&mut self, map: &'a Map<String, Value>, indent: Indent) -> Type {
        let items = map.get("items");
        let (first, rest) = match (map.get("prefixItems"), items) {
            (Some(Value::Array(first)), rest) => (first, rest),
            (_, Some(Value::Array(first))) => (first, map.get("additionalItems")),
            (_, Some(items)) => {
                let item = self.typed(items, indent).within(Binding::Single);
                return Type::single(format!("{item}[]"));
            }
            (_, None) => return Type::single("unknown[]"),
        };
        let mut items: Vec<String> = self.each(first, indent).iter().map(Type::text).collect();
        if let Some(rest) = rest.filter(|rest| rest.is_object()) {
            items.push(format!("...{}[]", self.typed(rest, indent).within(Binding::Single)));
        }
        Type::single(format!("[{}]", items.join(", ")))
    }

    fn object(&mut self, map: &'a Map<String, Value>, indent: Indent) -> Type {
        let properties = map.get("properties").and_then(Value::as_object);
        let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
            let closed = map.get("additionalProperties") == Some(&Value::Bool(false));
            return self
                .index(map)
                .unwrap_or_else(|| Type::single(if closed { "{}" } else { ANY_OBJECT }));
        };
        let named = map.get("required").and_then(Value::as_array).map_or(0, Vec::len);
        let required = required(map, self.looks(named));
        let mut members = self.members(properties, &required, indent);
        if self.reader != Reader::Author {
            // To `{a?: string} & Record<string, number>` nothing can be assigned.
            let is_open = map.get("additionalProperties") == Some(&Value::Bool(true));
            if (is_open || self.index(map).is_some()) && members.ends_with('}') {
                members.truncate(members.len() - 1);
                members.push_str(", [more: string]: any}");
            }
            return Type::single(members);
        }
        let members = Type::single(members);
        let index = self.index(map).filter(|index| index.text() != ANY_OBJECT);
        intersection(std::iter::once(members).chain(index).collect())
    }

    /// What properties without a name of their own are, if the schema says so.
    fn index(&mut self, map: &'a Map<String, Value>) -> Option<Type> {
        let patterns = map.get("patternProperties").and_then(Value::as_object);
        let patterns = patterns.into_iter().flat_map(|patterns| patterns.values());
        let others = map.get("additionalProperties").filter(|schema| schema.is_object());
        let mut values = Vec::new();
        for schema in patterns.chain(others) {
            values.push(self.typed(schema, None));
            if self.left == 0 {
                break;
            }
        }
        let any = !values.is_empty();
        any.then(|| Type::single(format!("Record<string, {}>", union(values).text())))
    }

    fn any_described(&mut self, properties: &Map<String, Value>, depth: usize) -> bool {
        properties.values().any(|schema| self.has_described(schema, depth, true))
    }

    /// Whether a schema is described, or one in it.
    fn has_described(&mut self, schema: &Value, depth: usize, is_property: bool) -> bool {
        if self.looks(1) == 0 {
            return false;
        }
        if is_property && property_text(schema).is_some() {
            return true;
        }
        if depth == MAX_LOOK {
            return false;
        }
        let items = schema.get("items");
        items.is_some_and(|items| self.has_described(items, depth + 1, false))
            || schema
                .get("properties")
                .and_then(Value::as_object)
                .is_some_and(|properties| self.any_described(properties, depth + 1))
    }

    fn members(
        &mut self,
        properties: &'a Map<String, Value>,
        required: &HashSet<&str>,
        indent: Indent,
    ) -> String {
        let described = indent.is_some() && self.any_described(properties, 0);
        let indent = indent.filter(|_| described).map(|indent| indent + 1);
        let margin = MARGIN.repeat(indent.unwrap_or_default());
        let mut members = Vec::new();
        for (name, schema) in properties {
            let key = Some(name).filter(|name| name.len() <= self.left && self.work > 0);
            let key = key.map(|name| property_name(name));
            let Some(key) = key.filter(|key| self.charge(key.len() + margin.len())) else {
                members.push("[more: string]: unknown".to_owned());
                break;
            };
            let text = indent.and_then(|_| property_text(schema));
            let text = text.filter(|text| self.charge(text.len() + margin.len()));
            let comment = comment(&text.unwrap_or_default(), &margin);
            let optional = if required.contains(name.as_str()) { "" } else { "?" };
            members
                .push(format!("{comment}{key}{optional}: {}", self.typed(schema, indent).text()));
        }
        match indent {
            None => format!("{{{}}}", members.join(", ")),
            Some(indent) => {
                let lines: Vec<String> =
                    members.iter().map(|member| format!("{margin}{member};\n")).collect();
                format!("{{\n{}{}}}", lines.concat(), MARGIN.repeat(indent - 1))
            }
        }
    }
}

/// Whether a string is a moment (JSON Schema 2020-12, format `date-time`).
fn is_moment(map: &Map<String, Value>) -> bool {
    map.get("format").and_then(Value::as_str) == Some("date-time")
}

/// Whether a tool has no parameters. MCP 2025-11-25 (server/tools) writes that as an
/// object without properties.
fn takes_nothing(schema: &Map<String, Value>) -> bool {
    let is_object = schema.get("type").and_then(Value::as_str) == Some("object");
    let open = ["additionalProperties", "patternProperties", "$ref", "anyOf", "oneOf", "allOf"];
    let properties = schema.get("properties").and_then(Value::as_object);
    is_object
        && properties.is_none_or(Map::is_empty)
        && open.iter().all(|key| matches!(schema.get(*key), None | Some(Value::Bool(false))))
}

fn required(schema: &Map<String, Value>, most: usize) -> HashSet<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().take(most).filter_map(Value::as_str).collect()
}

fn kind_of(value: &Value) -> Type {
    match value {
        Value::String(_) => Type::single("string"),
        Value::Number(_) => Type::single("number"),
        Value::Bool(_) => Type::single("boolean"),
        Value::Null => Type::single("null"),
        Value::Array(_) | Value::Object(_) => Type::unknown(),
    }
}

fn property_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
    if name.chars().all(is_plain)
        && !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
    {
        name.to_owned()
    } else {
        string_literal(name)
    }
}

/// A property's description and default.
fn property_text(schema: &Value) -> Option<String> {
    let description = schema.get("description").and_then(Value::as_str);
    // A character has four bytes at the most.
    let description = description.map(|text| head(text, 4 * MAX_COMMENT));
    let description = description.map(str::trim).filter(|text| !text.is_empty());
    let default = match schema.get("default") {
        Some(Value::String(text)) if text.len() <= MAX_DEFAULT => Some(string_literal(text)),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
        _ => None,
    };
    match (description, default) {
        (Some(text), None) => Some(shortened(text.to_owned(), MAX_COMMENT)),
        (Some(text), Some(default)) => {
            Some(format!("{} (default: {default})", shortened(text.to_owned(), MAX_COMMENT)))
        }
        (None, default) => default.map(|default| format!("default: {default}")),
    }
}

/// A JSDoc comment with what follows it on a new line; nothing for no text. Its end
/// is looked for after what is not visible was dropped, which could have parted it.
fn comment(text: &str, margin: &str) -> String {
    let text = shortened(text.to_owned(), MAX_COMMENT);
    let lines: Vec<String> = text
        .split(['\n', '\r', '\u{2028}', '\u{2029}'])
        .map(shown::lines)
        .map(|line| line.trim_end().replace("*/", "*\\/"))
        .filter(|line| !line.is_empty())
        .collect();
    match lines.as_slice() {
        [] => String::new(),
        [line] => format!("/** {} */\n{margin}", line.trim_start()),
        lines => {
            let body: Vec<String> =
                lines.iter().map(|line| format!("{margin} * {line}\n")).collect();
            format!("/**\n{}{margin} */\n{margin}", body.concat())
        }
    }
}

#[cfg(test)]
#[path = "declarations_tests.rs"]
mod tests;
