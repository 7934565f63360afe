//! The arguments of the tools that run programs: `run_deno_code` and `execute_python`.

use std::time::Duration;

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::coercion::{self, Argument, Arguments, Kind};
use crate::runtime::{Check, ExecuteRequest, GlobalsText, Language};

/// The arguments as clients send them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunDenoCode {
    /// The program: TypeScript, an ES module, at most 1 MiB. Top-level await and return work.
    deno_code: String,
    /// Wall time limit in milliseconds. The description names the default and the maximum.
    #[serde(default)]
    #[schemars(with = "u32", range(min = 1))]
    timeout: Option<u64>,
    /// JSON values that the program sees as global variables; each key is the variable's name.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    globals: Option<Value>,
    /// The only tools of MCP servers that the program may call, such as mcp__github__*. Default: all that are configured.
    #[serde(default, rename = "allowedTools")]
    #[schemars(with = "Vec<String>")]
    allowed_tools: Option<Vec<String>>,
    /// Packages that the program needs, such as npm:zod. If one is not allowed, the program does not run.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    dependencies: Option<Vec<String>>,
    /// Goes on with a conversation by its handle; "new" begins one, whose handle comes back in the result.
    #[serde(default)]
    #[schemars(with = "String")]
    conversation: Option<String>,
    /// Check types where the server can: "warn" beside the run, "error" before it and no run with errors, "only" no run, "off".
    #[serde(default)]
    #[schemars(with = "CheckArgument")]
    check: Option<CheckArgument>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum CheckArgument {
    Off,
    Warn,
    Error,
    Only,
}

/// The words for them.
const CHECKS: [&str; 4] = ["off", "warn", "error", "only"];

impl From<CheckArgument> for Check {
    fn from(argument: CheckArgument) -> Self {
        match argument {
            CheckArgument::Off => Self::Off,
            CheckArgument::Warn => Self::Warn,
            CheckArgument::Error => Self::Error,
            CheckArgument::Only => Self::Only,
        }
    }
}

/// The same of `execute_python`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExecutePython {
    /// The program: Python, at most 1 MiB. The value of its last expression comes back. Top-level await works.
    code: String,
    /// Wall time limit in milliseconds. The description names the default and the maximum.
    #[serde(default)]
    #[schemars(with = "u32", range(min = 1))]
    timeout: Option<u64>,
    /// JSON values that the program has as variables; each key is the variable's name.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    globals: Option<Value>,
    /// The only tools of MCP servers that the program may call, such as mcp__github__*. Default: all that are configured.
    #[serde(default, rename = "allowedTools")]
    #[schemars(with = "Vec<String>")]
    allowed_tools: Option<Vec<String>>,
    /// Packages that the program needs, such as pypi:tabulate. If one is neither included nor allowed, the program does not run.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    dependencies: Option<Vec<String>>,
    /// Goes on with a conversation by its handle; "new" begins one, whose handle comes back in the result.
    #[serde(default)]
    #[schemars(with = "String")]
    conversation: Option<String>,
}

const TIMEOUT: Argument = Argument {
    name: "timeout",
    kind: Kind::Whole,
    also: &["timeout_ms"],
    expected: "an integer, milliseconds between 1 and the maximum in the tool's description",
};

const ALLOWED_TOOLS: Argument = Argument {
    name: "allowedTools",
    kind: Kind::Texts,
    also: &[],
    expected: "a list of patterns, such as [\"mcp__github__*\"]",
};

const GLOBALS: Argument = Argument {
    name: "globals",
    kind: Kind::Object,
    also: &["global"],
    expected: "an object, such as {\"rows\": [1, 2]}",
};

/// The same for all tools that have it.
pub(super) const CONVERSATION: Argument = Argument {
    name: "conversation",
    kind: Kind::Text,
    also: &["conversation_id", "conversation_handle"],
    expected: "\"new\", or the handle of a result, such as \"conv_…\"",
};

impl Arguments for RunDenoCode {
    const KNOWN: &'static [Argument] = &[
        Argument {
            name: "deno_code",
            kind: Kind::Text,
            also: &["code", "program", "script", "source", "typescript"],
            expected: "a string, the program",
        },
        TIMEOUT,
        GLOBALS,
        ALLOWED_TOOLS,
        Argument {
            name: "dependencies",
            kind: Kind::Texts,
            also: &[],
            expected: "a list of packages, such as [\"npm:zod\"]",
        },
        CONVERSATION,
        Argument {
            name: "check",
            kind: Kind::Choice(&CHECKS),
            also: &["type_check"],
            expected: "\"off\", \"warn\", \"error\" or \"only\"",
        },
    ];
}

impl Arguments for ExecutePython {
    const KNOWN: &'static [Argument] = &[
        Argument {
            name: "code",
            kind: Kind::Text,
            also: &["python_code", "program", "script", "source", "python"],
            expected: "a string, the program",
        },
        TIMEOUT,
        GLOBALS,
        ALLOWED_TOOLS,
        Argument {
            name: "dependencies",
            kind: Kind::Texts,
            also: &["packages", "requirements"],
            expected: "a list of packages, such as [\"pypi:tabulate\"]",
        },
        CONVERSATION,
    ];
}

/// What both tools have beside the program.
struct Options {
    timeout: Option<u64>,
    globals: Option<Value>,
    allowed_tools: Option<Vec<String>>,
    dependencies: Option<Vec<String>>,
    conversation: Option<String>,
}

