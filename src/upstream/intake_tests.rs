use rmcp::model::{ClientRequest, PingRequest};

use super::*;

/// For a server called `test` that may send so much.
pub(in crate::upstream) fn intake(limit: usize) -> Arc<Intake> {
    with_memory(limit, 64 << 20)
}

/// With so much memory.
pub(in crate::upstream) fn with_memory(limit: usize, bytes: usize) -> Arc<Intake> {
    let account = Account::of_server(bytes);
    let intake = Intake::new("test".into(), account, limit, Arc::default());
    intake.connected();
    intake
}

pub(in crate::upstream) fn asks(intake: &Intake, id: i64) {
    let request = ClientRequest::PingRequest(PingRequest::default());
    let id = RequestId::Number(id);
    assert!(intake.sent(&JsonRpcMessage::request(request, id)).is_none());
}

async fn takes(intake: &Intake, text: &str) -> bool {
    matches!(intake.take(text.as_bytes().to_vec(), None).await, Taken::Pass(_))
}

/// What happens to messages within one second. A machine may stop for longer.
async fn at_once(messages: &[String]) -> (usize, bool) {
    for _ in 0..10 {
        let (start, intake) = (Instant::now(), intake(1 << 20));
        let mut passed = 0;
        for message in messages {
            passed += usize::from(takes(&intake, message).await);
        }
        if start.elapsed() < Duration::from_secs(1) {
            return (passed, intake.broken.is_cancelled());
        }
    }
    panic!("a slow machine");
}

#[tokio::test]
async fn requests_have_a_rate_and_notifications_another() {
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned();
    assert_eq!(at_once(&vec![request.clone(); 60]).await, (60, false));
    assert_eq!(at_once(&vec![request; 1000]).await, (MAX_REQUESTS as usize, true));
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#.to_owned();
    let (passed, broken) = at_once(&vec![notification; 5000]).await;
    assert_eq!((passed, broken), (MAX_NOTIFICATIONS as usize, false));
    let long = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":"{}"}}"#,
        "x".repeat(200_000)
    );
    let (passed, broken) = at_once(&vec![long; 100]).await;
    assert_eq!((passed, broken), (MAX_NOTIFICATION_BYTES / 200_061, false));
}

#[test]
fn what_is_dropped_without_end_is_read_slowly() {
    let mut rate = Rate::default();
    let (kept, late) = ((0..MAX_DROPPED).all(|_| rate.drop_one(10).is_none()), rate.since);
    assert!(kept || late.elapsed() > SECOND);
    let mut large = Rate::default();
    assert_eq!(large.drop_one(MAX_DROPPED_BYTES), None);
    let pause = large.drop_one(1).expect("a pause, unless the machine stood still");
    assert!(pause <= SECOND);
    large.since = Instant::now().checked_sub(2 * SECOND).expect("a clock");
    assert_eq!(large.drop_one(1), None, "a second later it begins anew");
}

#[tokio::test]
async fn a_change_of_the_tools_is_told_of_in_a_flood() {
    let flood = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#.to_owned();
    let changed = r#"{"jsonrpc":"2.0","method":"notifications\/tools\/list_changed"}"#;
    let mut messages = vec![flood; 2 * MAX_NOTIFICATIONS as usize];
    messages.extend([changed.to_owned(), changed.to_owned()]);
    assert_eq!(at_once(&messages).await, (MAX_NOTIFICATIONS as usize + 1, false));
}

#[tokio::test]
async fn what_is_asked_is_short_and_so_is_its_name() {
    for (length, passes) in [(MAX_ID - 2, true), (MAX_ID - 1, false)] {
        let intake = intake(1 << 20);
        let id = "x".repeat(length);
        let ping = format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"ping"}}"#);
        assert_eq!(takes(&intake, &ping).await, passes);
        assert_eq!(intake.broken.is_cancelled(), !passes);
    }
    let token = |length| {
        let token = "x".repeat(length);
        json!({
            "jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": token},
        })
        .to_string()
    };
    let intake = intake(1 << 20);
    assert!(takes(&intake, &token(100)).await);
    assert!(!takes(&intake, &token(MAX_UNASKED)).await);
    assert!(!intake.broken.is_cancelled());
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_dropped() {
    let intake = intake(8 << 20);
    let answer = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    assert!(!takes(&intake, answer).await);
    asks(&intake, 7);
    assert!(takes(&intake, &answer.replace('7', "\"7\"")).await);
    assert!(!takes(&intake, answer).await, "it has its answer");
    asks(&intake, 8);
    intake.forget(&RequestId::Number(8));
    assert!(!takes(&intake, &answer.replace('7', "8")).await);
    // The handshake of a session comes again.
    let handshake = RequestId::Number(7);
    let again = intake.take(answer.as_bytes().to_vec(), Some(&handshake)).await;
    assert!(matches!(again, Taken::Pass(_)), "{again:?}");
}

