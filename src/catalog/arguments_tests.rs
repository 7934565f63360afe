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
    let schema = json!({"properties": {"a": {"type": "string"}}, "additionalProperties": false});
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
    assert!(error.contains("at /n/4: \"e\" is not of type \"number\"; and 2 more. "), "{error}");
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
    for text in ["5", "1e20", "01915883588174806058", "99999999999999999999", "9007199254740991"] {
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
