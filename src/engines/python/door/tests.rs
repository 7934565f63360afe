//! The door and the world of a run, with a server at the other end of the socket.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::Door;
use crate::engines::python::image::Image;
use crate::engines::python::world::{End, RunWorld, World};
use crate::protocol::{
    Answer, Failure, FileOperation, FrameReader, HandleCall, HandleOperation, Limit, MAX_IMAGE,
    NetworkOperation, Operation, Outcome, Output, Program, ProgramErrorKind, RequestBody, Response,
    ServerMessage, Stream, ToolOperation, WorkerMessage, decode, encode,
};
use crate::worker::Connection;

/// Longest frame in these tests.
const MAX_FRAME: usize = 4 << 20;

struct Test {
    door: Door,
    world: Rc<RunWorld>,
    server: JoinHandle<Vec<WorkerMessage>>,
    _runtime: Runtime,
}

fn program() -> Program {
    Program {
        source: "1 + 1".into(),
        globals: "{}".into(),
        workspace: "/ws".into(),
        has_servers: true,
        max_output: 10,
        max_flood: 100,
        max_value: 20,
        max_depth: 3,
        grace: Duration::from_millis(1500),
        allowed_packages: vec!["pypi:tabulate@^0.9".into()],
        ..constant()
    }
}

/// What has no meaning here.
fn constant() -> Program {
    Program {
        source: String::new(),
        globals: String::new(),
        workspace: String::new(),
        has_servers: false,
        max_output: 0,
        max_flood: 0,
        max_value: 0,
        max_depth: 0,
        grace: Duration::ZERO,
        without_packages: None,
        allowed_packages: Vec::new(),
    }
}

impl Test {
    /// With a server that answers requests, and hands over what it has heard at the end.
    fn new(answer: impl Fn(u32, Operation) -> Vec<ServerMessage> + Send + 'static) -> Self {
        let (mine, theirs) = UnixStream::pair().expect("a pair of sockets");
        let server = std::thread::spawn(move || serve(theirs, answer));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let connection = {
            let _guard = runtime.enter();
            Rc::new(Connection::new(OwnedFd::from(mine)).expect("a connection"))
        };
        let program = program();
        let world = Rc::new(RunWorld::new(connection, &program));
        let image = Rc::new(Image::of(&[]));
        let door = Door::open(image, world.clone(), program);
        Self { door, world, server, _runtime: runtime }
    }

    fn done() -> Self {
        Self::new(|id, _| vec![ServerMessage::Reply { id, result: Ok(Answer::Done) }])
    }

    fn call(&mut self, header: &Value, body: &[u8]) -> (Value, Vec<u8>) {
        reply(&self.door.call(&frame(header, body)).expect("the run goes on"))
    }

    fn ok(&mut self, header: &Value) -> Value {
        self.call(header, b"").0["ok"].take()
    }

    /// What the server has heard.
    fn heard(self) -> Vec<WorkerMessage> {
        drop((self.door, self.world));
        self.server.join().expect("the server ends")
    }
}

fn serve(
    mut socket: UnixStream,
    answer: impl Fn(u32, Operation) -> Vec<ServerMessage>,
) -> Vec<WorkerMessage> {
    let (mut reader, mut heard) = (FrameReader::new(MAX_FRAME), Vec::new());
    let mut buffer = vec![0; 64 << 10];
    loop {
        while let Some(body) = reader.next_body().expect("a frame") {
            let message: WorkerMessage = decode(body).expect("a message");
            if let WorkerMessage::Request { id, operation } = &message {
                for message in answer(*id, operation.clone()) {
                    // The worker may have ended without reading it.
                    let _ = socket.write_all(&encode(&message));
                }
            }
            heard.push(message);
        }
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return heard,
            Ok(read) => reader.push(&buffer[..read]),
        }
    }
}

fn frame(header: &Value, body: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u32).to_le_bytes()[..], header.as_bytes(), body].concat()
}

