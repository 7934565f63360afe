//! The tool as clients see it.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use crate::config::Config;
use crate::text::clip::marked_with;

use super::arguments::RunDenoCode;
use super::coercion::Arguments;
use super::json::ExecutionJson;
use super::packages::Available;

/// The tool's name, as in the Deno version (MCP Conductor 0.1.2).
pub(super) const RUN_DENO_CODE: &str = "run_deno_code";

/// Bytes of a description that clients show; they cut at 2 KB.
const MAX_DESCRIPTION: usize = 1800;

/// 800 to 1800 bytes: clients cut at 2 KB, and the first facts matter most.
const DESCRIPTION: &str = "\
Run a TypeScript program in a sandbox and get its value back. Use it to compute or \
transform data, or call many tools in one call. Only what the program returns \
and prints comes back.

Granted here: {GRANTS}. All else fails with NotCapable, which names the missing flag: do not \
retry, tell the user. Relative paths start at WORKSPACE_DIR. Use Deno's API (Deno.readTextFile, \
Deno.Command) and fetch.

Value: a top-level `return`, else `export default`, else the last expression. \
A promise is awaited; await all else too: what is left has {GRACE} s. It becomes JSON (Map, Set, \
Error, BigInt too); keep it small ({RETURN} KiB): a summary. console.log lines come \
back as `output`, also on failure.

Pass data with `globals`, not in the code: {\"rows\": [...]} is the variable `rows`.

Available: the web platform (crypto.subtle, Intl, Temporal, WebAssembly), node: \
built-ins, \"./lib.ts\". Types are stripped; see `check`. Not available: remote imports, \
WebSocket. {PACKAGES}.

Tools of other MCP servers: import * as s from 'mcp:SERVER'; await s.TOOL({...}), in parallel \
with Promise.all; find them with search_tools. Playbooks: await importPlaybook(\"FOLDER\").

Each call is a fresh process: files are kept, and in a `conversation` session.set(key, value). \
Limits: {WALL} s wall time (`timeout` in ms, up to {MAX} s), {CPU} s CPU, {MEMORY} MiB memory.

A failed program is a normal result with status \"error\": read errorType, error and errorDetail \
(line, frame), fix the code and call again.";

/// Bytes of the grants in the description; a program sees all in PERMISSIONS.
const MAX_GRANTS: usize = 300;

fn shown_grants(grants: &[String]) -> String {
    if grants.is_empty() {
        return "nothing".to_owned();
    }
    marked_with(grants.join(" "), MAX_GRANTS, "… (all: PERMISSIONS)")
}

/// A description with what these settings say, and the packages that its room is left for.
pub(super) fn described(
    text: &str,
    config: &Config,
    grants: &[String],
    packages: impl FnOnce(usize) -> String,
) -> String {
    let text = text
        .replace("{GRANTS}", &shown_grants(grants))
        .replace("{RETURN}", &(config.max_return_size() >> 10).to_string())
        .replace("{GRACE}", &config.unfinished_grace().as_secs_f64().to_string())
        .replace("{WALL}", &config.default_timeout().as_secs_f64().to_string())
        .replace("{MAX}", &config.max_timeout().as_secs_f64().to_string())
        .replace("{CPU}", &config.max_cpu_time().as_secs_f64().to_string())
        .replace("{MEMORY}", &(config.max_memory() >> 20).to_string());
    let room = MAX_DESCRIPTION.saturating_sub(text.len());
    text.replace("{PACKAGES}", &packages(room))
}

fn description(config: &Config, grants: &[String], packages: &Available) -> String {
    described(DESCRIPTION, config, grants, |room| match packages.named(room) {
        Some(named) => format!("Packages: {named}"),
        None => "No packages".to_owned(),
    })
}

/// The tool's definition.
pub(super) fn run_deno_code(config: &Config, grants: &[String], packages: &Available) -> Tool {
    let description = description(config, grants, packages);
    runs_programs::<RunDenoCode>(RUN_DENO_CODE, "Run TypeScript", description, grants)
}

/// The definition of a tool that runs programs.
pub(super) fn runs_programs<T: Arguments + JsonSchema>(
    name: &'static str,
    title: &'static str,
    description: String,
    grants: &[String],
) -> Tool {
    let grants_any = |flags: &[&str]| {
        grants.iter().any(|grant| flags.iter().any(|flag| grant.starts_with(flag)))
    };
    let changes = grants_any(&["--allow-write", "--allow-net", "--allow-run", "--allow-all"]);
    let reaches_out = grants_any(&["--allow-net", "--allow-run", "--allow-all"]);
    let settings = SchemaSettings::draft2020_12();
    let output = schema::<ExecutionJson>(settings.clone().for_serialize());
    Tool::new(name, description, schema::<T>(settings))
        .with_title(title)
        .with_raw_output_schema(output)
        .with_annotations(
            ToolAnnotations::with_title(title)
                .read_only(!changes)
                .destructive(changes)
                .idempotent(false)
                .open_world(reaches_out),
        )
}

/// A JSON Schema without `$ref`: some clients do not follow them.
pub(super) fn schema<T: JsonSchema>(settings: SchemaSettings) -> Arc<JsonObject> {
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let serde_json::Value::Object(mut object) = schema.to_value() else {
        unreachable!("a struct's schema is an object");
    };
    drop_integer_formats(&mut object);
    // An optional argument has no default; null would not be of its type.
    for property in object
        .get_mut("properties")
        .into_iter()
        .filter_map(serde_json::Value::as_object_mut)
        .flat_map(|all| all.values_mut())
    {
        property.as_object_mut().map(|property| property.remove("default"));
    }
    Arc::new(object)
}

/// JSON Schema knows no "uint32"; validators in strict mode complain of it.
fn drop_integer_formats(object: &mut JsonObject) {
    object.retain(|key, value| {
        key != "format" || !value.as_str().is_some_and(|format| format.starts_with("uint"))
    });
    for value in object.values_mut() {
        if let serde_json::Value::Object(inner) = value {
            drop_integer_formats(inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_within_what_clients_show() {
        let grants = ["--allow-read=/".repeat(99)];
        for packages in [Available::none(), Available::many(500)] {
            let description = description(&Config::default(), &grants, &packages);
            assert!((800..=1800).contains(&description.len()), "{} bytes", description.len());
            assert!(!description.contains(['{', '}']) || description.contains("{\"rows\": [...]}"));
        }
        let few = description(&Config::default(), &[], &Available::many(2));
        assert!(few.contains("Packages: npm:p0@1.0.0, npm:p1@1.0.0.\n"), "{few}");
    }

    #[test]
    fn every_property_of_both_schemas_is_described() {
        let tool = run_deno_code(&Config::default(), &[], &Available::none());
        for schema in [tool.input_schema, tool.output_schema.unwrap()] {
            assert_eq!(schema["type"], "object");
            for (name, property) in schema["properties"].as_object().unwrap() {
                assert!(property["description"].is_string(), "{name}: {property}");
            }
        }
    }

    #[test]
    fn the_schemas_have_no_references() {
        let text =
            serde_json::to_string(&run_deno_code(&Config::default(), &[], &Available::none()))
                .unwrap();
        assert!(!text.contains("$ref") && !text.contains("uint"), "{text}");
    }
}
