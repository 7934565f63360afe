//! What a server on standard output says, a JSON-RPC message a line, as far as it
//! is one and not too long.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, DuplexStream};

use super::error::shown;

/// Bytes kept of a line that is too long: an envelope's first or last members.
const KEPT: usize = 4096;

/// The code of the answer that takes the place of one that is too large. Within
/// the range that JSON-RPC 2.0 leaves to implementations.
pub(super) const TOO_LARGE: i32 = -32099;

/// Passes messages on until either end is closed.
pub(super) async fn pass_on(
    input: impl AsyncRead + Unpin,
    mut output: DuplexStream,
    limit: usize,
    name: &str,
) {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    let mut rate = Rate::default();
    loop {
        line.clear();
        match read_line(&mut input, &mut line, limit).await {
            Ok(Line::Whole) if line.trim_ascii().is_empty() => continue,
            Ok(Line::Whole) => {
                let Some(head) = Head::of(&line) else {
                    let start = String::from_utf8_lossy(&line[..line.len().min(200)]);
                    tracing::warn!(server = %name, "no JSON on standard output: {}", shown(&start));
                    continue;
                };
                match rate.judge(&head, line.len()) {
                    Judgement::Pass => line.push(b'\n'),
                    Judgement::Drop => continue,
                    Judgement::Close => {
                        tracing::warn!(server = %name, "it asks without end: disconnected");
                        return;
                    }
                }
            }
            Ok(Line::TooLong { end }) => {
                tracing::warn!(server = %name, "a message is longer than {limit} bytes");
                if find(&line, b"\"method\"").is_some() {
                    continue;
                }
                // Nobody can say which request it answers: all of them fail.
                let Some(id) = id_of(&line, &end) else { return };
                let message = "The result is too large";
                let error = json!({"code": TOO_LARGE, "message": message});
                line = json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string().into();
                line.push(b'\n');
            }
            Ok(Line::End) | Err(_) => return,
        }
        if output.write_all(&line).await.is_err() {
            return;
        }
    }
}

/// Requests that a server may send in a second, and bytes of one: rmcp keeps each
/// until it is answered, and an answer until the server reads it.
const MAX_REQUESTS: u32 = 64;
const MAX_REQUEST: usize = 256 << 10;

/// Notifications in a second; the others are dropped.
const MAX_NOTIFICATIONS: u32 = 1000;

/// What a server sent in the current second beside answers.
struct Rate {
    since: Instant,
    requests: u32,
    notifications: u32,
}

enum Judgement {
    Pass,
    Drop,
    Close,
}

impl Default for Rate {
    fn default() -> Self {
        Self { since: Instant::now(), requests: 0, notifications: 0 }
    }
}

/// Which members a message has; none if it is some other JSON.
#[derive(Default, Deserialize)]
struct Head {
    method: Option<IgnoredAny>,
    id: Option<IgnoredAny>,
}

impl Head {
    /// `None` if the line is no JSON.
    fn of(line: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(line).ok().or_else(|| {
            // It may still be JSON: no object, or one that names a member twice, or in
            // no Unicode.
            serde_json::from_slice::<IgnoredAny>(line).ok().map(|_| Self::default())
        })
    }
}

impl Rate {
    /// `length` is that of the whole line.
    fn judge(&mut self, head: &Head, length: usize) -> Judgement {
        if head.method.is_none() {
            return Judgement::Pass;
        }
        if self.since.elapsed() > Duration::from_secs(1) {
            *self = Self::default();
        }
        if head.id.is_some() {
            self.requests += 1;
            let many = self.requests > MAX_REQUESTS || length > MAX_REQUEST;
            return if many { Judgement::Close } else { Judgement::Pass };
        }
        self.notifications += 1;
        if self.notifications > MAX_NOTIFICATIONS { Judgement::Drop } else { Judgement::Pass }
    }
}

enum Line {
    Whole,
    /// `line` has the first bytes.
    TooLong {
        end: Vec<u8>,
    },
    End,
}

async fn read_line(
    input: &mut (impl AsyncBufReadExt + Unpin),
    line: &mut Vec<u8>,
    limit: usize,
) -> std::io::Result<Line> {
    let mut end: Option<Vec<u8>> = None;
    loop {
        let buffer = input.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(Line::End);
        }
        let newline = buffer.iter().position(|&byte| byte == b'\n');
        let part = &buffer[..newline.unwrap_or(buffer.len())];
        let used = part.len() + usize::from(newline.is_some());
        match &mut end {
            None if line.len() + part.len() <= limit => line.extend_from_slice(part),
            None => {
                line.extend_from_slice(part);
                let head = line[..line.len().min(KEPT)].to_vec();
                end = Some(last(std::mem::replace(line, head)));
            }
            Some(tail) => {
                tail.extend_from_slice(part);
                if tail.len() > 64 * KEPT {
                    *tail = last(std::mem::take(tail));
                }
            }
        }
        input.consume(used);
        if newline.is_some() {
            return Ok(match end {
                None => Line::Whole,
                Some(end) => Line::TooLong { end: last(end) },
            });
        }
    }
}

