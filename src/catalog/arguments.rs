//! Checks a call's arguments against the tool's schema before they are sent, so
//! that a program learns what is wrong without a round trip.
//!
//! It is a help and no barrier: the server checks for itself. So a schema that
//! could cost more than a call is worth is left to the server. JSON Schema has no
//! bound on that: references that meet again double what each of them costs, and a
//! reference to its own schema multiplies with the depth of the arguments.

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use super::declarations::type_of;
use super::dialects::plain_arguments;
use super::integers;
use super::tool_info::{ToolInfo, resolve};
use crate::memory::{Account, Charge};
use crate::text::clip::line_of;

/// Largest schema, in bytes of its names and texts.
const MAX_SCHEMA: usize = 256 * 1024;
/// Values of a schema with its references written out; those of real tools have 20
/// to 2000.
const MAX_STEPS: usize = 20_000;
/// Deepest schema, in levels of JSON with references written out. The check of a
/// schema against its meta-schema takes some 10 KiB of stack a level, and a thread
/// has 2 MiB.
const MAX_DEPTH: usize = 64;
/// Levels of a schema times levels of the arguments, which is how deep a check
/// recurses when the schema does: some 1 KiB of stack each.
const MAX_RECURSION: usize = 1024;
/// Deepest arguments: the depth to which serde_json reads.
const MAX_ARGUMENT_DEPTH: usize = 128;
/// Values of a schema times values of the arguments: each pair takes some 20 ns, so
/// that a check takes 0.2 s at the most.
const MAX_WORK: usize = 10_000_000;
/// The same for a check on the thread that asks for it: 0.2 ms.
const MAX_QUICK: usize = 10_000;
/// Memory of one value of a compiled schema, in bytes.
const COMPILED_VALUE: usize = 500;
/// Bytes of a text that count as one value.
const VALUE: usize = 16;
/// Patterns of a schema; one takes up to 1 MiB when it is compiled.
const MAX_PATTERNS: usize = 16;
/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 512;
/// Memory of one compiled pattern, in bytes: `^[a-z0-9-]{1,255}$` takes some 25 KB.
const MAX_COMPILED: usize = 64 * 1024;
/// Bytes of the arguments times patterns. At a byte, a pattern of 64 KB takes up to
/// 2700 steps: 0.2 s for all.
const MAX_MATCHED: usize = 64 * 1024;
/// Memory for a list of problems, in bytes. All are made before the first is seen.
const MAX_PROBLEM_MEMORY: usize = 64 * 1024 * 1024;
/// Memory of one problem, and of one value copied into it, in bytes.
const PROBLEM: usize = 300;
const COPIED_VALUE: usize = 80;
/// Problems that are shown, and the longest, in bytes.
const MAX_PROBLEMS: usize = 5;
const MAX_PROBLEM: usize = 300;
/// Longest name in a message, and the longest list of parameters, in characters.
const MAX_NAME: usize = 128;
const MAX_EXPECTED: usize = 2048;

/// The check of one tool's arguments. It is compiled for the first call: most tools
/// that are listed are never called.
pub(crate) struct ArgumentCheck {
    /// Nothing for a schema that is not used.
    cost: Option<Cost>,
    /// Nothing for a schema that is none.
    validator: OnceLock<Option<(Validator, Charge)>>,
}

impl ArgumentCheck {
    /// What is no schema checks nothing, nor does one that refers to others, or that
    /// would take too long.
    pub(crate) fn new(schema: &Map<String, Value>) -> Self {
        let is_used = |size: &Size| size.bytes <= MAX_SCHEMA;
        let size = Size::of_object(schema).filter(is_used);
        let plain = size.map(|_| plain_arguments(schema));
        Self { cost: plain.and_then(|schema| Cost::of(&schema)), validator: OnceLock::new() }
    }

    /// Whether a check takes so little that it needs no thread.
    pub(crate) fn is_quick(&self, arguments: &Value) -> bool {
        let Some(cost) = &self.cost else { return true };
        let is_compiled = self.validator.get().is_some();
        is_compiled && Size::of(arguments).is_none_or(|size| cost.work(&size) <= MAX_QUICK)
    }