fn reply(frame: &[u8]) -> (Value, Vec<u8>) {
    let length = u32::from_le_bytes(frame[..4].try_into().expect("four bytes")) as usize;
    let header = serde_json::from_slice(&frame[4..4 + length]).expect("JSON");
    (header, frame[4 + length..].to_vec())
}

fn refused() -> Failure {
    Failure {
        class: "NotCapable".into(),
        message: "Requires read access".into(),
        code: None,
        refused: true,
    }
}

fn stat() -> Operation {
    Operation::File(FileOperation::Stat { path: "a".into(), follow: true })
}

fn servers() -> Value {
    json!({ "tool": "servers" })
}

#[test]
fn a_program_is_told_with_its_limits_and_packages() {
    let mut test = Test::done();
    let told = test.ok(&json!({ "do": "program" }));
    assert_eq!(told["source"], "1 + 1");
    assert_eq!(told["workspace"], "/ws");
    assert_eq!((&told["hasServers"], &told["maxDepth"]), (&json!(true), &json!(3)));
    assert_eq!(told["grace"], 1.5);
    assert_eq!(
        told["packages"],
        json!({ "allowed": ["pypi:tabulate@^0.9"], "installed": {}, "requested": {} })
    );
}

#[test]
fn frames_that_are_none_are_answered() {
    let mut test = Test::done();
    let frames: [&[u8]; 6] = [
        b"",
        b"\xff\xff\xff\xff",
        b"\x02\0\0\0{",
        b"\x02\0\0\0{}",
        b"\x01\0\0\0[",
        b"\x0f\0\0\0{\"do\":\"nothing\"}",
    ];
    for frame in frames {
        let (header, _) = reply(&test.door.call(frame).expect("the run goes on"));
        assert_eq!(header["error"]["class"], "TypeError", "{frame:?}");
    }
    for operation in [json!(null), json!({ "file": {} }), json!({ "file": { "stat": {} } })] {
        let (header, _) = test.call(&json!({ "do": "call", "operation": operation }), b"");
        assert_eq!(header["error"]["class"], "TypeError", "{operation}");
    }
}

#[test]
fn the_zygotes_door_is_closed() {
    let (header, _) = reply(&Door::default().call(b"").expect("an answer"));
    assert!(header["error"]["message"].is_string());
}

#[test]
fn an_operation_is_answered_as_json_and_bytes() {
    let mut test = Test::new(|id, operation| {
        let result = Ok(match operation {
            Operation::Tool(ToolOperation::Servers) => Answer::Text("[]".into()),
            Operation::Handle(HandleOperation::InTurn { .. }) => Answer::Bytes(vec![0, 255].into()),
            Operation::Network(_) => Answer::Response(Box::new(Response {
                status: 200,
                headers: vec![(b"x".to_vec().into(), vec![b'a', 0xe9].into())],
                handle: 4,
                ..Response::default()
            })),
            Operation::Command(_) => Answer::Output(Box::new(Output {
                stdout: Some(b"out".to_vec().into()),
                stderr: Some(b"err".to_vec().into()),
                ..Output::default()
            })),
            _ => Answer::Done,
        });
        vec![ServerMessage::Reply { id, result }]
    });
    let call = |test: &mut Test, operation: Value| {
        let (header, body) = test.call(&json!({ "do": "call", "operation": operation }), b"");
        (header["ok"].clone(), body)
    };
    assert_eq!(call(&mut test, servers()), (json!({ "Text": "[]" }), vec![]));
    let read = json!({ "handle": { "inTurn": { "handle": 1, "call": { "read": { "max": 9 } } } } });
    assert_eq!(call(&mut test, read), (json!({ "Bytes": null }), vec![0, 255]));
    let fetch =
        json!({ "network": { "fetch": { "method": "GET", "url": "http://a", "headers": [] } } });
    let (response, _) = call(&mut test, fetch);
    assert_eq!(response["Response"]["headers"], json!([["x", "a\u{e9}"]]));
    let (output, body) = call(&mut test, json!({ "command": { "output": { "command": "ls" } } }));
    assert_eq!((&output["Output"]["stdout"], body), (&json!(3), b"outerr".to_vec()));
    let remove = json!({ "file": { "remove": { "path": "a", "recursive": false } } });
    assert_eq!(call(&mut test, remove), (json!("Done"), vec![]));
}

