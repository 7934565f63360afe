//! What a server on standard output says, a JSON-RPC message a line, as far as it
//! is one and not too long.

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, DuplexStream};

use super::intake::{Intake, Taken};
use crate::memory::Charge;

/// Bytes kept of a line that is too long: an envelope's first or last members.
pub(super) const KEPT: usize = 4096;

/// Bytes of a line that are charged for at once.
const STEP: usize = 256 << 10;

/// Passes messages on until either end is closed.
pub(super) async fn pass_on(
    input: impl AsyncRead + Unpin,
    mut output: DuplexStream,
    intake: &Intake,
) {
    let mut input = BufReader::new(input);
    loop {
        let mut line = Vec::new();
        let mut charge = Charge::none();
        let read = tokio::select! {
            read = read_line(&mut input, &mut line, intake, &mut charge) => read,
            () = intake.broken().cancelled() => return,
        };
        let mut line = match read {
            Ok(Line::Whole) if line.trim_ascii().is_empty() => continue,
            Ok(Line::Whole) => {
                // Counted again with what it takes to read it.
                drop(charge);
                match intake.take(line, None).await {
                    Taken::Pass(line) => line,
                    Taken::Drop => continue,
                    Taken::Close => return,
                }
            }
            Ok(Line::TooLong { end }) => {
                intake.warn(&format!("a message is longer than {} bytes", intake.limit()));
                if find(&line, b"\"method\"").is_some() {
                    continue;
                }
                // Nobody can say which request it answers: all of them fail.
                let Some(id) = id_of(&line, &end) else { return };
                intake.too_long(&id)
            }
            Ok(Line::End) | Err(_) => return,
        };
        line.push(b'\n');
        if output.write_all(&line).await.is_err() {
            return;
        }
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
    intake: &Intake,
    charge: &mut Charge,
) -> std::io::Result<Line> {
    let mut end: Option<Vec<u8>> = None;
    let mut limit = intake.limit();
    loop {
        // The first step is a part of what every connection has.
        if end.is_none() && line.len() >= STEP + charge.bytes() {
            match intake.charge(STEP).await {
                Ok(more) => charge.merge(more),
                Err(_) => limit = 0,
            }
        }
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
pub(super) fn id_of(start: &[u8], end: &[u8]) -> Option<Value> {
    let body = find(start, b"\"result\"").or_else(|| find(start, b"\"error\""));
    let head = &start[..body.unwrap_or(start.len())];
    let in_head = find(head, b"\"id\"").and_then(|at| value_at(&head[at + 4..]));
    in_head.or_else(|| {
        let at = end.windows(4).rposition(|window| window == b"\"id\"")?;
        value_at(&end[at + 4..])
    })
}

pub(super) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
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

    use super::super::intake::tests::{asks, intake};
    use super::*;

    /// With the requests 1, 2 and 7 on their way.
    async fn through(input: &[u8], limit: usize) -> String {
        let intake = intake(limit);
        for id in [1, 2, 7] {
            asks(&intake, id);
        }
        let (mut passed, output) = tokio::io::duplex(1 << 20);
        pass_on(input, output, &intake).await;
        let mut text = String::new();
        passed.read_to_string(&mut text).await.unwrap();
        text
    }

    fn answer(id: i64) -> String {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n")
    }

    #[tokio::test]
    async fn messages_pass_and_other_lines_do_not() {
        let input = ["starting...\n", &answer(1), "\n{}\n[1]\n", &answer(2), "{\"cut\":"].concat();
        let input = [b"\xff\n", input.as_bytes()].concat();
        assert_eq!(through(&input, 100).await, [answer(1), answer(2)].concat());
    }

    #[tokio::test]
    async fn a_byte_order_mark_costs_nothing() {
        let input = format!("\u{feff}{}\u{feff}\n{}", answer(1), answer(2));
        let passed = through(input.as_bytes(), 100).await;
        assert_eq!(passed, format!("   {}{}", answer(1), answer(2)));
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
        let input = format!("{{\"id\":1,\"result\":\"{long}\"}}\n{}", answer(2));
        assert!(through(input.as_bytes(), 1000).await.ends_with(&answer(2)));
    }

    #[tokio::test]
    async fn nothing_passes_after_a_long_message_that_answers_nobody() {
        let input = format!("[\"{}\"]\n{}", "z".repeat(5000), answer(2));
        assert_eq!(through(input.as_bytes(), 1000).await, "");
    }
}
