//! What a program prints: lines for the result, events while it runs.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream as FuturesStream;
use tokio::sync::mpsc;

use crate::protocol::Stream;

/// The stream that was printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// `console.log`, `Deno.stdout`.
    Stdout,
    /// `console.error`, `console.warn`, `Deno.stderr`.
    Stderr,
    /// What a tool that the program called tells of its progress. Not part of
    /// [`Execution::output`](super::Execution::output).
    Progress,
}

/// One line that a program printed, without its line break, or of progress.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputEvent {
    /// Where to.
    pub stream: OutputStream,
    /// The line. Bytes that are no UTF-8 are replaced.
    pub line: String,
}

/// The lines of a run as they arrive. Ends when the run does.
#[derive(Debug)]
pub struct OutputEvents(pub(super) mpsc::UnboundedReceiver<OutputEvent>);

impl OutputEvents {
    /// The next line, or `None` when the run has ended.
    pub async fn next(&mut self) -> Option<OutputEvent> {
        self.0.recv().await
    }
}

impl FuturesStream for OutputEvents {
    type Item = OutputEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OutputEvent>> {
        self.0.poll_recv(cx)
    }
}

/// Collects output into lines, up to a limit that holds whatever the worker
/// sends.
pub(super) struct Collector {
    lines: Vec<String>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    room: u64,
    truncated: bool,
    events: Option<mpsc::UnboundedSender<OutputEvent>>,
}

impl Collector {
    pub(super) fn new(limit: u64, events: Option<mpsc::UnboundedSender<OutputEvent>>) -> Self {
        Self {
            lines: Vec::new(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            room: limit,
            truncated: false,
            events,
        }
    }

    /// Adds what arrived. False if the worker sent more than it may.
    pub(super) fn add(&mut self, stream: Stream, mut bytes: &[u8]) -> bool {
        let Some(room) = self.room.checked_sub(bytes.len() as u64) else { return false };
        self.room = room;
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.partial(stream).extend_from_slice(&bytes[..end]);
            self.finish_line(stream);
            bytes = &bytes[end + 1..];
        }
        self.partial(stream).extend_from_slice(bytes);
        true
    }

    /// Hands on what is no output.
    pub(super) fn progress(&self, line: String) {
        if let Some(events) = &self.events {
            let _ = events.send(OutputEvent { stream: OutputStream::Progress, line });
        }
    }

    /// Marks that output was dropped.
    pub(super) fn truncate(&mut self) {
        self.truncated = true;
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The receiver of the events, when there were none.
    pub(super) fn into_events(self) -> Option<mpsc::UnboundedSender<OutputEvent>> {
        self.events
    }

    /// All lines, those without a line break at their end included.
    pub(super) fn finish(mut self) -> Vec<String> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.partial(stream).is_empty() {
                self.finish_line(stream);
            }
        }
        self.lines
    }

    fn partial(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn finish_line(&mut self, stream: Stream) {
        let bytes = std::mem::take(self.partial(stream));
        let line = match String::from_utf8(bytes) {
            Ok(line) => line,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        if let Some(events) = &self.events {
            let stream = match stream {
                Stream::Stdout => OutputStream::Stdout,
                Stream::Stderr => OutputStream::Stderr,
            };
            // Nobody has to listen.
            let _ = events.send(OutputEvent { stream, line: line.clone() });
        }
        self.lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[(Stream, &[u8])]) -> Vec<String> {
        let mut collector = Collector::new(1000, None);
        for (stream, bytes) in parts {
            assert!(collector.add(*stream, bytes));
        }
        collector.finish()
    }

    #[test]
    fn lines_are_in_the_order_in_which_they_end() {
        assert_eq!(
            lines(&[
                (Stream::Stdout, b"a\nb"),
                (Stream::Stderr, b"e\n"),
                (Stream::Stdout, b"c\n\nd"),
            ]),
            ["a", "e", "bc", "", "d"]
        );
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced_and_cut_characters_joined() {
        assert_eq!(
            lines(&[
                (Stream::Stdout, b"\xc3"),
                (Stream::Stdout, b"\xa4\n"),
                (Stream::Stdout, b"\xff\n"),
            ]),
            ["ä", "\u{fffd}"]
        );
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        let mut collector = Collector::new(3, None);
        assert!(collector.add(Stream::Stdout, b"abc"));
        assert!(!collector.add(Stream::Stderr, b"d"));
        assert_eq!(collector.finish(), ["abc"]);
    }

    #[test]
    fn events_carry_the_lines_as_they_end() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut collector = Collector::new(100, Some(sender));
        collector.add(Stream::Stderr, b"one\ntw");
        let mut events = OutputEvents(receiver);
        assert_eq!(
            events.0.try_recv().unwrap(),
            OutputEvent { stream: OutputStream::Stderr, line: "one".into() }
        );
        assert!(events.0.try_recv().is_err());
    }
}
