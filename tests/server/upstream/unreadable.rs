//! Texts that are no Unicode, and answers that cannot be read, of servers over both
//! transports.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::spawn;

use serde_json::{Value, json};

use super::http::{Request, answer, response};
use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::upstreams::upstream;

/// A result with this text, as a line or body of JSON.
fn with_text(text: &str) -> String {
    format!(
        r#"{{"result":{{"content":[{{"type":"text","text":"{text}"}}]}},"jsonrpc":"2.0","id":ID}}"#
    )
}

/// The expression of a call that is answered with this.
fn call(answer: &str) -> String {
    format!("callTool('up', 'line', {})", json!({ "text": answer }))
}

fn over_stdio() -> Server {
    Server::with(&json!({ "up": upstream(&["raw"]) }))
}

/// A server over HTTP that answers calls with the text that they have, `ID` in it being
/// their id, as a body of this type or as an event.
fn over_http(kind: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || serve(&stream, kind));
        }
    });
    Server::at(Home::with(&json!({ "up": { "url": url } })), &[])
}

fn serve(mut stream: &TcpStream, kind: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader)? {
        stream.write_all(respond(&request, kind).as_bytes())?;
    }
    Ok(())
}

fn respond(request: &Request, kind: &str) -> String {
    let (message, json) = (&request.message, "content-type: application/json\r\n");
    let id = message["id"].to_string();
    match message["method"].as_str().unwrap_or_default() {
        _ if request.method != "POST" => response("405 Method Not Allowed", "", ""),
        _ if message["id"].is_null() => response("202 Accepted", "", ""),
        "tools/list" => {
            let tool = json!({ "name": "line", "inputSchema": { "type": "object" } });
            let answer =
                json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "tools": [tool] } });
            response("200 OK", json, &answer.to_string())
        }
        "tools/call" => {
            let text = message["params"]["arguments"]["text"].as_str().unwrap_or_default();
            let text = text.replace("ID", &id);
            let text = if kind == "text/event-stream" { format!("data: {text}\n\n") } else { text };
            response("200 OK", &format!("content-type: {kind}\r\n"), &text)
        }
        _ => {
            let answer = answer(message).expect("an answer");
            response("200 OK", json, &answer.to_string())
        }
    }
}

fn of_all_transports() -> [Server; 3] {
    [over_stdio(), over_http("application/json"), over_http("text/event-stream")]
}

/// What `JSON.stringify` writes for a text that `slice` has cut.
#[test]
fn half_of_a_surrogate_pair_in_a_result_is_a_replacement() {
    for mut server in of_all_transports() {
        for (text, value) in [
            (r"cut \ud83d", "cut \u{fffd}"),
            (r"\uDE00 cut", "\u{fffd} cut"),
            (r"\ud83d\ude00 \\ud83d", "😀 \\ud83d"),
        ] {
            let call = call(&with_text(text));
            assert_eq!(server.value(&format!("await {call}")), value, "{text}");
        }
        // One of more than 64 KiB is read elsewhere.
        let long = format!("{}\\ud83d", "x".repeat(100_000));
        let call = call(&with_text(&long));
        assert_eq!(server.value(&format!("(await {call}).slice(-2)")), "x\u{fffd}");
    }
}

#[test]
fn bytes_of_a_result_that_are_no_utf8_are_replacements() {
    let mut server = over_stdio();
    let call = call(&with_text("caf\u{ff}"));
    assert_eq!(server.value(&format!("await {call}")), "caf\u{fffd}");
}

#[test]
fn an_answer_that_cannot_be_read_fails_its_call_at_once() {
    for mut server in of_all_transports() {
        for (answer, problem) in [
            (with_text(r"C:\users"), "invalid escape"),
            (r#"{"jsonrpc":"2.0","id":ID,"result":{"n":NaN}}"#.to_owned(), "expected value"),
            (r#"{"jsonrpc":"2.0","id":ID,"error":"no"}"#.to_owned(), "invalid type"),
            (r#"{"jsonrpc":"2.0","id":ID}"#.to_owned(), "neither a result nor an error"),
            (with_text(&format!("{}\\x", "long ".repeat(1000))), "invalid escape"),
        ] {
            let (name, message) = server.thrown(&call(&answer));
            let start = "MCP server \"up\" sent an answer that cannot be read: ";
            assert!(message.starts_with(start) && message.contains(problem), "{name}: {message}");
            assert!(message.len() < 300, "{message}");
        }
        // The connection is as good as before.
        let call = call(&with_text("well"));
        assert_eq!(server.value(&format!("await {call}")), "well");
    }
}

#[test]
fn a_body_that_answers_nothing_fails_its_call_and_no_connection() {
    for (kind, body, part) in [
        ("application/json", r#"{"error":"overloaded"}"#, "overloaded"),
        ("application/json", r#"{"jsonrpc":"2.0","id":-5,"result":{}}"#, "not an answer"),
        ("text/html", "<html>Sign in</html>", "text/html"),
    ] {
        let mut server = over_http(kind);
        let (_, message) = server.thrown(&call(body));
        let start = "MCP server \"up\" sent an answer that cannot be read: ";
        assert!(message.starts_with(start) && message.contains(part), "{message}");
    }
}

#[test]
fn half_of_a_surrogate_pair_in_an_argument_is_sent_as_a_replacement() {
    let mut server = over_stdio();
    let code = r"await callTool('up', 'echo', { text: '😀'.slice(0, 1), '\udc00': ['\ud83d!'] })";
    assert_eq!(server.value(code), json!({ "text": "\u{fffd}", "\u{fffd}": ["\u{fffd}!"] }));
    let (_, message) = server.thrown(r"callTool('up', 'ech\ud83d')");
    assert!(message.contains("\"echo\""), "{message}");
    let mut server = Server::with(&crate::support::upstreams::only_stub());
    let prompt = r"(await (await mcpFactory.load('stub')).getPrompt('p', { who: 'A\ud83d' }))";
    let code = format!("{prompt}.messages[0].content.text");
    assert_eq!(server.value(&code), "hi A\u{fffd}");
}

/// One that asks `server/discover` has no other answer to it than the first.
#[test]
fn a_byte_order_mark_or_noise_before_the_first_message_costs_nothing() {
    for first in [
        "\u{feff}",
        "starting…\n{\"level\":\"info\",\"id\":0}\n{\"method\":\"GET\"}\n[1]\n\u{feff}\n",
        "\u{feff}\r\n\u{1b}[2J\r\n",
    ] {
        let entry = upstream(&["raw", "--modern", "--first", first]);
        let mut server = Server::with(&json!({ "up": entry }));
        assert_eq!(server.value("await callTool('up', 'echo', { a: 1 })"), json!({ "a": 1 }));
    }
}

#[test]
fn a_byte_order_mark_before_a_body_costs_nothing() {
    for kind in ["application/json", "text/event-stream"] {
        let mut server = over_http(kind);
        let call = call(&format!("\u{feff}{}", with_text("well")));
        assert_eq!(server.value(&format!("await {call}")), Value::from("well"));
    }
}
