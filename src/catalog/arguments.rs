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
#[path = "arguments_tests.rs"]
mod tests;