    /// What is wrong with the arguments, for a model: the problems, then what the
    /// tool expects. Integers that programs have as text become what the schema wants.
    /// What is compiled is kept, as long as the account has memory for it, and made anew
    /// for each call as long as it has not.
    pub(crate) fn check(
        &self,
        tool: &ToolInfo,
        arguments: &mut Value,
        account: &Account,
    ) -> Result<(), String> {
        let Some(cost) = &self.cost else { return Ok(()) };
        let mut nothing = Value::Object(Map::new());
        let arguments = if arguments.is_null() { &mut nothing } else { arguments };
        let Some(size) = Size::of(arguments).filter(|size| cost.is_affordable(size)) else {
            return Ok(());
        };
        // The crate says that it panics where it finds itself wrong.
        let problems = catch_unwind(AssertUnwindSafe(|| {
            let made = || compile(&tool.input_schema);
            if self.validator.get().is_none()
                && let Ok(charge) = account.try_charge(cost.compiled())
            {
                self.validator.get_or_init(|| made().map(|validator| (validator, charge)));
            }
            let once;
            let validator = match self.validator.get() {
                Some(kept) => kept.as_ref().map(|(validator, _)| validator),
                None => {
                    once = made();
                    once.as_ref()
                }
            };
            validator.map(|validator| problems(validator, cost, &size, arguments))
        }));
        match problems {
            Ok(Some(problems)) if !problems.is_empty() => Err(refusal(tool, &problems)),
            _ => Ok(()),
        }
    }
}

/// In plain words, without references to elsewhere, without formats (an annotation unless a schema
/// says otherwise, 2020-12 Validation, section 7.2.1), and with patterns that take
/// linear time.
fn compile(schema: &Map<String, Value>) -> Option<Validator> {
    let patterns = PatternOptions::regex().size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED);
    jsonschema::options()
        .offline()
        .should_validate_formats(false)
        .with_pattern_options(patterns)
        .build(&plain_arguments(schema))
        .ok()
}

fn problems(validator: &Validator, cost: &Cost, size: &Size, arguments: &mut Value) -> Vec<String> {
    if validator.is_valid(arguments) {
        return Vec::new();
    }
    if !cost.can_list_problems(size) {
        return vec!["they do not match the tool's inputSchema".to_owned()];
    }
    let found: Vec<ValidationError<'_>> = validator.iter_errors(arguments).collect();
    let places = found.iter().map(|error| error.instance_path().as_str());
    if let Some(other) = integers::turned(arguments, places)
        && validator.is_valid(&other)
    {
        drop(found);
        *arguments = other;
        return Vec::new();
    }
    let mut problems: Vec<String> = found.iter().take(MAX_PROBLEMS).map(problem).collect();
    if found.len() > MAX_PROBLEMS {
        problems.push(format!("and {} more", found.len() - MAX_PROBLEMS));
    }
    problems
}

/// The crate quotes the value first and says what is wrong with it after that: a
/// long value is left out.
fn problem(error: &ValidationError<'_>) -> String {
    let path = error.instance_path().as_str();
    let place = if path.is_empty() { String::new() } else { format!("at {path}: ") };
    let quoted = Bounded::of(format_args!("{place}{error}"));
    let text = quoted.unwrap_or_else(|| {
        let masked = error.masked_with("the value");
        Bounded::of(format_args!("{place}{masked}"))
            .unwrap_or_else(|| format!("it does not match \"{}\"", error.kind().keyword()))
    });
    line_of(&text, MAX_PROBLEM)
}

fn refusal(tool: &ToolInfo, problems: &[String]) -> String {
    let expected = type_of(plain_arguments(&tool.input_schema));
    format!(
        "Invalid arguments for {}/{}: {}. Expected: {}",
        line_of(&tool.server, MAX_NAME),
        line_of(&tool.name, MAX_NAME),
        problems.join("; "),
        line_of(&expected, MAX_EXPECTED),
    )
}

/// Text that is not written further than a problem may be long.
struct Bounded(String);

