use proptest::prelude::*;
use serde_json::json;

use super::*;

fn type_text(schema: Value) -> String {
    type_of(schema)
}

fn tool(name: &str, description: &str, input: Value, output: Option<Value>) -> ToolInfo {
    let object = |value: Value| value.as_object().cloned().unwrap_or_default();
    ToolInfo {
        server: "up".to_owned(),
        name: name.to_owned(),
        title: None,
        description: Some(description.to_owned()),
        input_schema: object(input),
        output_schema: output.map(object),
    }
}

/// References to one long list, with each of its types: minutes without a limit.
#[test]
fn a_schema_that_repeats_long_lists_is_soon_written() {
    let names: Vec<String> = (0..200_000).map(|number| format!("n{number}")).collect();
    let long = "x".repeat(1 << 20);
    let described: Map<String, Value> =
        (0..50_000).map(|number| (format!("d{number}"), json!({"type": "string"}))).collect();
    for repeated in [
        json!({"type": vec!["object"; 7], "required": names, "properties": {"a": {}}}),
        json!({"enum": names}),
        json!({"type": "object", "properties": {"a": {"description": long}}}),
        json!({"type": "object", "properties": {long.clone(): {}}}),
        json!({"type": "object", "properties": described}),
    ] {
        let refers = |number: usize| (format!("p{number}"), json!({"$ref": "#/$defs/long"}));
        let properties: Map<String, Value> = (0..2700).map(refers).collect();
        let schema =
            json!({"type": "object", "properties": properties, "$defs": {"long": repeated}});
        let heavy = tool("heavy", "", schema.clone(), Some(schema));
        let start = std::time::Instant::now();
        let declared = module_declaration("up", &[&heavy, &heavy]);
        let sampled = sample(&heavy);
        assert!(declared.contains("export function heavy(") && sampled.starts_with("heavy("));
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[test]
fn the_seven_types_have_their_names() {
    for (kind, expected) in [
        ("string", "string"),
        ("integer", "number"),
        ("number", "number"),
        ("boolean", "boolean"),
        ("null", "null"),
        ("array", "unknown[]"),
        ("object", "Record<string, unknown>"),
        ("file", "unknown"),
    ] {
        assert_eq!(type_text(json!({ "type": kind })), expected, "{kind}");
    }
}

#[test]
fn what_is_no_schema_is_unknown() {
    for schema in [json!(null), json!(true), json!("x"), json!([1]), json!({}), json!({"type": 5})]
    {
        assert_eq!(type_text(schema.clone()), "unknown", "{schema}");
    }
    assert_eq!(type_text(json!(false)), "never");
}

#[test]
fn objects_list_their_properties() {
    let schema = json!({
        "type": "object",
        "properties": {
            "owner": {"type": "string"},
            "labels": {"type": "array", "items": {"type": "string"}},
            "content-type": {"type": "string"},
            "at": {"properties": {"x": {"type": "integer"}}, "required": ["x"]},
        },
        "required": ["owner"],
    });
    assert_eq!(
        type_text(schema),
        r#"{owner: string, labels?: string[], "content-type"?: string, at?: {x: number}}"#
    );
}

#[test]
fn properties_without_names_are_a_record() {
    let number = json!({"type": "number"});
    for (schema, expected) in [
        (json!({"additionalProperties": number}), "Record<string, number>"),
        (json!({"patternProperties": {"^a": number}}), "Record<string, number>"),
        (json!({"type": "object", "additionalProperties": false}), "{}"),
        (
            json!({"properties": {"a": {"type": "string"}}, "additionalProperties": number}),
            "{a?: string} & Record<string, number>",
        ),
        (json!({"properties": {"a": number}, "additionalProperties": {}}), "{a?: number}"),
    ] {
        assert_eq!(type_text(schema.clone()), expected, "{schema}");
    }
}

#[test]
fn values_are_written_as_they_are() {
    for (schema, expected) in [
        (json!({"enum": ["a", "b\"", 1, null]}), r#""a" | "b\"" | 1 | null"#),
        (json!({"const": -1.5}), "-1.5"),
        (json!({"enum": [{"a": 1}]}), "unknown"),
        (json!({"const": "x".repeat(MAX_STRING + 1)}), "string"),
    ] {
        assert_eq!(type_text(schema.clone()), expected, "{schema}");
    }
    let many: Vec<usize> = (0..=MAX_VALUES).collect();
    assert!(type_text(json!({ "enum": many })).ends_with(" | 98 | 99 | number"));
}

#[test]
fn alternatives_are_a_union() {
    for (schema, expected) in [
        (json!({"type": ["string", "null", "null"]}), "string | null"),
        (json!({"type": "string", "nullable": true}), "string | null"),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "null"}], "nullable": true}),
            "string | null",
        ),
        (json!({"oneOf": [{"type": "string"}, {}]}), "unknown"),
        (
            json!({"items": {"anyOf": [{"type": "string"}, {"type": "number"}]}}),
            "(string | number)[]",
        ),
    ] {
        assert_eq!(type_text(schema.clone()), expected, "{schema}");
    }
}