fn last(mut bytes: Vec<u8>) -> Vec<u8> {
    let from = bytes.len().saturating_sub(KEPT);
    bytes.split_off(from)
}

/// The id in an envelope of which the beginning and the end are known: before
/// the result, as all SDKs write it, or after it.
fn id_of(start: &[u8], end: &[u8]) -> Option<Value> {
    let body = find(start, b"\"result\"").or_else(|| find(start, b"\"error\""));
    let head = &start[..body.unwrap_or(start.len())];
    let in_head = find(head, b"\"id\"").and_then(|at| value_at(&head[at + 4..]));
    in_head.or_else(|| {
        let at = end.windows(4).rposition(|window| window == b"\"id\"")?;
        value_at(&end[at + 4..])
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The id after its name: a colon, then a number or a string.
fn value_at(bytes: &[u8]) -> Option<Value> {
    let bytes = bytes.trim_ascii_start().strip_prefix(b":")?;
    let mut values = serde_json::Deserializer::from_slice(bytes);
    let value = Value::deserialize(&mut values).ok()?;
    (value.is_number() || value.is_string()).then_some(value)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn through(input: &[u8], limit: usize) -> String {
        let (mut passed, output) = tokio::io::duplex(1 << 20);
        pass_on(input, output, limit, "test").await;
        let mut text = String::new();
        passed.read_to_string(&mut text).await.unwrap();
        text
    }

    /// What passes in one window of [`Rate`]. A machine may stop for longer than that.
    async fn through_at_once(input: &[u8]) -> String {
        for _ in 0..10 {
            let start = Instant::now();
            let passed = through(input, 100).await;
            if start.elapsed() < Duration::from_secs(1) {
                return passed;
            }
        }
        panic!("a slow machine");
    }

    #[tokio::test]
    async fn messages_pass_and_other_lines_do_not() {
        let input = b"starting...\n{\"id\":1}\n\n\xff\n{\"id\":2}\n{\"cut\":";
        assert_eq!(through(input, 100).await, "{\"id\":1}\n{\"id\":2}\n");
    }

    #[tokio::test]
    async fn a_server_that_asks_without_end_is_cut_off() {
        let request = "{\"id\":1,\"method\":\"ping\"}\n";
        let passed = through_at_once(request.repeat(1000).as_bytes()).await;
        assert_eq!(passed.lines().count(), MAX_REQUESTS as usize);
    }

    #[tokio::test]
    async fn a_flood_of_notifications_leaves_room_for_answers() {
        let mut input = "{\"method\":\"notifications/message\"}\n".repeat(5000);
        input.push_str("{\"id\":1,\"result\":{}}\n");
        let passed = through_at_once(input.as_bytes()).await;
        assert_eq!(passed.lines().count(), MAX_NOTIFICATIONS as usize + 1);
        assert!(passed.ends_with("\"result\":{}}\n"));
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_an_error_of_its_request() {
        let result = "x".repeat(300_000);
        let error = "\"error\":{\"code\":-32099,\"message\":\"The result is too large\"}}\n";
        for line in [
            format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\"{result}\"}}\n"),
            format!(
                "{{\"jsonrpc\":\"2.0\",\"result\":{{\"id\":1,\"t\":\"{result}\"}},\"id\" : 7}}\n"
            ),
        ] {
            assert_eq!(
                through(line.as_bytes(), 1000).await,
                format!("{{\"jsonrpc\":\"2.0\",\"id\":7,{error}")
            );
        }
    }

    #[tokio::test]
    async fn the_next_message_after_a_long_one_passes() {
        let long = "y".repeat(100_000);
        let input = format!("{{\"id\":1,\"result\":\"{long}\"}}\n{{\"id\":2}}\n");
        assert!(through(input.as_bytes(), 1000).await.ends_with("{\"id\":2}\n"));
    }

    #[tokio::test]
    async fn nothing_passes_after_a_long_message_that_answers_nobody() {
        let input = format!("[\"{}\"]\n{{\"id\":2}}\n", "z".repeat(5000));
        assert_eq!(through(input.as_bytes(), 1000).await, "");
    }
}
