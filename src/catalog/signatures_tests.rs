use serde_json::json;

use super::*;

fn tool(name: &str, input: Value) -> ToolInfo {
    let Value::Object(input_schema) = input else { panic!("an object") };
    ToolInfo {
        server: "github".to_owned(),
        name: name.to_owned(),
        title: None,
        description: None,
        input_schema,
        output_schema: None,
    }
}

/// The parameters of a tool with such a schema.
fn parameters(input: Value) -> String {
    let line = python_sample(&tool("t", input));
    let line = line.strip_prefix("mcp.github.t(").expect("the name");
    line.strip_suffix(") -> Any").expect("no result").to_owned()
}

/// The hint of a property.
fn hint(schema: Value) -> String {
    let all = parameters(json!({"properties": {"a": schema}, "required": ["a"]}));
    all.strip_prefix("a: ").expect("the name").to_owned()
}

/// How tools of these names are called.
fn called(names: &[&str]) -> Vec<String> {
    let tools: Vec<_> = names.iter().map(|name| tool(name, json!({}))).collect();
    let tools: Vec<_> = tools.iter().collect();
    let text = python_signatures("github", &["github"], &tools, names);
    text.lines().map(|line| line.trim_end_matches("() -> Any").to_owned()).collect()
}

#[test]
fn a_tool_is_shown_as_it_is_called_with_what_is_said_of_it() {
    let mut tool = tool(
        "createIssue",
        json!({
            "type": "object",
            "properties": {
                "owner": {"type": "string", "description": "Who has it.\nAlways"},
                "labels": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["owner"],
        }),
    );
    tool.description = Some("Creates an issue.\nAt once".to_owned());
    tool.output_schema = json!({"properties": {"id": {"type": "integer"}}}).as_object().cloned();
    let shown = python_signatures("github", &["github"], &[&tool], &["createIssue"]);
    assert_eq!(
        shown,
        "mcp.github.create_issue(owner: str, labels: list[str] = ...) -> {\"id\"?: int}\n    \
         # Creates an issue. At once\n    # owner: Who has it. Always\n"
    );
}

#[test]
fn names_are_written_as_the_module_finds_them() {
    for (name, own) in [
        ("create-issue", "create_issue"),
        ("getHTTPPage", "get_httppage"),
        ("v2Get", "v2_get"),
        ("_x_", "x"),
        ("a.b c", "a_b_c"),
        ("\u{dc}bung", "\u{fc}bung"),
    ] {
        assert_eq!(identifier(name), own);
    }
}

#[test]
fn a_name_that_python_cannot_write_is_a_key() {
    assert_eq!(
        called(&["import", "2d", "\u{fc}b", "call_tool", "listTools", "ok"]),
        [
            "mcp.github[\"import\"]",
            "mcp.github[\"2d\"]",
            "mcp.github[\"\u{fc}b\"]",
            "mcp.github[\"call_tool\"]",
            "mcp.github[\"listTools\"]",
            "mcp.github.ok",
        ]
    );
}

#[test]
fn of_two_names_that_are_written_alike_one_is_the_attribute() {
    assert_eq!(
        called(&["getFile", "get-file"]),
        ["mcp.github.get_file", "mcp.github[\"get-file\"]"]
    );
    // The name itself comes first wherever it stands.
    assert_eq!(
        called(&["getFile", "get_file"]),
        ["mcp.github[\"getFile\"]", "mcp.github.get_file"]
    );
    let shown = python_signatures("a-b", &["a_b", "a-b"], &[&tool("t", json!({}))], &["t"]);
    assert_eq!(shown, "mcp[\"a-b\"].t() -> Any\n");
}

#[test]
fn parameters_stand_in_their_order_and_as_python_takes_them() {
    let properties = json!({"b": {"type": "string"}, "a": {"type": "integer"}});
    assert_eq!(
        parameters(json!({"properties": properties, "required": ["b"]})),
        "b: str, a: int = ..."
    );
    assert_eq!(
        parameters(json!({"properties": properties, "required": ["a"]})),
        "*, b: str = ..., a: int"
    );
    let odd = json!({"q": {}, "in": {"type": "string"}, "x-y": {"type": "null"}});
    assert_eq!(
        parameters(json!({"properties": odd, "required": ["q", "in"]})),
        "q: Any, **{\"in\": str, \"x-y\"?: None}"
    );
    assert_eq!(parameters(json!({"type": "object"})), "");
    assert_eq!(parameters(json!({"anyOf": [{}]})), "**more");
}

#[test]
fn schemas_become_hints() {
    for (schema, expected) in [
        (json!({"type": "number"}), "float"),
        (json!({"type": ["string", "null"]}), "str | None"),
        (json!({"enum": ["a", "b\"", 1, true, null]}), "\"a\" | \"b\\\"\" | 1 | True | None"),
        (json!({"const": "x"}), "\"x\""),
        (json!({"anyOf": [{"type": "boolean"}, {"type": "boolean"}]}), "bool"),
        (json!({"anyOf": [{"type": "boolean"}, {}]}), "Any"),
        (json!({"type": "array"}), "list"),
        (json!({"type": "object"}), "dict"),
        (json!({"additionalProperties": {"type": "integer"}, "type": "object"}), "dict[str, int]"),
        (
            json!({"properties": {"x": {"type": "string"}, "y": {}}, "required": ["x"]}),
            "{\"x\": str, \"y\"?: Any}",
        ),
        (json!(true), "Any"),
        (json!({"$ref": "#/nowhere"}), "Any"),
    ] {
        assert_eq!(hint(schema.clone()), expected, "{schema}");
    }
}

#[test]
fn a_recursive_schema_ends() {
    let node = json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}});
    let input = json!({"$defs": {"node": node}, "properties": {"a": {"$ref": "#/$defs/node"}}});
    assert_eq!(parameters(input), "a: {\"next\"?: Any} = ...");
    let mut deep = json!({"type": "string"});
    for _ in 0..20 {
        deep = json!({"type": "array", "items": deep});
    }
    assert_eq!(hint(deep), format!("{}Any{}", "list[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH)));
}

#[test]
fn what_a_server_says_is_bounded() {
    let values: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    let wide = json!({"$defs": {"e": {"enum": values}}, "properties": {}});
    let properties: Map<String, Value> =
        (0..5000).map(|n| (format!("p{n}"), json!({"$ref": "#/$defs/e"}))).collect();
    let mut wide = wide;
    wide["properties"] = Value::Object(properties);
    let tools: Vec<_> = (0..40).map(|n| tool(&format!("t{n}"), wide.clone())).collect();
    let shown: Vec<_> = tools.iter().collect();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let text = python_signatures("github", &["github"], &shown, &names);
    assert!(text.len() < MAX_ALL + 2 * MAX_TEXT, "{}", text.len());
}

#[test]
fn what_is_not_visible_is_escaped_or_left_out() {
    let mut tool = tool("t", json!({"properties": {"a\u{202e}": {}}}));
    tool.description = Some("a\u{202e}b\n# c".to_owned());
    let shown = python_signatures("github", &["github"], &[&tool], &["t"]);
    assert!(!shown.contains('\u{202e}'), "{shown}");
    assert_eq!(shown.lines().count(), 2, "{shown}");
}