#[test]
fn what_openapi_writes_is_declared_as_it_is_checked() {
    let schema = json!({
        "type": "object",
        "properties": {
            "owner": {"type": "string", "nullable": true, "required": true, "example": "me"},
            "kind": {"type": "string", "enum": ["a"], "nullable": true},
            "at": {"$ref": "#/components/schemas/at", "nullable": true},
            "data": {"type": "any"},
            "id": {"type": "integer", "format": "int64", "required": false},
        },
        "components": {"schemas": {"at": {"type": "string", "format": "date-time"}}},
    });
    assert_eq!(
        type_text(schema),
        r#"{owner: string | null, kind?: "a" | null, at?: string | null, data?: unknown, id?: number}"#
    );
}

#[test]
fn all_of_is_an_intersection() {
    let a = json!({"properties": {"a": {"type": "string"}}});
    let b = json!({"properties": {"b": {"type": "string"}}});
    for (schema, expected) in [
        (json!({"allOf": [a, b]}), "{a?: string} & {b?: string}"),
        (
            json!({"allOf": [a, {"anyOf": [b, {"type": "null"}]}]}),
            "{a?: string} & ({b?: string} | null)",
        ),
        (
            json!({"properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}]}),
            "{a?: string}",
        ),
        (json!({"type": "string", "allOf": [{"minLength": 1}]}), "string"),
    ] {
        assert_eq!(type_text(schema.clone()), expected, "{schema}");
    }
}

#[test]
fn tuples_list_their_items() {
    let (a, b) = (json!({"type": "string"}), json!({"type": "number"}));
    for (schema, expected) in [
        (json!({"prefixItems": [a, b]}), "[string, number]"),
        (json!({"type": "array", "items": [a], "additionalItems": b}), "[string, ...number[]]"),
        (json!({"prefixItems": [a], "items": false}), "[string]"),
    ] {
        assert_eq!(type_text(schema.clone()), expected, "{schema}");
    }
}

#[test]
fn references_are_written_out() {
    let schema = json!({
        "properties": {
            "a": {"$ref": "#/$defs/A"},
            "b": {"$ref": "#/definitions/B"},
            "c": {"$ref": "x.json"},
        },
        "$defs": {"A": {"type": "string"}},
        "definitions": {"B": {"type": "array", "items": {"$ref": "#/$defs/A"}}},
    });
    assert_eq!(type_text(schema), "{a?: string, b?: string[], c?: unknown}");
}

#[test]
fn recursion_ends_in_unknown() {
    let tree = json!({"properties": {"children": {"type": "array", "items": {"$ref": "#"}}}});
    assert_eq!(type_text(tree), "{children?: unknown[]}");
    let pair = json!({
        "$ref": "#/$defs/A",
        "$defs": {
            "A": {"properties": {"b": {"$ref": "#/$defs/B"}}},
            "B": {"properties": {"a": {"$ref": "#/$defs/A"}}},
        },
    });
    assert_eq!(type_text(pair), "{b?: {a?: unknown}}");
}

#[test]
fn depth_ends_in_unknown() {
    let deep = (0..40).fold(json!({"type": "string"}), |inner, _| json!({"items": inner}));
    assert_eq!(type_text(deep), format!("unknown{}", "[]".repeat(MAX_DEPTH)));
}

#[test]
fn too_much_text_ends_in_unknown() {
    let wide: Map<String, Value> =
        (0..10_000).map(|at| (format!("p{at}"), json!({"type": "string"}))).collect();
    let text = type_text(json!({ "properties": wide }));
    assert!(text.len() < MAX_TEXT, "{}", text.len());
    assert!(text.ends_with(", [more: string]: unknown}"));
    // 2^40 types when written out.
    let mut doubled = Map::new();
    for at in 0..40 {
        let next = json!({"$ref": format!("#/$defs/{}", at + 1)});
        doubled.insert(at.to_string(), json!({"items": {"allOf": [next, next]}}));
    }
    assert!(type_text(json!({"$ref": "#/$defs/0", "$defs": doubled})).len() < 2 * MAX_TEXT);
}

#[test]
fn a_module_is_declared_with_its_descriptions() {
    let issue = tool(
        "create-issue",
        "Create an issue.\r\n\r\nIt is */ public.",
        json!({
            "type": "object",
            "properties": {
                "owner": {"type": "string", "description": "Owner of it"},
                "labels": {"type": "array", "items": {"type": "string"}},
                "limit": {"type": "integer", "description": "At most", "default": 10},
            },
            "required": ["owner"],
        }),
        Some(json!({"properties": {"url": {"type": "string"}}, "required": ["url"]})),
    );
    let ping = tool("ping_it", "", json!({"type": "object", "properties": {}}), None);
    let find = tool("find", "Find", json!({"type": "object", "properties": {"q": {}}}), None);
    assert_eq!(
        module_declaration("git hub", &[&issue, &ping, &find]),
        r#"declare module "mcp:git hub" {
  /**
   * Create an issue.
   * It is *\/ public.
   */
  export function createIssue(args: {
    /** Owner of it */
    owner: string;
    labels?: string[];
    /** At most (default: 10) */
    limit?: number;
  }): Promise<{url: string}>;
  export function pingIt(): Promise<any>;
  /** Find */
  export function find(args?: {q?: unknown}): Promise<any>;
  export { createIssue as "create-issue", pingIt as ping_it };
}"#
    );
}

#[test]
fn nested_descriptions_are_shown() {
    let add = tool(
        "add",
        "Add",
        json!({
            "type": "object",
            "properties": {"all": {"type": "array", "items": {
                "type": "object",
                "properties": {"name": {"type": "string", "description": "Its name"}},
            }}},
            "required": ["all"],
        }),
        None,
    );
    assert_eq!(
        module_declaration("m", &[&add]),
        r#"declare module "mcp:m" {
  /** Add */
  export function add(args: {
    all: {
      /** Its name */
      name?: string;
    }[];
  }): Promise<any>;
}"#
    );
}