#[test]
fn the_bytes_of_a_frame_are_those_of_its_operation() {
    let mut test = Test::done();
    let write = json!({ "handle": { "inTurn": { "handle": 1, "call": { "write": {} } } } });
    let file = json!({ "file": { "writeFile": { "path": "a", "options": {} } } });
    let fetch = json!({ "network": { "fetch": {
        "method": "POST", "url": "http://a", "headers": [["x", "\u{e9}"], ["y", "€"]], "body": "bytes"
    } } });
    for operation in [write, file, fetch] {
        let (header, _) = test.call(&json!({ "do": "call", "operation": operation }), b"\0\xff");
        assert_eq!(header, json!({ "ok": "Done" }));
    }
    let heard = test.heard();
    let operations: Vec<&Operation> = heard
        .iter()
        .filter_map(|message| match message {
            WorkerMessage::Request { operation, .. } => Some(operation),
            _ => None,
        })
        .collect();
    let [
        Operation::Handle(HandleOperation::InTurn { call: HandleCall::Write { data }, .. }),
        Operation::File(FileOperation::WriteFile { data: file, .. }),
        Operation::Network(NetworkOperation::Fetch {
            headers, body: RequestBody::Bytes(body), ..
        }),
    ] = operations[..]
    else {
        panic!("{operations:?}");
    };
    assert_eq!((data.as_slice(), file.as_slice()), (&b"\0\xff"[..], &b"\0\xff"[..]));
    assert_eq!(body.as_slice(), b"\0\xff");
    assert_eq!((headers[0].1.as_slice(), headers[1].1.as_slice()), (&[0xe9][..], "€".as_bytes()));
}

#[test]
fn a_refusal_says_where_the_program_was() {
    let mut test = Test::new(|id, _| vec![ServerMessage::Reply { id, result: Err(refused()) }]);
    let (header, _) = test.call(&json!({ "do": "call", "operation": servers(), "line": 7 }), b"");
    assert_eq!(header["error"]["refused"], true);
    assert_eq!(header["error"]["message"], "Requires read access");
    let at = |message: &WorkerMessage| {
        matches!(message, WorkerMessage::RefusedAt { id: 0, line: 7, column: 1 })
    };
    assert!(test.heard().iter().any(at));
}

#[test]
fn a_refusal_of_a_file_call_is_told_once_and_with_its_place() {
    let mut test = Test::new(|id, _| vec![ServerMessage::Reply { id, result: Err(refused()) }]);
    assert_eq!(test.ok(&json!({ "do": "refusal" })), Value::Null);
    assert!(test.world.ask(stat()).expect("the run goes on").is_err());
    let told = test.ok(&json!({ "do": "refusal", "line": 3, "column": 5 }));
    assert_eq!(told, json!({ "class": "NotCapable", "message": "Requires read access" }));
    assert_eq!(test.ok(&json!({ "do": "refusal" })), Value::Null);
    let at = |message: &WorkerMessage| {
        matches!(message, WorkerMessage::RefusedAt { line: 3, column: 5, .. })
    };
    assert!(test.heard().iter().any(at));
}

#[test]
fn a_failure_that_says_all_leaves_no_refusal_behind() {
    let missing = Failure {
        class: "NotFound".into(),
        code: Some("ENOENT".into()),
        refused: false,
        ..refused()
    };
    let mut test = Test::new(move |id, _| {
        let failure = if id == 0 { refused() } else { missing.clone() };
        vec![ServerMessage::Reply { id, result: Err(failure) }]
    });
    for _ in 0..2 {
        assert!(test.world.ask(stat()).expect("the run goes on").is_err());
    }
    assert_eq!(test.ok(&json!({ "do": "refusal" })), Value::Null);
}

