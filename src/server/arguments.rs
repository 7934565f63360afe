//! The arguments of `run_deno_code`.

use std::time::Duration;

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use crate::runtime::ExecuteRequest;

/// The arguments as clients send them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunDenoCode {
    /// The program: TypeScript, an ES module, at most 1 MiB. Top-level await and return work.
    deno_code: String,
    /// Wall time limit in milliseconds. The description names the default and the maximum.
    #[serde(default)]
    #[schemars(with = "u32", range(min = 1))]
    timeout: Option<Number>,
    /// JSON values that the program sees as global variables; each key is the variable's name.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    globals: Option<Map<String, Value>>,
    /// The only tools of MCP servers that the program may call, such as mcp__github__*. All that are configured without it.
    #[serde(default, rename = "allowedTools")]
    #[schemars(with = "Vec<String>")]
    allowed_tools: Option<Vec<String>>,
    /// Not available: programs cannot use npm or jsr packages here.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    dependencies: Option<Vec<String>>,
}

/// The original's packages, of which there are none here yet.
fn refuse_packages(dependencies: &[String]) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "@/._-^~*+".contains(c);
    for package in dependencies {
        let name = package.strip_prefix("npm:").or(package.strip_prefix("jsr:"));
        if !name.is_some_and(|name| !name.is_empty() && name.chars().all(fits)) {
            return Err(format!("Invalid format: {package}"));
        }
    }
    match dependencies.first() {
        None => Ok(()),
        Some(package) => Err(format!(
            "{package} is not available: this server has no packages. Use the web platform's APIs, \
             or put the code into the program"
        )),
    }
}

/// Parses the arguments; the error is a sentence for the model.
pub(super) fn parse(arguments: Option<JsonObject>) -> Result<ExecuteRequest, String> {
    let arguments = Value::Object(arguments.unwrap_or_default());
    let RunDenoCode { deno_code, timeout, globals, allowed_tools, dependencies } =
        serde_json::from_value(arguments).map_err(|error| error.to_string())?;
    let mut request = ExecuteRequest::new(deno_code).with_globals(globals.unwrap_or_default());
    refuse_packages(&dependencies.unwrap_or_default())?;
    if let Some(patterns) = allowed_tools {
        request = request.with_allowed_tools(patterns);
    }
    if let Some(timeout) = timeout {
        request = request.with_timeout(milliseconds(&timeout)?);
    }
    Ok(request)
}

/// Whole and not negative; the runtime checks the range.
fn milliseconds(number: &Number) -> Result<Duration, String> {
    let whole = number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        // Every integer up to 2^53 is exact in a double.
        (float >= 0.0 && float.fract() == 0.0 && float <= 2f64.powi(53)).then_some(float as u64)
    });
    whole.map(Duration::from_millis).ok_or_else(|| {
        format!("timeout must be a whole number of milliseconds from 1 to the maximum that the tool's description names, not {number}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(arguments: Value) -> String {
        parse(arguments.as_object().cloned()).unwrap_err()
    }

    #[test]
    fn the_code_is_required_and_a_string() {
        assert_eq!(error(json!({})), "missing field `deno_code`");
        assert_eq!(error(json!({"deno_code": 1})), "invalid type: integer `1`, expected a string");
    }

    #[test]
    fn an_argument_that_does_not_exist_is_named() {
        assert_eq!(
            error(json!({"deno_code": "1", "code": "2"})),
            "unknown field `code`, expected one of `deno_code`, `timeout`, `globals`, `allowedTools`, `dependencies`"
        );
    }

    #[test]
    fn a_timeout_is_a_whole_number() {
        for timeout in [json!(-5), json!(1.5), json!(-0.5), json!(1e300)] {
            assert!(
                error(json!({"deno_code": "1", "timeout": timeout})).starts_with("timeout must be")
            );
        }
        assert!(
            error(json!({"deno_code": "1", "timeout": "5"})).contains("expected a JSON number")
        );
        for timeout in [json!(5), json!(5.0), json!(null)] {
            let arguments = json!({"deno_code": "1", "timeout": timeout});
            assert!(parse(arguments.as_object().cloned()).is_ok());
        }
    }

    #[test]
    fn globals_are_an_object() {
        assert!(error(json!({"deno_code": "1", "globals": [1]})).contains("expected a map"));
    }
}