#[test]
fn a_tool_without_a_usable_schema_takes_any_object() {
    for schema in [
        json!({}),
        json!({"type": "string"}),
        json!({"type": "object", "additionalProperties": true}),
    ] {
        let odd = tool("odd", "", schema, None);
        assert_eq!(
            module_declaration("m", &[&odd]),
            "declare module \"mcp:m\" {\n  \
             export function odd(args?: Record<string, unknown>): Promise<any>;\n}"
        );
    }
}

#[test]
fn a_comment_ends_where_it_should() {
    for text in ["*/", "a*\u{202e}/b", "*\u{0}/", "**/", "*\n/", "/", "*/*/"] {
        let comment = comment(text, "  ");
        assert_eq!(comment.matches("*/").count(), 1, "{comment}");
        assert!(comment.ends_with("*/\n  "), "{comment}");
    }
}

#[test]
fn a_sample_is_one_line() {
    let echo = tool(
        "echo",
        "\nEcho\nIt echoes",
        json!({
            "properties": {"text": {"type": "string"}, "n": {"type": "integer"}},
            "required": ["text"],
        }),
        None,
    );
    assert_eq!(sample(&echo), "echo(text:string, n?:number) - Echo");
    let long = tool("l", &"é".repeat(200), json!({}), None);
    assert_eq!(sample(&long), format!("l() - {}…", "é".repeat(119)));
}

#[test]
fn a_sample_has_short_types_and_few_parameters() {
    let mut properties = Map::new();
    properties
        .insert("kind".to_owned(), json!({"type": "string", "enum": ["first", "second", "third"]}));
    for at in 0..9 {
        properties.insert(format!("p{at}"), json!({"type": "boolean"}));
    }
    let many = tool("many", "", json!({ "properties": properties }), None);
    let others: Vec<String> = (0..7).map(|at| format!("p{at}?:boolean")).collect();
    assert_eq!(sample(&many), format!("many(kind?:string, {}, …)", others.join(", ")));
}

fn any_schema() -> impl Strategy<Value = Value> {
    let keyword = prop::sample::select(vec![
        "type",
        "properties",
        "items",
        "prefixItems",
        "anyOf",
        "allOf",
        "enum",
        "const",
        "$ref",
        "required",
        "additionalProperties",
        "description",
        "default",
        "a",
    ]);
    let leaf = prop_oneof![
        Just(json!("#")),
        Just(json!("#/a")),
        Just(json!("object")),
        Just(json!("array")),
        Just(json!("*/")),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let pairs = prop::collection::vec((keyword.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            pairs.prop_map(|pairs| {
                let pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::Object(pairs.collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_schema_has_a_type(schema in any_schema()) {
        let text = type_of(schema);
        prop_assert!(!text.is_empty() && !text.contains('\n'), "{}", text);
    }

    #[test]
    fn a_description_stays_in_its_comment(text in "[*/a\\n\\r\u{202e}\u{2028}]{0,12}") {
        let odd = tool("odd", &text, json!({"type": "object"}), None);
        let declared = module_declaration("m", &[&odd]);
        let comment = declared.strip_suffix("export function odd(): Promise<any>;\n}").unwrap();
        let comment = comment.strip_prefix("declare module \"mcp:m\" {\n  ").unwrap().trim();
        prop_assert!(comment.is_empty() || comment.starts_with("/**"), "{}", comment);
        prop_assert_eq!(comment.matches("*/").count(), usize::from(!comment.is_empty()));
    }
}