#[test]
fn what_was_started_is_waited_for_in_the_order_of_its_answers() {
    // The second is answered first.
    let mut test = Test::new(|id, _| match id {
        0 => Vec::new(),
        _ => [id, 0]
            .map(|id| ServerMessage::Reply { id, result: Ok(Answer::Text(id.to_string())) })
            .into(),
    });
    for expected in [0, 1] {
        let start = json!({ "do": "start", "operation": servers() });
        assert_eq!(test.ok(&start), json!(expected));
    }
    let wait = json!({ "do": "wait", "seconds": null });
    assert_eq!(test.ok(&wait), json!({ "id": 1, "ok": { "Text": "1" } }));
    assert_eq!(test.ok(&wait), json!({ "id": 0, "ok": { "Text": "0" } }));
    assert_eq!(test.ok(&wait), Value::Null);
}

#[test]
fn a_wait_ends_when_its_time_is_over() {
    let mut test = Test::new(|_, _| Vec::new());
    test.ok(&json!({ "do": "start", "operation": servers() }));
    let begun = Instant::now();
    assert_eq!(test.ok(&json!({ "do": "wait", "seconds": 0.05 })), Value::Null);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    for seconds in [json!(0), json!(-1), json!(-1e300)] {
        assert_eq!(test.ok(&json!({ "do": "wait", "seconds": seconds })), Value::Null);
    }
}

#[test]
fn a_wait_that_comes_after_another_call_has_taken_the_answer_in_does_not_hang() {
    let mut test = Test::new(|id, _| match id {
        0 => Vec::new(),
        _ => [0, id].map(|id| ServerMessage::Reply { id, result: Ok(Answer::Done) }).into(),
    });
    test.ok(&json!({ "do": "start", "operation": servers() }));
    assert_eq!(test.ok(&json!({ "do": "call", "operation": servers() })), json!("Done"));
    let wait = json!({ "do": "wait", "seconds": null });
    assert_eq!(test.ok(&wait), json!({ "id": 0, "ok": "Done" }));
}

#[test]
fn what_is_cancelled_is_not_waited_for_and_the_server_is_told() {
    let mut test = Test::new(|_, _| Vec::new());
    test.ok(&json!({ "do": "start", "operation": servers() }));
    assert_eq!(test.ok(&json!({ "do": "cancel", "id": 0 })), json!(true));
    assert_eq!(test.ok(&json!({ "do": "cancel", "id": 0 })), json!(false));
    assert_eq!(test.ok(&json!({ "do": "wait", "seconds": null })), Value::Null);
    let told = |message: &WorkerMessage| matches!(message, WorkerMessage::Cancel { id: 0 });
    assert!(test.heard().iter().any(told));
}

#[test]
fn more_is_started_than_may_be_on_its_way() {
    let mut test = Test::done();
    let many = 3000;
    for _ in 0..many {
        test.ok(&json!({ "do": "start", "operation": servers() }));
    }
    let wait = json!({ "do": "wait", "seconds": null });
    let mut ids: Vec<u64> =
        (0..many).map(|_| test.ok(&wait)["id"].as_u64().expect("an answer")).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..many).collect::<Vec<_>>());
}

#[test]
fn a_stop_ends_every_wait() {
    let waits: [fn(&mut Test) -> Option<End>; 4] = [
        |test| test.world.sleep(Duration::from_secs(60)).err(),
        |test| test.world.sleep(Duration::MAX).err(),
        |test| test.world.ask(stat()).err(),
        |test| {
            let wait = frame(&json!({ "do": "wait", "seconds": 60 }), b"");
            test.door.call(&wait).err()
        },
    ];
    for wait in waits {
        let mut test = Test::new(|_, _| vec![ServerMessage::Stop]);
        test.ok(&json!({ "do": "start", "operation": servers() }));
        assert_eq!(wait(&mut test), Some(End::Stopped));
    }
}

