//! Lines that are no messages, and what stdout carries.

use serde_json::json;

use crate::support::pipes::Server;
use crate::support::results::{execution, value};
use crate::support::waiting::PATIENCE;

/// The next request is answered, and nothing else had an answer.
fn goes_on(server: &mut Server) {
    assert_eq!(server.outcome("1"), value(json!(1)));
    assert_eq!(server.other_answers().len(), 0);
    assert!(!server.has_ended());
}

#[test]
fn a_line_that_is_no_json_is_a_parse_error() {
    let mut server = Server::ready(&[]);
    for line in ["{bad", "}", "hello", "{\"jsonrpc\":\"2.0\",", "1 2"] {
        server.send_line(line.as_bytes());
        let answer = server.answer_where(|_| true).expect("an answer");
        assert_eq!(answer.get("id"), Some(&json!(null)), "{line}: {answer}");
        assert_eq!(answer["error"]["code"], -32700, "{line}: {answer}");
        goes_on(&mut server);
    }
}

#[test]
fn a_line_that_is_no_utf8_is_a_parse_error() {
    let mut server = Server::ready(&[]);
    for line in [&b"\xff\xfe"[..], b"\x00"] {
        server.send_line(line);
        let answer = server.answer_where(|_| true).expect("an answer");
        assert_eq!(answer.get("id"), Some(&json!(null)), "{answer}");
        assert_eq!(answer["error"]["code"], -32700, "{answer}");
        goes_on(&mut server);
    }
}

/// A call with this id of a program, and these bytes as its globals.
fn call(id: u32, globals: &[u8]) -> Vec<u8> {
    let head = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\
         \"run_deno_code\",\"arguments\":{{\"deno_code\":\"g\",\"globals\":{{\"g\":"
    );
    [head.as_bytes(), globals, b"}}}}"].concat()
}

#[test]
fn a_line_that_cannot_be_read_is_an_error_of_its_request() {
    let mut server = Server::ready(&[]);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for line in [
        &b"{\"jsonrpc\":\"2.0\",\"id\":5,"[..],
        &call(5, b"\"\xff\""),
        &call(5, b"NaN"),
        &call(5, br#""C:\users""#),
        &call(5, deep.as_bytes()),
        &[&call(5, b"1")[..], b" trailing"].concat(),
    ] {
        server.send_line(line);
        let answer = server.answer_where(|_| true).expect("an answer");
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(5), &json!(-32700)));
        goes_on(&mut server);
    }
}

/// What `JSON.stringify` writes for a text that `slice` has cut.
#[test]
fn half_of_a_surrogate_pair_is_a_replacement() {
    let mut server = Server::ready(&[]);
    for (globals, expected) in [
        (&br#""cut \ud83d""#[..], json!("cut \u{fffd}")),
        (br#"{"\uDE00":["\ud83d\ude00"]}"#, json!({ "\u{fffd}": ["😀"] })),
    ] {
        server.send_line(&call(1000, globals));
        assert_eq!(execution(&server.result(1000)), value(expected));
    }
    let code = br#"{"jsonrpc":"2.0","id":1000,"method":"tools/call","params":{"name":
        "run_deno_code","arguments":{"deno_code":"'\ud83d'.length + '\ud83d'"}}}"#;
    server.send_line(&code.iter().copied().filter(|byte| *byte != b'\n').collect::<Vec<_>>());
    assert_eq!(execution(&server.result(1000)), value(json!("1\u{fffd}")));
}

#[test]
fn numbers_that_cannot_be_read_come_as_their_digits() {
    let mut server = Server::ready(&[]);
    server.send_line(&call(1000, b"[18446744073709551617,1e400,1915883588174806058,2.5]"));
    let digits = json!(["18446744073709551617", "1e400", "1915883588174806058", 2.5]);
    assert_eq!(execution(&server.result(1000)), value(digits));
}

#[test]
fn a_byte_order_mark_before_a_message_is_passed_over() {
    let mut server = Server::silent(&[]);
    server.send_line("\u{feff}".as_bytes());
    server.send_line("\u{feff}{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\"}".as_bytes());
    assert!(server.answer_where(|answer| answer["id"] == "a").is_some());
    server.initialize("2025-11-25");
    goes_on(&mut server);
}

#[test]
fn json_that_is_no_message_is_an_invalid_request() {
    let mut server = Server::ready(&[]);
    for line in ["42", "null", "\"text\"", "{}", "[]", r#"{"id":77,"method":"ping"}"#] {
        server.send_line(line.as_bytes());
        let answer = server.answer_where(|_| true).expect("an answer");
        assert_eq!(answer["error"]["code"], -32600, "{line}: {answer}");
        goes_on(&mut server);
    }
}

#[test]
fn empty_lines_are_no_messages() {
    let mut server = Server::ready(&[]);
    for line in ["", "   ", "\r", "\t"] {
        server.send_line(line.as_bytes());
    }
    goes_on(&mut server);
}

#[test]
fn bad_lines_before_the_handshake_do_not_end_the_server() {
    let mut server = Server::silent(&[]);
    for (line, code) in [("{bad", -32700), ("42", -32600), ("\"x\"", -32600)] {
        server.send_line(line.as_bytes());
        assert_eq!(server.error_without_request()["code"], code, "{line}");
    }
    server.initialize("2025-11-25");
    goes_on(&mut server);
}

#[test]
fn a_line_of_more_than_sixteen_mebibytes_is_answered_and_skipped() {
    let mut server = Server::ready(&[]);
    server.send_line(&vec![b'['; (16 << 20) + 100_000]);
    let answer = server.answer_where(|_| true).expect("an answer");
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    goes_on(&mut server);
}

/// SDKs write the id before the parameters or after them.
#[test]
fn a_line_of_more_than_sixteen_mebibytes_is_an_error_of_its_request() {
    let mut server = Server::ready(&[]);
    let text = "x".repeat((16 << 20) + 100_000);
    let params = format!(r#""method":"tools/call","params":{{"id":1,"arguments":"{text}"}}"#);
    for line in [
        format!(r#"{{"jsonrpc":"2.0","id":7,{params}}}"#),
        format!(r#"{{{params},"jsonrpc":"2.0","id":7}}"#),
    ] {
        server.send_line(line.as_bytes());
        let answer = server.answer_where(|_| true).expect("an answer");
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(7), &json!(-32600)));
        goes_on(&mut server);
    }
}

#[test]
fn identifiers_come_back_as_they_were() {
    let mut server = Server::ready(&[]);
    for id in [json!("a"), json!("7"), json!(7_000_000_000_u64), json!(0)] {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
        server.send_line(request.to_string().as_bytes());
        let answer = server.answer_where(|_| true).expect("an answer");
        assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": id, "result": {} }));
    }
}

#[test]
fn stdout_carries_messages_only_whatever_is_logged() {
    let mut server = Server::ready(&[("RUST_LOG", "trace")]);
    let code = "console.log('{\"jsonrpc\":\"1.0\"}');\
        Deno.stdout.writeSync(new TextEncoder().encode('hi'))";
    assert_eq!(server.outcome(code)["output"], json!(["{\"jsonrpc\":\"1.0\"}", "hi"]));
    server.send_line(b"{bad");
    assert_eq!(server.error_without_request()["code"], -32700);
    server.close_stdin();
    // Panics at a line that is no message.
    server.drain();
    assert!(server.wait(PATIENCE).success());
    assert_eq!(server.other_answers().len(), 0);
    assert!(server.log().contains(" TRACE "), "{}", server.log());
}