impl Bounded {
    fn of(text: fmt::Arguments<'_>) -> Option<String> {
        let mut bounded = Self(String::new());
        bounded.write_fmt(text).is_ok().then_some(bounded.0)
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_PROBLEM {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// How much JSON there is.
#[derive(Default)]
struct Size {
    values: usize,
    bytes: usize,
    depth: usize,
}

impl Size {
    fn of(value: &Value) -> Option<Self> {
        let mut size = Self::default();
        size.add(value, 1)?;
        Some(size)
    }

    fn of_object(map: &Map<String, Value>) -> Option<Self> {
        let mut size = Self::default();
        size.add_object(map, 1)?;
        Some(size)
    }

    fn add(&mut self, value: &Value, depth: usize) -> Option<()> {
        if depth > MAX_ARGUMENT_DEPTH {
            return None;
        }
        self.values += 1;
        self.depth = self.depth.max(depth);
        match value {
            Value::String(text) => self.bytes += text.len(),
            Value::Array(items) => items.iter().try_for_each(|item| self.add(item, depth + 1))?,
            Value::Object(map) => self.add_object(map, depth)?,
            _ => {}
        }
        Some(())
    }

    fn add_object(&mut self, map: &Map<String, Value>, depth: usize) -> Option<()> {
        map.iter().try_for_each(|(key, value)| {
            self.bytes += key.len();
            self.add(value, depth + 1)
        })
    }
}

/// What a schema costs to check against.
#[derive(Default)]
struct Cost {
    /// Values of the schema with its references written out.
    steps: usize,
    depth: usize,
    /// References to a schema that they are in.
    loops: usize,
    patterns: usize,
    /// Whether problems hold copies of arguments: those of alternatives do.
    copies: bool,
    /// Keywords that evaluate their neighbours once more.
    unevaluated: usize,
}

impl Cost {
    fn of(root: &Value) -> Option<Self> {
        let old = root.get("$schema").and_then(Value::as_str);
        let mut walk = Walk {
            root,
            has_old_ids: old
                .is_some_and(|uri| uri.contains("draft-03") || uri.contains("draft-04")),
            cost: Self::default(),
            open: Vec::new(),
            targets: Vec::new(),
            known: HashSet::new(),
        };
        walk.start(root)?;
        // What a reference leads to is also evaluated from there, for deeper arguments.
        let mut next = 0;
        while let Some(target) = walk.targets.get(next).copied() {
            walk.start(target)?;
            next += 1;
        }
        let cost = walk.cost;
        let doubles = cost.unevaluated > 2 || cost.unevaluated > 0 && cost.loops > 0;
        (!doubles).then_some(cost)
    }

    /// Memory of a compiled schema, in bytes: a pattern has a table beside it.
    fn compiled(&self) -> usize {
        self.steps * COMPILED_VALUE + self.patterns * 2 * MAX_COMPILED
    }

    fn work(&self, size: &Size) -> usize {
        let values = size.values + size.bytes / VALUE;
        let matched = self.patterns.saturating_mul(size.bytes);
        self.steps.saturating_mul(self.loops + 1).saturating_mul(values).saturating_add(matched)
    }

    /// The crate remembers what it knows of a recursive schema and an object or a
    /// list, so that each pair is evaluated once; texts and numbers are evaluated
    /// again for each loop.
    fn is_affordable(&self, size: &Size) -> bool {
        let values = size.values + size.bytes / VALUE;
        let work = self.steps.saturating_mul(self.loops + 1).saturating_mul(values);
        let levels = if self.loops > 0 { size.depth } else { 1 };
        work <= MAX_WORK
            && self.depth * levels <= MAX_RECURSION
            && self.patterns.saturating_mul(size.bytes) <= MAX_MATCHED
    }

    /// For a list of problems nothing is remembered.
    fn can_list_problems(&self, size: &Size) -> bool {
        let levels = u32::try_from(size.depth).unwrap_or(u32::MAX);
        let repeated = if self.loops > 0 { self.loops.saturating_pow(levels) } else { 1 };
        let problems = self.steps.saturating_mul(size.values).saturating_mul(repeated);
        let copy = if self.copies { size.values * COPIED_VALUE + size.bytes } else { 0 };
        problems.saturating_mul(PROBLEM + copy) <= MAX_PROBLEM_MEMORY
    }
}

/// Goes through a schema as a check of endless arguments would. It takes every
/// value for a schema: what is none makes the cost too high, never too low.
struct Walk<'a> {
    root: &'a Value,
    /// Draft 4 calls `$id` `id`.
    has_old_ids: bool,
    cost: Cost,
    /// Targets of references that are being gone through.
    open: Vec<&'a Value>,
    targets: Vec<&'a Value>,
    known: HashSet<*const Value>,
}

impl<'a> Walk<'a> {
    fn start(&mut self, schema: &'a Value) -> Option<()> {
        self.open = vec![schema];
        self.visit(schema, 1)
    }

    fn visit(&mut self, value: &'a Value, depth: usize) -> Option<()> {
        self.cost.steps += 1;
        self.cost.depth = self.cost.depth.max(depth);
        if self.cost.steps > MAX_STEPS || depth > MAX_DEPTH {
            return None;
        }
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.visit(item, depth + 1)),
            Value::Object(map) => map.iter().try_for_each(|(key, item)| {
                self.keyword(key, item, depth)?;
                self.visit(item, depth + 1)
            }),
            _ => Some(()),
        }
    }

