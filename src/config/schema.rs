//! The JSON Schema of the config file, made from the table of variables.

use serde_json::{Map, Value, json};

use super::Config;
use super::entry::{Standard, Variable};
use super::form::{Form, MAX_MILLIS};
use super::variables;

impl Config {
    /// The JSON Schema (2020-12) of the config file.
    pub fn schema() -> Value {
        let mut settings = with_tables(variables::of_the_file().map(property));
        settings.insert("$schema".into(), json!({"type": "string"}));
        settings.insert(
            "principals".into(),
            json!({
                "type": "object",
                "description": "Settings of principals over the server's: by the name of a \
                    token, or \"*\" for callers without a section",
                "propertyNames": {
                    "pattern": "^([A-Za-z0-9._@-]{1,64}|\\*)$",
                    "not": {"const": "anonymous"}
                },
                "additionalProperties": {"$ref": "#/$defs/principal"}
            }),
        );
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "The config file of mcp-conductor",
            "type": "object",
            "properties": settings,
            "additionalProperties": false,
            "$defs": {"principal": principal()}
        })
    }
}

/// The settings by their names in the file, those of a table inside of it.
fn with_tables(settings: impl Iterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut properties = Map::new();
    for (key, schema) in settings {
        let Some((table, key)) = key.split_once('.') else {
            properties.insert(key, schema);
            continue;
        };
        let of_table = properties.entry(table).or_insert_with(
            || json!({"type": "object", "properties": {}, "additionalProperties": false}),
        );
        of_table["properties"][key] = schema;
    }
    properties
}

fn principal() -> Value {
    let mut settings: Map<String, Value> = variables::of_a_principal().map(inherited).collect();
    settings.insert(
        "subject".into(),
        json!({
            "type": "string",
            "description": "The sub of the JSON Web Tokens that this section is for",
            "minLength": 1,
            "maxLength": 256
        }),
    );
    settings.insert(
        "tools".into(),
        json!({
            "type": "array",
            "description": "Patterns of the tools of other servers that it may call. Unset: \
                every tool; empty: none",
            "items": {"type": "string"},
            "examples": [["mcp__github__*"]]
        }),
    );
    settings.insert(
        "packages".into(),
        json!({
            "type": "array",
            "description": "The packages of the server's that its programs may import. Unset: \
                every one; empty: none",
            "items": {"type": "string"},
            "examples": [["npm:zod"]]
        }),
    );
    json!({
        "type": "object",
        "description": "Settings that are missing are the server's",
        "properties": settings,
        "additionalProperties": false
    })
}

fn property(variable: &Variable) -> (String, Value) {
    let (key, mut schema) = inherited(variable);
    let is_of_the_machine = matches!(variable.default, Standard::PerCore(_) | Standard::InHome(_));
    let default = variable.form.shown(&Config::default());
    if let Some(default) = default.filter(|_| !is_of_the_machine) {
        schema["default"] = default;
    }
    (key, schema)
}

/// A setting without a default of its own.
fn inherited(variable: &Variable) -> (String, Value) {
    let mut schema = type_of(&variable.form);
    schema["description"] = variable.meaning.into();
    schema["examples"] = json!([variable.file_example()]);
    (variable.key(), schema)
}

fn type_of(form: &Form) -> Value {
    match form {
        Form::Millis(_) => json!({"type": "integer", "minimum": 1, "maximum": MAX_MILLIS}),
        Form::Number { min, max, .. } => {
            json!({"type": "integer", "minimum": min, "maximum": max})
        }
        Form::Flag(_) => json!({"type": "boolean"}),
        Form::Choice { of, .. } => json!({"enum": of}),
        Form::Path(_) | Form::Directory(_) => json!({"type": "string", "pattern": "^/"}),
        Form::Address(_) | Form::Text { .. } => json!({"type": "string", "minLength": 1}),
        Form::List { .. } | Form::Packages(_) => {
            json!({"type": "array", "items": {"type": "string"}})
        }
        Form::Grants(_) => json!({
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
        }),
        Form::Headers(_) => json!({
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {"type": "string"}
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../examples/conductor.toml");
    const DOCUMENTATION: &str = include_str!("../../docs/configuration.md");

    fn accepts(instance: &Value) -> bool {
        jsonschema::draft202012::is_valid(&Config::schema(), instance)
    }

    /// A file with one setting.
    fn setting(key: &str, value: Value) -> Value {
        match key.split_once('.') {
            Some((table, key)) => json!({ table: { key: value } }),
            None => json!({ key: value }),
        }
    }

    #[test]
    fn the_schema_is_a_schema() {
        assert!(jsonschema::draft202012::meta::is_valid(&Config::schema()));
    }

    #[test]
    fn it_accepts_the_example_and_so_does_the_reader() {
        let value: Value = toml::from_str(EXAMPLE).unwrap();
        let schema = Config::schema();
        let errors: Vec<_> = jsonschema::draft202012::new(&schema)
            .unwrap()
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, [""; 0]);
        super::super::fixture::read_toml(EXAMPLE).unwrap();
    }

    #[test]
    fn it_accepts_the_example_of_each_setting_and_no_other_type() {
        for variable in variables::of_the_file() {
            let (key, example) = (variable.key(), variable.file_example());
            assert!(accepts(&setting(&key, example)), "{key}");
            assert!(!accepts(&setting(&key, Value::Null)), "{key}");
        }
        for variable in variables::of_a_principal() {
            let section = json!({ variable.key(): variable.file_example() });
            assert!(accepts(&json!({"principals": {"alice": section}})), "{}", variable.name);
        }
    }

    #[test]
    fn it_refuses_what_the_reader_refuses() {
        for instance in [
            json!({"max_cpu_tmie": 1}),
            json!({"max_memory": 31}),
            json!({"max_memory": 64.5}),
            json!({"isolate": "hot"}),
            json!({"workspace": "a"}),
            json!({"tools": []}),
            json!({"proxy_config": "/a"}),
            json!({"packages": ["npm:zod"]}),
            json!({"packages": {"atuo": true}}),
            json!({"packages.auto": true}),
            json!({"packages": {"packages.auto": true}}),
            json!({"principals": {"alice": {"port": 1}}}),
            json!({"principals": {"anonymous": {}}}),
            json!({"principals": {"sub:7": {}}}),
            json!({"principals": []}),
        ] {
            assert!(!accepts(&instance), "{instance}");
            let text = instance.to_string();
            assert!(super::super::fixture::read_named("c.json", &text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_documentation_names_every_variable_and_every_key() {
        for variable in Config::variables() {
            let name = format!("`{}`", variable.name);
            assert!(DOCUMENTATION.contains(&name), "{name}");
        }
        for variable in variables::of_the_file() {
            let key = format!("`{}`", variable.key());
            assert!(DOCUMENTATION.contains(&key), "{key}");
        }
    }
}