/// What becomes of an answer to request 7.
async fn answered(text: &[u8]) -> String {
    let intake = intake(1000);
    asks(&intake, 7);
    match intake.take(text.to_vec(), None).await {
        Taken::Pass(text) => String::from_utf8(text).unwrap(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_an_error_of_its_request() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (text, problem) in [
        (r#"{"jsonrpc":"2.0","id":7,"result":{"t":"\x41"}}"#, "invalid escape"),
        (r#"{"result":{"id":1,"n":NaN},"jsonrpc":"2.0","id":"7"}"#, "expected value"),
        (r#"{"jsonrpc":"2.0","id":7,"result":{"t":"cut"#, "EOF while parsing"),
        (r#"{"jsonrpc":"2.0","result":{"t":"cut"#, "Drop"),
        (&format!(r#"{{"jsonrpc":"2.0","id":7,"result":{deep}}}"#), "recursion limit"),
        (r#"{"jsonrpc":"2.0","id":7,"result":1,"result":2}"#, "duplicate field"),
        (r#"{"jsonrpc":"2.0","id":7,"error":"no"}"#, "invalid type: string"),
        (r#"{"jsonrpc":"2.0","id":7}"#, "neither a result nor an error"),
        (r#"{"jsonrpc":"1.0","id":7,"result":{}}"#, "is not \\\"2.0"),
        (r#"{"id":7,"result":{}}"#, "is not \\\"2.0"),
    ] {
        let passed = answered(text.as_bytes()).await;
        assert!(passed.contains(problem), "{text}: {passed}");
        let is_error = passed.starts_with(r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32097,"#);
        // Nobody waits for what was cut before its id.
        assert_eq!(is_error, problem != "Drop", "{text}: {passed}");
    }
    // The reason does not have the whole answer in it.
    let long = json!({"jsonrpc": "2.0", "id": 7, "error": "x".repeat(900)}).to_string();
    assert!(answered(long.as_bytes()).await.len() < 400);
}

#[tokio::test]
async fn an_answer_with_null_beside_what_it_says_is_one_to_rmcp() {
    use rmcp::model::ServerJsonRpcMessage;
    for (text, is_result) in [
        (r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[]},"error":null}"#, true),
        (r#"{"error":null,"method":null,"result":{},"jsonrpc":"2.0","id":7}"#, true),
        (r#"{"id":7,"result":null,"error":{"code":-1,"message":"no"},"jsonrpc":"2.0"}"#, false),
    ] {
        let passed = answered(text.as_bytes()).await;
        match serde_json::from_str(&passed) {
            Ok(ServerJsonRpcMessage::Response(_)) => assert!(is_result, "{passed}"),
            Ok(ServerJsonRpcMessage::Error(_)) => assert!(!is_result, "{passed}"),
            other => panic!("{passed}: {other:?}"),
        }
        assert!(!passed.contains("-32097"), "{passed}");
    }
}

#[tokio::test]
async fn a_text_that_is_no_unicode_comes_with_replacements() {
    let whole = r#"{"jsonrpc":"2.0","id":7,"result":{"t":"cut …"}}"#;
    let marked = format!("\u{feff}{whole}");
    for (text, expected) in [
        (whole.replace('…', r"\ud83d").into_bytes(), whole.replace('…', r"\ufffd")),
        (marked.clone().into_bytes(), format!("   {whole}")),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"t\":\"cut \xff\"}}".to_vec(),
            whole.replace('…', "\u{fffd}"),
        ),
    ] {
        assert_eq!(answered(&text).await, expected);
    }
    let too_much = [&b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\""[..], &[0xff; 900], b"\"}"];
    let passed = answered(&too_much.concat()).await;
    assert!(passed.contains("-32097"), "{passed}");
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_one_for_nothing() {
    let intake = intake(1000);
    let text = br#"{"method":"ping","params":{"n":NaN},"jsonrpc":"2.0","id":"a"}"#;
    let instead = br#"{"jsonrpc":"2.0","id":"a","method":"unreadable"}"#;
    assert_eq!(intake.take(text.to_vec(), None).await, Taken::Pass(instead.to_vec()));
}

#[tokio::test]
async fn json_that_is_no_message_goes_nowhere() {
    let intake = intake(1000);
    asks(&intake, 7);
    for text in [
        r#"{"level":"info","msg":"started"}"#,
        r#"{"id":7,"level":"info"}"#,
        r#"{"method":"GET","path":"/"}"#,
        r#"[{"jsonrpc":"2.0","id":7,"result":{}}]"#,
        "42",
        "null",
    ] {
        assert!(!takes(&intake, text).await, "{text}");
    }
    assert!(takes(&intake, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#).await);
}

#[tokio::test]
async fn an_answer_to_a_handshake_passes_as_it_is_unless_it_is_too_long() {
    let answer = |id: i64, length: usize| {
        let result = json!({
            "protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo":
            {"name": "up", "version": "1"}, "instructions": "x".repeat(length),
        });
        json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string().into_bytes()
    };
    let again = RequestId::Number(0);
    for (length, passes) in [(100 << 10, true), (MAX_HANDSHAKE, false)] {
        for is_first in [true, false] {
            let intake = intake(1 << 20);
            intake.asked.lock().is_connected = !is_first;
            asks(&intake, 0);
            let text = answer(0, length);
            let taken = intake.take(text.clone(), Some(&again).filter(|_| !is_first)).await;
            assert_eq!(taken, if passes { Taken::Pass(text) } else { Taken::Close });
        }
    }
    // Another answer on the same stream is none.
    let intake = intake(1 << 20);
    asks(&intake, 1);
    let taken = intake.take(answer(1, MAX_HANDSHAKE), Some(&again)).await;
    assert!(matches!(taken, Taken::Pass(text) if text.len() < 100));
}

#[tokio::test]
async fn what_is_forgotten_before_it_is_sent_has_no_answer_that_stays() {
    let intake = intake(8 << 20);
    intake.forget(&RequestId::Number(7));
    asks(&intake, 7);
    let text = "x".repeat(1 << 20);
    let answer = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"x":"{text}"}}}}"#);
    assert!(!takes(&intake, &answer).await);
    assert_eq!(intake.account.used(), 0);
    for id in (0_i64..).take(2 * MAX_EARLY) {
        intake.forget(&RequestId::Number(id));
    }
    assert_eq!(intake.asked.lock().early.len(), MAX_EARLY);
}

#[tokio::test]
async fn a_large_result_is_read_elsewhere_and_charged_until_nobody_needs_it() {
    let intake = intake(8 << 20);
    asks(&intake, 7);
    let block = json!({"type": "text", "text": "x".repeat(1 << 20)});
    let text = json!({"jsonrpc": "2.0", "id": 7, "result": {"content": [block]}}).to_string();
    let Taken::Pass(passed) = intake.take(text.into_bytes(), None).await else { panic!("dropped") };
    assert_eq!(passed, br#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
    assert!(intake.account.used() > 1 << 20);
    let id = RequestId::Number(7);
    let result = intake.result(&id);
    assert!(matches!(&result, Some(ServerResult::CallToolResult(_))), "{result:?}");
    assert!(intake.result(&id).is_none());
    let charge = intake.take_charge(&id);
    intake.forget(&id);
    assert_eq!(intake.account.used(), charge.bytes());
    assert!(charge.bytes() > 1 << 20);
    drop(charge);
    assert_eq!(intake.account.used(), 0);
}

#[tokio::test]
async fn a_result_of_more_values_than_there_is_memory_for_is_an_error_of_its_request() {
    let intake = intake(8 << 20);
    asks(&intake, 7);
    let result = format!("[{}0]", "0,".repeat(1 << 20));
    let text = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"x":{result}}}}}"#);
    let Taken::Pass(passed) = intake.take(text.into_bytes(), None).await else { panic!("dropped") };
    let passed = String::from_utf8(passed).unwrap();
    assert!(passed.contains("-32098") && passed.contains(r#""id":7"#), "{passed}");
    assert_eq!(intake.account.used(), 0);
}

#[tokio::test]
async fn who_does_not_read_its_answers_is_cut_off() {
    let intake = intake(1 << 20);
    let owed: Vec<_> = (0..MAX_OWED).map(|_| intake.asks()).collect();
    assert!(!intake.broken.is_cancelled());
    drop(owed);
    let owed: Vec<_> = (0..MAX_OWED).map(|_| intake.asks()).collect();
    assert!(!intake.broken.is_cancelled());
    let one_more = intake.asks();
    assert!(intake.broken.is_cancelled());
    drop((owed, one_more));
}

#[test]
fn values_are_counted_outside_of_strings() {
    for (text, most) in [("1", 1), ("[1,2]", 3), (r#"{"a":[],"b,[{":"\",,"}"#, 6), ("[[[", 4)] {
        assert_eq!(values(text.as_bytes()), most, "{text}");
    }
}

#[test]
fn only_annotated_schemas_stand_in_for_a_list() {
    let tool = |name: &str, header: &str| {
        json!({"name": name, "inputSchema": {"type": "object",
            "properties": {"a": {"type": "string", header: "Region"}}}})
    };
    let list = json!({"tools": [tool("a", "x-other"), tool("b", "x-mcp-header")]});
    let read: ServerResult = serde_json::from_value(list).unwrap();
    let stand_in = stand_in(&read);
    assert_eq!(stand_in["tools"].as_array().map(Vec::len), Some(1), "{stand_in}");
    assert_eq!(stand_in["tools"][0]["name"], "b");
}