    fn keyword(&mut self, key: &str, value: &'a Value, depth: usize) -> Option<()> {
        match (key, value) {
            ("$ref", Value::String(reference)) => return self.reference(reference, depth),
            // These and the next lead to other schemas than `resolve` finds.
            ("$dynamicRef" | "$recursiveRef", Value::String(_)) => return None,
            ("$id" | "$schema", Value::String(_)) if depth > 1 => return None,
            ("id", Value::String(_)) if depth > 1 && self.has_old_ids => return None,
            ("pattern", Value::String(pattern)) => return self.pattern(pattern),
            ("patternProperties", Value::Object(patterns)) => {
                return patterns.keys().try_for_each(|pattern| self.pattern(pattern));
            }
            ("anyOf" | "oneOf" | "not" | "propertyNames", _) => self.cost.copies = true,
            ("unevaluatedProperties" | "unevaluatedItems", _) => self.cost.unevaluated += 1,
            _ => {}
        }
        Some(())
    }

    fn pattern(&mut self, pattern: &str) -> Option<()> {
        self.cost.patterns += 1;
        (self.cost.patterns <= MAX_PATTERNS && pattern.len() <= MAX_PATTERN).then_some(())
    }

    fn reference(&mut self, reference: &str, depth: usize) -> Option<()> {
        let target = resolve(self.root, reference)?;
        if self.known.insert(std::ptr::from_ref(target)) {
            self.targets.push(target);
        }
        if self.open.iter().any(|open| std::ptr::eq(*open, target)) {
            self.cost.loops += 1;
            return Some(());
        }
        self.open.push(target);
        self.visit(target, depth + 1)?;
        self.open.pop();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(schema: Value, mut arguments: Value) -> Result<(), String> {
        fitted(schema, &mut arguments)
    }

    fn fitted(schema: Value, arguments: &mut Value) -> Result<(), String> {
        let tool = ToolInfo {
            server: "github".to_owned(),
            name: "create_issue".to_owned(),
            title: None,
            description: None,
            input_schema: schema.as_object().cloned().unwrap_or_default(),
            output_schema: None,
        };
        let account = Account::of_server(64 << 20);
        ArgumentCheck::new(&tool.input_schema).check(&tool, arguments, &account)
    }

    fn issue() -> Value {
        json!({
            "type": "object",
            "properties": {
                "owner": {"type": "string"},
                "repo": {"type": "string"},
                "title": {"type": "string"},
                "labels": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["owner", "repo", "title"],
        })
    }

    /// A check is a help: the server checks for itself.
    #[test]
    fn what_there_is_no_memory_to_compile_is_not_checked_and_else_kept() {
        let pattern = json!({"properties": {"a": {"type": "string", "pattern": "^[a-z]{1,20}$"}}});
        let tool = ToolInfo {
            server: "up".to_owned(),
            name: "find".to_owned(),
            title: None,
            description: None,
            input_schema: pattern.as_object().cloned().unwrap(),
            output_schema: None,
        };
        let (check, wrong) = (ArgumentCheck::new(&tool.input_schema), json!({"a": "A1"}));
        assert!(!check.is_quick(&wrong));
        let full = Account::of_server(1 << 10);
        for (mut arguments, fits) in [(wrong.clone(), false), (json!({"a": "fits"}), true)] {
            assert_eq!(check.check(&tool, &mut arguments, &full).is_ok(), fits);
        }
        assert!(!check.is_quick(&wrong) && full.used() == 0, "it was not kept");
        let account = Account::of_server(1 << 20);
        assert!(check.check(&tool, &mut wrong.clone(), &account).is_err());
        assert!(check.is_quick(&wrong) && account.used() > MAX_COMPILED);
        assert!(check.check(&tool, &mut json!({"a": "fits"}), &account).is_ok());
        drop(check);
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn arguments_that_fit_are_fine() {
        assert_eq!(check(issue(), json!({"owner": "a", "repo": "b", "title": "c"})), Ok(()));
        assert_eq!(check(json!({"type": "object"}), Value::Null), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_expected() {
        assert_eq!(
            check(issue(), json!({"owner": "a", "repo": "b", "labels": 5})).unwrap_err(),
            "Invalid arguments for github/create_issue: \"title\" is a required property; \
             at /labels: 5 is not of type \"array\". \
             Expected: {owner: string, repo: string, title: string, labels?: string[]}"
        );
    }

    #[test]
    fn no_arguments_are_an_empty_object() {
        let schema = json!({"type": "object", "properties": {"q": {}}, "required": ["q"]});
        assert_eq!(
            check(schema, Value::Null).unwrap_err(),
            "Invalid arguments for github/create_issue: \"q\" is a required property. \
             Expected: {q: unknown}"
        );
    }

    #[test]
    fn an_unknown_parameter_is_named() {
        let schema =
            json!({"properties": {"a": {"type": "string"}}, "additionalProperties": false});
        assert_eq!(
            check(schema, json!({"x": 1})).unwrap_err(),
            "Invalid arguments for github/create_issue: \
             Additional properties are not allowed ('x' was unexpected). Expected: {a?: string}"
        );
    }

    #[test]
    fn a_long_value_is_not_quoted() {
        let schema = json!({"properties": {"n": {"type": "number"}}});
        assert_eq!(
            check(schema, json!({"n": "x".repeat(10_000)})).unwrap_err(),
            "Invalid arguments for github/create_issue: \
             at /n: the value is not of type \"number\". Expected: {n?: number}"
        );
    }

    #[test]
    fn at_most_five_problems_are_shown() {
        let schema = json!({"properties": {"n": {"items": {"type": "number"}}}});
        let error = check(schema, json!({"n": ["a", "b", "c", "d", "e", "f", "g"]})).unwrap_err();
        assert!(
            error.contains("at /n/4: \"e\" is not of type \"number\"; and 2 more. "),
            "{error}"
        );
    }

    #[test]
    fn what_openapi_writes_is_neither_refused_nor_misread() {
        let schema = json!({
            "type": "object",
            "properties": {
                "owner": {"type": "string", "nullable": true, "example": "me"},
                "kind": {"type": "string", "enum": ["a", "b"], "nullable": true},
                "repo": {"type": "string", "required": true, "format": "a-name"},
                "data": {"type": "any"},
                "from": {"type": "integer", "minimum": 0, "exclusiveMinimum": true},
            },
        });
        let fine = json!({"owner": null, "kind": null, "repo": "r", "data": [1], "from": 1});
        assert_eq!(check(schema.clone(), fine), Ok(()));
        for (wrong, problem) in [
            (json!({}), "\"repo\" is a required property"),
            (json!({"repo": "r", "owner": 5}), "5 is not of types"),
            (json!({"repo": "r", "kind": "c"}), "at /kind: \"c\" is not one of"),
            (json!({"repo": "r", "from": 0}), "at /from: 0 is less than or equal"),
        ] {
            let error = check(schema.clone(), wrong).unwrap_err();
            assert!(error.contains(problem), "{error}");
            assert!(error.contains("Expected: {owner?: string | null, "), "{error}");
        }
    }

    #[test]
    fn digits_that_a_program_has_as_text_are_the_integer_that_is_wanted() {
        let optional = json!({"anyOf": [{"type": "integer"}, {"type": "null"}]});
        for wanted in [json!({"type": "integer"}), json!({"type": "number"}), optional] {
            let schema = json!({"properties": {"id": wanted, "name": {"type": "string"}}});
            let name = "1915883588174806058";
            let mut arguments = json!({"id": name, "name": name});
            assert_eq!(fitted(schema, &mut arguments), Ok(()), "{wanted}");
            assert_eq!(arguments, json!({"id": 1_915_883_588_174_806_058_u64, "name": name}));
        }
        let schema = json!({"properties": {"id": {"type": "string"}}});
        let mut arguments = json!({"id": -1_915_883_588_174_806_058_i64});
        assert_eq!(fitted(schema, &mut arguments), Ok(()));
        assert_eq!(arguments, json!({"id": "-1915883588174806058"}));
    }

    #[test]
    fn other_text_is_no_integer() {
        let schema = json!({"properties": {"id": {"type": "integer"}}});
        for text in
            ["5", "1e20", "01915883588174806058", "99999999999999999999", "9007199254740991"]
        {
            let mut arguments = json!({ "id": text });
            let error = fitted(schema.clone(), &mut arguments).unwrap_err();
            assert!(error.contains(&format!("at /id: \"{text}\" is not of type")), "{error}");
            assert_eq!(arguments, json!({ "id": text }));
        }
    }

    #[test]
    fn a_tree_is_checked_to_its_leaves() {
        let tree = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#"}},
            },
            "required": ["name"],
        });
        assert_eq!(
            check(tree, json!({"name": "a", "children": [{"name": 5}]})).unwrap_err(),
            "Invalid arguments for github/create_issue: \
             at /children/0/name: 5 is not of type \"string\". \
             Expected: {name: string, children?: unknown[]}"
        );
    }

    #[test]
    fn what_cannot_be_used_as_a_schema_checks_nothing() {
        let wide: Vec<Value> = (0..MAX_STEPS).map(Value::from).collect();
        let deep = (0..MAX_DEPTH).fold(json!({}), |inner, _| json!({"not": inner}));
        for schema in [
            json!({"type": "file"}),
            json!({"type": 5}),
            json!({"required": "all"}),
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"$ref": "#/$defs/missing"}),
            json!({"$schema": "https://example.com/schema", "type": "string"}),
            json!({"properties": {"a": {"pattern": "(?=a)"}}, "type": "string"}),
            json!({"description": "x".repeat(MAX_SCHEMA), "type": "string"}),
            json!({"enum": wide, "type": "string"}),
            json!({"not": deep, "type": "string"}),
        ] {
            assert_eq!(check(schema, json!({"a": 1})), Ok(()));
        }
    }

