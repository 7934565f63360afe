use super::super::intake::tests::{asks, intake};
use super::*;

trait Chunks: futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin {}
impl<S: futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin> Chunks for S {}

/// The stream of an answer to request 7, as a server sends it.
async fn answer_to_7(text: String, intake: &Arc<Intake>, ended: &Arc<Ended>) -> Vec<Sse> {
    events_of(text, None, intake, ended).await
}

async fn events_of(
    text: String,
    again: Option<RequestId>,
    intake: &Arc<Intake>,
    ended: &Arc<Ended>,
) -> Vec<Sse> {
    let source = futures::stream::iter([Ok(bytes::Bytes::from(text))]);
    let answers = Some(7.into());
    let (all_ended, intake) = (ended.clone(), intake.clone());
    all(Reading { again, answers, all_ended, ..reading(source, intake) }).await
}

/// Of a stream from which nothing has come.
fn reading<S: Chunks>(source: S, intake: Arc<Intake>) -> Reading<S> {
    Reading {
        events: Events::of(source),
        intake,
        resumes: false,
        again: None,
        answers: None,
        last: None,
        all_ended: Arc::default(),
        pace: None,
        is_sse: false,
        welcome: None,
        since: Instant::now(),
        was_useful: false,
        is_over: false,
    }
}

async fn all<S: Chunks>(mut reading: Reading<S>) -> Vec<Sse> {
    let mut events = Vec::new();
    while let Some(Ok(event)) = reading.next().await {
        events.push(event);
    }
    events
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_an_error_wherever_its_id_is() {
    let long = "x".repeat(5000);
    for (message, fails) in [
        (format!(r#"{{"result":{{"x":"{long}"}},"jsonrpc":"2.0","id":7}}"#), true),
        (format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"x":"{long}"}}}}"#), true),
        (format!(r#"{{"error":{{"message":"{long}"}},"jsonrpc":"2.0","id":7}}"#), true),
        (format!(r#"{{"method":"x","params":{{"result":"{long}"}}}}"#), false),
        (format!(r#"{{"params":{{"x":"{long}"}},"method":"x"}}"#), false),
    ] {
        let (intake, ended) = (intake(1000), Arc::default());
        asks(&intake, 7);
        let text = format!("id: a1\ndata:\n\ndata: {message}\n\n");
        let events = answer_to_7(text, &intake, &ended).await;
        let last = events.last().and_then(|event| event.data.as_deref()).unwrap_or_default();
        assert_eq!(last.contains("-32099") && last.contains(r#""id":7"#), fails, "{message}");
        // What goes on after its first event is for the same request.
        assert_eq!((ended.request("a1"), ended.request("a2")), (Some(7.into()), None));
    }
}

#[tokio::test]
async fn the_answer_to_a_handshake_may_come_after_a_notification() {
    let answer = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    let told = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
    let text = format!("data: {told}\n\ndata: {answer}\n\n");
    for (again, count) in [(Some(RequestId::Number(7)), 2), (None, 1)] {
        // It has been answered, in the session before.
        let events = events_of(text.clone(), again, &intake(1000), &Arc::default()).await;
        assert_eq!(events.len(), count, "{events:?}");
    }
}

/// What a server of HTTP+SSE sends to requests 7 and 8, in chunks.
async fn from_sse(text: String, limit: usize) -> Vec<Sse> {
    let chunks: Vec<_> = text.into_bytes().chunks(100).map(bytes::Bytes::copy_from_slice).collect();
    let intake = intake(limit);
    asks(&intake, 7);
    asks(&intake, 8);
    let source = futures::stream::iter(chunks.into_iter().map(Ok));
    let (resumes, welcome) = (true, Some(Arc::default()));
    all(Reading { resumes, is_sse: true, welcome, ..reading(source, intake) }).await
}

#[tokio::test]
async fn on_the_only_stream_answers_come_after_one_that_is_too_long() {
    let long = "x".repeat(5000);
    let next = r#"{"jsonrpc":"2.0","id":8,"result":{}}"#;
    for (message, fails) in [
        (format!(r#"{{"result":{{"x":"{long}"}},"jsonrpc":"2.0","id":7}}"#), true),
        (format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"x":"{long}"}}}}"#), true),
        (format!(r#"{{"method":"notifications/message","params":"{long}"}}"#), false),
    ] {
        let events = from_sse(format!("data: {message}\n\ndata: {next}\n\n"), 1000).await;
        let mut found = events.iter().filter_map(|event| event.data.as_deref());
        if fails {
            let error = found.next().unwrap_or_default();
            assert!(error.contains("-32099") && error.contains(r#""id":7"#), "{error}");
        }
        assert_eq!(found.collect::<Vec<_>>(), [next], "{message:.40}");
    }
}

#[tokio::test]
async fn on_the_only_stream_nothing_comes_after_what_answers_nobody() {
    let text = format!("data: [\"{}\"]\n\ndata: {{\"id\":8}}\n\n", "z".repeat(5000));
    assert_eq!(from_sse(text, 1000).await.len(), 0);
}

#[test]
fn an_error_that_came_for_a_request_answers_it_whatever_its_id() {
    let request = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
    let request: ClientJsonRpcMessage = serde_json::from_str(request).unwrap();
    for id in ["null", "\"server-error\"", "8", "7"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":1,"message":""}}}}"#);
        let JsonRpcMessage::Error(error) =
            answering(&request, serde_json::from_str(&text).unwrap())
        else {
            panic!("{text}");
        };
        assert_eq!(error.id, Some(RequestId::Number(7)), "{id}");
    }
}

#[tokio::test]
async fn an_event_of_another_name_is_no_message() {
    let answer = r#"data: {"jsonrpc":"2.0","id":7,"result":{}}"#;
    for (name, passes) in [("message", true), ("", true), ("ping", false), ("error", false)] {
        let intake = intake(1000);
        asks(&intake, 7);
        let text = format!("event: {name}\n{answer}\n\n");
        let events = answer_to_7(text, &intake, &Arc::default()).await;
        assert_eq!(events.len(), usize::from(passes), "{name}");
    }
}

#[test]
fn of_streams_that_have_ended_the_last_ones_are_known() {
    let ended = Ended::default();
    for number in 0..100 {
        ended.note("again".to_owned(), 0.into());
        ended.note(number.to_string(), number.into());
    }
    let known = (0..100).filter(|number| ended.request(&number.to_string()).is_some());
    assert_eq!(known.count(), MAX_ENDED - 1);
    assert_eq!(ended.request("again"), Some(0.into()));
}

#[test]
fn streams_of_no_use_are_opened_ever_later() {
    let pace = Pace::default();
    let pauses: Vec<u64> = (0..9)
        .map(|_| {
            let pause = pace.pause().as_secs();
            pace.ended(false);
            pause
        })
        .collect();
    assert_eq!(pauses, [0, 0, 2, 4, 8, 16, 32, 60, 60]);
    pace.ended(true);
    assert_eq!(pace.pause(), Duration::ZERO);
}