#[test]
fn a_server_that_is_gone_ends_the_run() {
    let mut test = Test::new(|_, _| panic!("the server is gone"));
    let call = frame(&json!({ "do": "call", "operation": servers() }), b"");
    assert_eq!(test.door.call(&call).err(), Some(End::Lost));
}

#[test]
fn output_is_kept_to_its_limit_and_a_flood_ends_the_run() {
    let test = Test::done();
    assert_eq!(test.world.print(Stream::Stdout, b"12345678"), Ok(()));
    assert_eq!(test.world.print(Stream::Stderr, b"12345678"), Ok(()));
    assert_eq!(test.world.print(Stream::Stdout, b"12345678"), Ok(()));
    let flood = test.world.print(Stream::Stdout, &[b'x'; 100]);
    assert_eq!(flood, Err(End::Exceeded(Limit::Output)));
    let heard = test.heard();
    let printed: Vec<u8> = heard
        .iter()
        .filter_map(|message| match message {
            WorkerMessage::Output { bytes, .. } => Some(bytes.to_vec()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(printed, b"1234567812");
    let full = heard.iter().filter(|message| matches!(message, WorkerMessage::OutputFull));
    assert_eq!(full.count(), 1);
}

#[test]
fn a_picture_is_sent_unless_it_is_too_large() {
    let mut test = Test::done();
    let image = json!({ "do": "image", "mimeType": "image/png" });
    assert_eq!(test.call(&image, b"png").0, json!({ "ok": null }));
    assert!(test.call(&image, &vec![0; MAX_IMAGE + 1]).0["error"]["message"].is_string());
    assert_eq!(test.ok(&json!({ "do": "note", "text": "cut" })), Value::Null);
    let heard = test.heard();
    let [WorkerMessage::Started, WorkerMessage::Image { bytes, .. }, WorkerMessage::Note(note)] =
        &heard[..]
    else {
        panic!("{heard:?}");
    };
    assert_eq!((bytes.as_slice(), note.as_str()), (&b"png"[..], "cut"));
}

#[test]
fn a_program_starts_once() {
    let mut test = Test::done();
    test.ok(&json!({ "do": "started" }));
    test.ok(&json!({ "do": "started" }));
    assert_eq!(test.heard().len(), 1);
}

#[test]
fn the_server_hears_of_the_start_before_any_request() {
    let requests: [fn(&mut Test); 3] = [
        |test| drop(test.world.ask(stat())),
        |test| drop(test.ok(&json!({ "do": "call", "operation": servers() }))),
        |test| drop(test.ok(&json!({ "do": "start", "operation": servers() }))),
    ];
    for request in requests {
        let mut test = Test::done();
        request(&mut test);
        test.ok(&json!({ "do": "started" }));
        let heard = test.heard();
        assert!(matches!(heard[0], WorkerMessage::Started), "{heard:?}");
        let started = heard.iter().filter(|message| matches!(message, WorkerMessage::Started));
        assert_eq!(started.count(), 1);
    }
}

fn outcome(told: Value, body: &[u8]) -> Option<Outcome> {
    let mut test = Test::done();
    test.call(&json!({ "do": "outcome", "outcome": told }), body);
    test.door.outcome()
}

#[test]
fn an_outcome_is_what_the_program_says() {
    assert_eq!(outcome(json!({ "value": null }), b"42"), Some(Outcome::Value("42".into())));
    assert_eq!(outcome(json!({ "exit": 3 }), b""), Some(Outcome::Exit(3)));
    let exceeded = |limit| Some(Outcome::Exceeded { limit, stack: None });
    assert_eq!(outcome(json!({ "exceeded": "valueDepth" }), b""), exceeded(Limit::ValueDepth));
    assert_eq!(outcome(json!({ "value": null }), &[b'1'; 21]), exceeded(Limit::ValueSize));
    let memory = json!({ "exceeded": "memory", "stack": "line 1" });
    let stack = Some("line 1".to_owned());
    assert_eq!(outcome(memory, b""), Some(Outcome::Exceeded { limit: Limit::Memory, stack }));
}

#[test]
fn an_error_is_told_with_what_caused_it() {
    let related: Vec<Value> =
        (0..40).map(|_| json!({ "of": null, "isCause": true, "name": "KeyError" })).collect();
    let error = json!({ "kind": "permission", "name": "PermissionError", "message": "no", "line": 2,
        "related": related, "unknown": 1 });
    let Some(Outcome::Error(error)) = outcome(json!({ "error": error }), b"") else {
        panic!("no error");
    };
    assert_eq!((error.kind, error.line), (ProgramErrorKind::Permission, Some(2)));
    assert_eq!((error.related.len(), error.related[0].is_cause), (32, true));
}

#[test]
fn what_is_no_outcome_is_none() {
    let wrong = [json!({}), json!(null), json!({ "exit": "x" }), json!({ "error": 1 })];
    for told in wrong {
        assert_eq!(outcome(told.clone(), b""), None, "{told}");
    }
    assert_eq!(outcome(json!({ "value": null }), b"\xff"), None);
}

#[test]
fn the_first_outcome_counts() {
    let mut test = Test::done();
    test.ok(&json!({ "do": "outcome", "outcome": { "exit": 1 } }));
    test.ok(&json!({ "do": "outcome", "outcome": { "exit": 2 } }));
    assert_eq!(test.door.outcome(), Some(Outcome::Exit(1)));
}

#[test]
fn a_value_is_sent_before_what_was_left_behind_is_done() {
    let mut test = Test::new(|_, _| Vec::new());
    assert_eq!(test.door.left(None), None);
    test.ok(&json!({ "do": "started" }));
    assert_eq!(test.call(&json!({ "do": "value" }), b"[1]").0, json!({ "ok": null }));
    assert!(test.call(&json!({ "do": "value" }), b"[2]").0["error"]["message"].is_string());
    let task = |line: u32, count: u32| json!({ "what": "task f", "line": line, "count": count });
    test.ok(&json!({ "do": "left", "work": [task(2, 3), task(5, 1)] }));
    test.ok(&json!({ "do": "left", "work": [task(2, 1)] }));
    // One that the task waits for, and one that nobody does.
    for line in [2, 7] {
        test.ok(&json!({ "do": "start", "operation": servers(), "line": line }));
    }
    let left = test.door.left(Some(9)).expect("the value was sent");
    let left: Vec<_> = left.iter().map(|work| (&*work.what, work.line, work.count)).collect();
    let running = ("code that was running", Some(9), 1);
    assert_eq!(left, [("task f", Some(2), 1), running, ("serverNames", Some(7), 1)]);
    let sent =
        |message: &WorkerMessage| matches!(message, WorkerMessage::Value(json) if json == "[1]");
    assert!(test.heard().iter().any(sent));
}

#[test]
fn the_outcome_after_a_value_is_what_is_left() {
    let mut test = Test::done();
    test.call(&json!({ "do": "value" }), b"1");
    test.ok(&json!({ "do": "outcome", "outcome": { "left": null } }));
    assert_eq!(test.door.outcome(), Some(Outcome::Left(Vec::new())));
    let mut test = Test::done();
    let (header, _) = test.call(&json!({ "do": "outcome", "outcome": { "left": null } }), b"");
    assert!(header["error"]["message"].is_string(), "no value was sent");
    assert_eq!(test.door.outcome(), None);
}

#[test]
fn what_is_left_behind_is_listed_up_to_a_limit() {
    let mut test = Test::done();
    test.call(&json!({ "do": "value" }), b"1");
    let work: Vec<Value> = (0..100)
        .map(|line| json!({ "what": "x".repeat(1000), "line": line, "count": 1 }))
        .collect();
    test.ok(&json!({ "do": "left", "work": work }));
    let left = test.door.left(None).expect("the value was sent");
    assert_eq!((left.len(), left[0].what.len(), left[19].count), (20, 200, 81));
}