    #[test]
    fn references_that_double_are_left_to_the_server() {
        let mut definitions = Map::new();
        for at in 0..40 {
            let next = json!({"$ref": format!("#/$defs/{}", at + 1)});
            definitions.insert(at.to_string(), json!({"allOf": [next, next]}));
        }
        definitions.insert("40".to_owned(), json!({"type": "string"}));
        let schema = json!({"$ref": "#/$defs/0", "$defs": definitions});
        assert_eq!(check(schema, json!({"a": 1})), Ok(()));
    }

    #[test]
    fn arguments_that_cost_too_much_are_left_to_the_server() {
        let numbers: Vec<usize> = std::iter::repeat_n(1, 1000).collect();
        let branches: Vec<Value> = (0..6000).map(|at| json!({ "const": at + 2 })).collect();
        let schema = json!({"properties": {"n": {"items": {"anyOf": branches}}}});
        assert_eq!(check(schema, json!({ "n": numbers })), Ok(()));
    }

    #[test]
    fn problems_that_would_fill_the_memory_are_not_listed() {
        let branches: Vec<Value> = (0..50).map(|at| json!({ "const": at })).collect();
        let schema = json!({"properties": {"n": {"anyOf": branches}}});
        let error = check(schema, json!({"n": "x".repeat(1_000_000)})).unwrap_err();
        let start = "Invalid arguments for github/create_issue: \
                     they do not match the tool's inputSchema. Expected: ";
        assert!(error.starts_with(start), "{error}");
    }