impl Options {
    fn of(self, request: ExecuteRequest) -> Result<ExecuteRequest, String> {
        let mut request = request.with_dependencies(self.dependencies.unwrap_or_default());
        if let Some(patterns) = self.allowed_tools {
            request = request.with_allowed_tools(patterns);
        }
        if let Some(handle) = self.conversation {
            request = request.with_conversation(handle);
        }
        if let Some(timeout) = self.timeout {
            request = request.with_timeout(Duration::from_millis(timeout));
        }
        match self.globals {
            Some(Value::Object(globals)) => Ok(request.with_globals(globals)),
            Some(Value::String(text)) => {
                let globals = GlobalsText::parse(text).map_err(|error| GLOBALS.no_json(&error))?;
                Ok(request.with_globals_text(globals))
            }
            _ => Ok(request),
        }
    }
}

/// Parses the arguments of the tool for a language; the error is a sentence for the model.
pub(super) fn parse(
    language: Language,
    arguments: Option<JsonObject>,
) -> Result<ExecuteRequest, String> {
    match language {
        Language::TypeScript => {
            let RunDenoCode {
                deno_code,
                timeout,
                globals,
                allowed_tools,
                dependencies,
                conversation,
                check,
            } = coercion::read(arguments)?;
            let options = Options { timeout, globals, allowed_tools, dependencies, conversation };
            let request = ExecuteRequest::new(deno_code);
            options.of(match check {
                Some(check) => request.with_check(check.into()),
                None => request,
            })
        }
        Language::Python => {
            let ExecutePython { code, timeout, globals, allowed_tools, dependencies, conversation } =
                coercion::read(arguments)?;
            let options = Options { timeout, globals, allowed_tools, dependencies, conversation };
            options.of(ExecuteRequest::python(code))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(arguments: Value) -> String {
        parse(Language::TypeScript, arguments.as_object().cloned()).unwrap_err()
    }

    fn accepted(arguments: Value) -> ExecuteRequest {
        parse(Language::TypeScript, arguments.as_object().cloned()).unwrap()
    }

    #[test]
    fn the_code_is_required_and_a_string() {
        assert_eq!(error(json!({})), "missing field `deno_code`");
        assert_eq!(error(json!({"deno_code": null})), "missing field `deno_code`");
        let text = "deno_code must be a string, the program, not 1";
        assert_eq!(error(json!({"deno_code": 1})), text);
    }

    #[test]
    fn the_code_in_python_has_other_names_too() {
        for name in ["code", "python_code", "pythonCode", "program", "script", "source"] {
            let given = json!({name: "1 + 1", "timeout": "5"});
            let request = parse(Language::Python, given.as_object().cloned()).unwrap();
            assert_eq!(request.source(), "1 + 1", "{name}");
            assert_eq!(request.language(), Language::Python);
        }
        let given = json!({"deno_code": "1"});
        assert_eq!(
            parse(Language::Python, given.as_object().cloned()).unwrap_err(),
            "unknown field `deno_code`, expected one of `code`, `timeout`, `globals`, \
             `allowedTools`, `dependencies`, `conversation`"
        );
    }

    #[test]
    fn an_argument_that_does_not_exist_is_named() {
        assert_eq!(
            error(json!({"deno_code": "1", "cwd": "2"})),
            "unknown field `cwd`, expected one of `deno_code`, `timeout`, `globals`, `allowedTools`, `dependencies`, `conversation`, `check`"
        );
    }

    #[test]
    fn the_code_under_another_name_is_the_code_and_one_of_two_is_not() {
        for name in ["code", "denoCode", "program", "script", "source"] {
            assert_eq!(accepted(json!({name: "1 + 1"})).source(), "1 + 1", "{name}");
        }
        assert_eq!(
            error(json!({"code": "1", "deno_code": "1"})),
            "code and deno_code are both given for deno_code: give deno_code only"
        );
    }

    #[test]
    fn a_check_is_one_of_four_words() {
        for check in Check::ALL {
            assert!(CHECKS.contains(&check.name()));
            let request = accepted(json!({"deno_code": "1", "check": check.name()}));
            assert_eq!(request.check(), Some(check));
        }
        assert_eq!(accepted(json!({"deno_code": "1"})).check(), None);
        let problem = error(json!({"deno_code": "1", "check": "strict"}));
        assert!(problem.starts_with("check must be \"off\", \"warn\""), "{problem}");
    }

    #[test]
    fn a_timeout_is_a_whole_number() {
        for timeout in [json!(-5), json!(1.5), json!(-0.5), json!(1e300), json!("5 s")] {
            assert!(
                error(json!({"deno_code": "1", "timeout": timeout})).starts_with("timeout must be")
            );
        }
        for timeout in [json!(5), json!(5.0), json!(null), json!("5"), json!("5.0")] {
            accepted(json!({"deno_code": "1", "timeout": timeout}));
        }
    }

    #[test]
    fn globals_are_an_object_or_its_text() {
        let refused = |globals: Value| error(json!({"deno_code": "1", "globals": globals}));
        let text = "globals must be an object, such as {\"rows\": [1, 2]}, not ";
        assert_eq!(refused(json!([1])), format!("{text}a list"));
        assert_eq!(refused(json!("rows")), format!("{text}\"rows\""));
        let broken = refused(json!("{\"rows\": [1}"));
        assert!(
            broken.starts_with(&format!("{text}a string that is not JSON: expected")),
            "{broken}"
        );
        accepted(json!({"deno_code": "1", "globals": "{\"rows\": [1]}"}));
    }
}
