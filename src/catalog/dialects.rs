//! Schemas as servers send them, made such as JSON Schema 2020-12 has them: with the
//! keywords of OpenAPI and of older drafts in its own words, and without those that mean
//! nothing in it. One keyword of them would spoil the whole schema for the check of
//! arguments; and what that reads is what declarations say.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

/// The types that there are; a schema that names another one (`any`, `file`, `date`) says
/// nothing of its type.
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];

/// Keywords whose members are schemas, under names of their own.
const NAMED: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

/// Keywords whose values are no schemas, whatever is in them.
const DATA: [&str; 5] = ["enum", "const", "default", "example", "examples"];

/// Keywords beside `type` and `enum` that can refuse `null`.
const REFUSING: [&str; 9] =
    ["const", "$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// Bounds that were flags of other bounds up to draft 4, and in OpenAPI 3.0.
const BOUNDS: [(&str, &str); 2] =
    [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")];

/// A schema in the words of JSON Schema 2020-12.
pub(super) fn plain(mut schema: Value) -> Value {
    let draft = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
    let has_flags = draft.contains("draft-03") || draft.contains("draft-04");
    Reader { has_flags }.schema(&mut schema);
    schema
}

/// The schema of a tool's arguments, likewise. None are an empty object, and not `null`.
pub(super) fn plain_arguments(schema: &Map<String, Value>) -> Value {
    let mut schema = schema.clone();
    schema.retain(|key, _| !is_nullable_keyword(key));
    plain(Value::Object(schema))
}

struct Reader {
    /// It says that it is of a draft that has bounds which are flags.
    has_flags: bool,
}

impl Reader {
    fn schema(&self, schema: &mut Value) {
        match schema {
            Value::Array(schemas) => schemas.iter_mut().for_each(|schema| self.schema(schema)),
            Value::Object(map) => self.object(map),
            _ => {}
        }
    }

    fn object(&self, map: &mut Map<String, Value>) {
        gather_required(map);
        for (key, value) in map.iter_mut() {
            match value {
                _ if DATA.contains(&key.as_str()) => {}
                Value::Object(named) if NAMED.contains(&key.as_str()) => {
                    named.values_mut().for_each(|schema| self.schema(schema));
                }
                value => self.schema(value),
            }
        }
        let is_nullable =
            map.iter().any(|(key, value)| is_nullable_keyword(key) && *value == Value::Bool(true));
        if !self.has_flags {
            take_flags(map);
        }
        name_types(map);
        map.retain(|key, value| self.is_usable(key, value));
        if is_nullable {
            allow_null(map);
        }
    }

    fn is_usable(&self, key: &str, value: &Value) -> bool {
        match key {
            "nullable" | "x-nullable" => false,
            "exclusiveMinimum" | "exclusiveMaximum" if self.has_flags => value.is_boolean(),
            "exclusiveMinimum" | "exclusiveMaximum" | "minimum" | "maximum" | "multipleOf" => {
                value.is_number()
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => value.as_f64().is_some_and(|n| n >= 0.0 && n.fract() == 0.0),
            "title" | "description" | "$comment" | "format" | "pattern" => value.is_string(),
            "readOnly" | "writeOnly" | "deprecated" | "uniqueItems" => value.is_boolean(),
            "required" => is_list_of_texts(value),
            "enum" | "examples" => value.is_array(),
            "properties" | "patternProperties" | "$defs" | "definitions" => value.is_object(),
            "items" | "additionalProperties" => !value.is_null(),
            _ => true,
        }
    }
}

fn is_nullable_keyword(key: &str) -> bool {
    matches!(key, "nullable" | "x-nullable")
}

fn is_list_of_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|names| names.iter().all(Value::is_string))
}

/// `required: true` in a property is its name in the object's own `required`.
fn gather_required(map: &mut Map<String, Value>) {
    let Some(properties) = map.get("properties").and_then(Value::as_object) else { return };
    let is_flagged = |schema: &Value| schema.get("required") == Some(&Value::Bool(true));
    let flagged = properties.iter().filter(|(_, schema)| is_flagged(schema));
    let mut names: Vec<Value> = flagged.map(|(name, _)| name.as_str().into()).collect();
    if names.is_empty() {
        return;
    }
    if let Some(known) = map.get("required").filter(|known| is_list_of_texts(known)) {
        let mut all = known.as_array().cloned().unwrap_or_default();
        let known: HashSet<&str> = all.iter().filter_map(Value::as_str).collect();
        names.retain(|name| name.as_str().is_some_and(|name| !known.contains(name)));
        all.append(&mut names);
        names = all;
    }
    map.insert("required".to_owned(), names.into());
}

/// `exclusiveMinimum: true` beside `minimum` is that bound itself.
fn take_flags(map: &mut Map<String, Value>) {
    for (flag, bound) in BOUNDS {
        if map.get(flag) == Some(&Value::Bool(true))
            && let Some(bound) = map.get(bound).cloned()
        {
            map.insert(flag.to_owned(), bound);
        }
    }
}

/// Each type once, and no `type` if one of them is unknown.
fn name_types(map: &mut Map<String, Value>) {
    let Some(given) = map.get("type") else { return };
    let given = given.as_array().map_or(std::slice::from_ref(given), Vec::as_slice);
    let mut types: Vec<&str> = Vec::new();
    for name in given {
        match TYPES.into_iter().find(|known| name == known) {
            Some(known) if types.contains(&known) => {}
            Some(known) => types.push(known),
            None => {
                types.clear();
                break;
            }
        }
    }
    match types.as_slice() {
        [] => drop(map.shift_remove("type")),
        [only] => drop(map.insert("type".to_owned(), json!(only))),
        types => drop(map.insert("type".to_owned(), json!(types))),
    }
}

fn allow_null(map: &mut Map<String, Value>) {
    match map.get_mut("type") {
        Some(Value::Array(types)) if !types.contains(&json!("null")) => types.push("null".into()),
        Some(Value::String(name)) if name != "null" => {
            let types = json!([name, "null"]);
            map.insert("type".to_owned(), types);
        }
        _ => {}
    }
    if let Some(Value::Array(values)) = map.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    let mut refusing = Map::new();
    for key in REFUSING {
        refusing.extend(map.shift_remove_entry(key));
    }
    if !refusing.is_empty() {
        map.insert("anyOf".to_owned(), json!([refusing, {"type": "null"}]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schema of a parameter.
    fn parameter(schema: Value) -> Value {
        plain(json!({ "properties": { "p": schema } }))["properties"]["p"].take()
    }

    #[test]
    fn what_is_nullable_may_be_null() {
        for (given, read) in [
            (json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
            (json!({"type": "string", "x-nullable": true}), json!({"type": ["string", "null"]})),
            (json!({"type": "string", "nullable": false}), json!({"type": "string"})),
            (
                json!({"type": "string", "enum": ["a"], "nullable": true}),
                json!({"type": ["string", "null"], "enum": ["a", null]}),
            ),
            (
                json!({"$ref": "#/$defs/a", "nullable": true}),
                json!({"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}),
            ),
            (
                json!({"oneOf": [{"type": "string"}], "nullable": true, "title": "T"}),
                json!({"title": "T", "anyOf": [{"oneOf": [{"type": "string"}]}, {"type": "null"}]}),
            ),
            (
                json!({"const": 1, "nullable": true}),
                json!({"anyOf": [{"const": 1}, {"type": "null"}]}),
            ),
        ] {
            assert_eq!(parameter(given.clone()), read, "{given}");
        }
    }

    #[test]
    fn a_property_that_is_required_is_in_the_list_of_its_object() {
        let given = json!({
            "properties": {
                "a": {"type": "string", "required": true},
                "b": {"type": "string", "required": false},
                "c": {"properties": {"d": {"required": true}}},
                "required": {"type": "boolean"},
            },
            "required": ["required"],
        });
        let read = json!({
            "properties": {
                "a": {"type": "string"},
                "b": {"type": "string"},
                "c": {"properties": {"d": {}}, "required": ["d"]},
                "required": {"type": "boolean"},
            },
            "required": ["required", "a"],
        });
        assert_eq!(plain(given), read);
    }

    #[test]
    fn a_type_that_there_is_not_says_nothing() {
        for (given, read) in [
            (json!({"type": "any"}), json!({})),
            (json!({"type": ["string", "any"]}), json!({})),
            (json!({"type": [{"type": "string"}]}), json!({})),
            (json!({"type": ["string", "null", "null"]}), json!({"type": ["string", "null"]})),
            (json!({"type": ["string"]}), json!({"type": "string"})),
        ] {
            assert_eq!(parameter(given.clone()), read, "{given}");
        }
    }

    #[test]
    fn bounds_that_are_flags_are_bounds() {
        let flagged = json!({"minimum": 0, "exclusiveMinimum": true, "exclusiveMaximum": false});
        assert_eq!(parameter(flagged.clone()), json!({"minimum": 0, "exclusiveMinimum": 0}));
        let old = json!({
            "$schema": "http://json-schema.org/draft-04/schema#", "properties": {"p": flagged},
        });
        assert_eq!(plain(old.clone()), old);
    }

    #[test]
    fn what_is_no_keyword_of_a_schema_is_left_alone() {
        let given = json!({
            "type": "object",
            "properties": {
                "nullable": {"type": "string", "example": {"type": "any", "required": true}},
                "type": {"enum": [{"nullable": true}], "default": {"required": true}},
            },
            "components": {"schemas": {"x": {"type": "string", "format": "uuid"}}},
        });
        assert_eq!(plain(given.clone()), given);
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let given = json!({
            "type": "string", "description": null, "pattern": null, "maximum": "1", "minLength": 1.0,
            "enum": null, "items": null, "example": "x", "format": "who-knows",
        });
        let read = json!({
            "type": "string", "minLength": 1.0, "example": "x", "format": "who-knows",
        });
        assert_eq!(parameter(given), read);
    }
}