    #[test]
    fn a_pattern_takes_linear_time() {
        let schema = json!({"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}});
        let text = format!("{}!", "a".repeat(200));
        let error = check(schema, json!({ "a": text })).unwrap_err();
        assert!(error.contains("does not match \"^(a+)+$\""), "{error}");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let key = prop::sample::select(vec![
            "type",
            "properties",
            "items",
            "anyOf",
            "allOf",
            "not",
            "enum",
            "const",
            "$ref",
            "$id",
            "required",
            "additionalProperties",
            "pattern",
            "patternProperties",
            "minimum",
            "$defs",
            "unevaluatedProperties",
            "$anchor",
            "if",
            "then",
            "a",
        ]);
        let leaf = prop_oneof![
            Just(json!("#")),
            Just(json!("#/a")),
            Just(json!("#/$defs/a")),
            Just(json!("object")),
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i8>().prop_map(Value::from),
            "[a-z(*\\[]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 48, 5, move |inner| {
            let pairs = prop::collection::vec((key.clone(), inner.clone()), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                pairs.prop_map(|pairs| {
                    let pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), value));
                    Value::Object(pairs.collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_schema_and_any_arguments_are_decided(schema in any_json(), arguments in any_json()) {
            if let Err(problem) = check(schema, arguments) {
                prop_assert!(problem.starts_with("Invalid arguments for github/create_issue: "));
            }
        }
    }
}
