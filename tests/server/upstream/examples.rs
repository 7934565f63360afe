//! The programs of `examples/upstreams`, and what the report saves a model.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::home::{Home, WORKSPACE};
use crate::support::pipes::Server;
use crate::support::results::text;
use crate::support::snippets::RUN;
use crate::support::upstreams::upstream;

const REPORT: &str = include_str!("../../../examples/upstreams/report.ts");
const FAN_OUT: &str = include_str!("../../../examples/upstreams/fan_out.ts");
const TRANSFORM: &str = include_str!("../../../examples/upstreams/transform.ts");

/// A year's orders, and customers page by page.
const MONTHS: u32 = 12;
const PAGES: u32 = 3;

fn shop_and_crm() -> Server {
    Server::with(&json!({ "shop": upstream(&["shop"]), "crm": upstream(&["crm"]) }))
}

/// The calls of each tool, which must all have succeeded.
fn calls(execution: &Value) -> Value {
    let calls = execution["toolCalls"].as_array().expect("calls");
    assert!(calls.iter().all(|call| call["errors"] == 0), "{calls:#?}");
    let mut calls: Vec<Value> =
        calls.iter().map(|call| json!([call["tool"], call["calls"]])).collect();
    calls.sort_by_key(Value::to_string);
    calls.into()
}

/// Bytes of the texts that a server answers these calls with: what a model reads
/// that makes them itself.
fn bytes_of_results(mode: &str, calls: &[Value]) -> usize {
    let entry = upstream(&[mode]);
    let mut child = Command::new(entry["command"].as_str().expect("a path"))
        .arg(mode)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the fixture starts");
    let mut input = child.stdin.take().expect("a pipe");
    for (id, params) in calls.iter().enumerate() {
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        writeln!(input, "{call}").expect("it reads");
    }
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let answers = output.lines().take(calls.len());
    let bytes = answers
        .map(|line| {
            let answer: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            text(&answer["result"]).len()
        })
        .sum();
    drop(input);
    child.wait().expect("a child");
    bytes
}

#[test]
fn the_report_spares_the_model_all_but_itself() {
    let mut server = shop_and_crm();
    let result = server.call(RUN, json!({ "deno_code": REPORT }));
    let execution = &result["structuredContent"];
    let report = &execution["returnValue"];
    assert_eq!(execution["output"], json!(["600 orders of 120 customers"]), "{execution:#}");
    assert_eq!([&report["orders"], &report["sold"]], [600, 481], "{report:#}");
    assert_eq!(report["revenue"], 124_279.53, "{report:#}");
    assert_eq!(report["regions"].as_array().map(Vec::len), Some(4), "{report:#}");
    assert_eq!(
        calls(execution),
        json!([["crm/list_customers", PAGES], ["shop/list_orders", MONTHS]])
    );

    let orders: Vec<Value> = (1..=MONTHS)
        .map(|month| {
            let month = format!("2026-{month:02}");
            json!({ "name": "list_orders", "arguments": { "month": month } })
        })
        .collect();
    let customers: Vec<Value> = (1..=PAGES)
        .map(|page| json!({ "name": "list_customers", "arguments": { "page": page } }))
        .collect();
    let without = bytes_of_results("shop", &orders) + bytes_of_results("crm", &customers);
    let with = text(&result).len();
    println!("report: {with} bytes reach the model with the program, {without} without it");
    assert!(with * 20 <= without, "{with} bytes with the program, {without} without");
}

#[test]
fn the_fan_out_makes_a_call_for_each_order() {
    let mut server = shop_and_crm();
    let execution = server.run(FAN_OUT);
    let value = &execution["returnValue"];
    assert_eq!(value["shipped"], 121, "{execution:#}");
    assert_eq!(value["failed"], json!([]), "{execution:#}");
    assert_eq!(value["latest"], json!([1, 78, 123, 200, 245]), "{execution:#}");
    assert_eq!(calls(&execution), json!([["shop/get_order", 121], ["shop/list_orders", MONTHS]]));
}

#[test]
fn the_transformation_cleans_files_of_the_workspace() {
    let home = Home::empty();
    let text = "id,date,product,amount\r\n1,2026-02-01,\"a, \"\"b\"\"\",1.50\r\n2,never,c,2\r\n";
    home.write(&format!("{WORKSPACE}/inbox/a.csv"), text);
    home.write(&format!("{WORKSPACE}/inbox/notes.txt"), "no CSV");
    let mut server = Server::at(home, &[]);
    assert_eq!(
        server.value(TRANSFORM),
        json!([{
            "file": "outbox/a.jsonl",
            "rows": 1,
            "skipped": ["line 3: \"never\" is no date"],
        }])
    );
    let written = server.home().read(&format!("{WORKSPACE}/outbox/a.jsonl"));
    assert_eq!(written, "{\"date\":\"2026-02-01\",\"product\":\"a, \\\"b\\\"\",\"amount\":1.5}\n");
}

/// As the file's header says.
#[test]
fn the_transformation_runs_without_any_preparation() {
    let mut server = Server::plain();
    let value = server.value(TRANSFORM);
    assert_eq!(value[0]["rows"], 2, "{value:#}");
    assert_eq!(value[0]["skipped"].as_array().map(Vec::len), Some(2), "{value:#}");
    assert_eq!(server.value(TRANSFORM), value);
}

#[test]
fn the_examples_configuration_names_the_servers_that_they_call() {
    let configuration = include_str!("../../../examples/upstreams/mcp.json");
    let configuration: Value = serde_json::from_str(configuration).expect("JSON");
    for mode in ["shop", "crm"] {
        let entry = &configuration["mcpServers"][mode];
        assert_eq!(entry["command"], "target/release/examples/upstream_fixture");
        assert_eq!(entry["args"], json!([mode]));
    }
}
