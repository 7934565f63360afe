//! Server-sent events (WHATWG HTML, section 9.2.6), as far as Streamable HTTP has
//! them, none longer than a message may be.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use sse_stream::Sse;

use super::intake::Intake;
use super::lines::KEPT;
use crate::memory::Charge;
use crate::text::clip::head;

/// Bytes of an event that are charged for at once.
const STEP: usize = 256 << 10;

/// Longest id of an event, in bytes. We send it back as a header.
const MAX_EVENT_ID: usize = 1 << 10;

/// Longest name of an event; rmcp knows `message`.
const MAX_NAME: usize = 64;

/// Bytes of an event that are passed over: 32 of the longest results.
const MAX_PASSED: usize = 256 << 20;

/// Why there are no more events.
#[derive(Debug)]
pub(super) enum Broken {
    Source(reqwest::Error),
    TooLong {
        /// The first of its data.
        start: Vec<u8>,
    },
    NoMemory,
}

/// The events of a body.
pub(super) struct Events<S> {
    source: S,
    /// Bytes that have come and were not looked at.
    chunk: Bytes,
    line: Vec<u8>,
    /// The line before ended with a carriage return, to which a line feed may belong.
    after_return: bool,
    first_line: bool,
    event: Sse,
    charge: Charge,
}

impl<S: Stream<Item = reqwest::Result<Bytes>> + Unpin> Events<S> {
    pub(super) fn of(source: S) -> Self {
        Self {
            source,
            chunk: Bytes::new(),
            line: Vec::new(),
            after_return: false,
            first_line: true,
            event: Sse::default(),
            charge: Charge::none(),
        }
    }

    /// The next event that says anything.
    pub(super) async fn next(&mut self, intake: &Intake) -> Option<Result<Sse, Broken>> {
        loop {
            while !self.chunk.is_empty() {
                if self.read_line() && self.end_line() {
                    self.charge = Charge::none();
                    return Some(Ok(std::mem::take(&mut self.event)));
                }
                if let Err(broken) = self.fits(intake).await {
                    return Some(Err(broken));
                }
            }
            match self.source.next().await? {
                Ok(chunk) => self.chunk = chunk,
                Err(error) => return Some(Err(Broken::Source(error))),
            }
        }
    }

    /// Reads to the end of an event of which nothing is kept but the last of its data.
    /// None if the stream ends before, or the event does not.
    pub(super) async fn pass_over(&mut self) -> Option<Vec<u8>> {
        let mut left = MAX_PASSED;
        let mut end = std::mem::take(&mut self.event).data.unwrap_or_default().into_bytes();
        keep_last(&mut end);
        self.charge = Charge::none();
        loop {
            while !self.chunk.is_empty() {
                let is_whole = self.read_line();
                if is_whole && self.line.is_empty() {
                    return Some(end);
                }
                keep_last(&mut self.line);
                if is_whole {
                    let line = std::mem::take(&mut self.line);
                    // A longer one has lost its name, and is data.
                    let is_data = line.len() == KEPT || line.starts_with(b"data:");
                    end = if is_data { line } else { end };
                }
            }
            self.chunk = self.source.next().await?.ok()?;
            left = left.checked_sub(self.chunk.len())?;
        }
    }

    /// Whether what has come of an event may be kept. Lines of comments are no part
    /// of it.
    async fn fits(&mut self, intake: &Intake) -> Result<(), Broken> {
        let bytes = self.event.data.as_ref().map_or(0, String::len) + self.line.len();
        if bytes > intake.limit() {
            return Err(Broken::TooLong { start: self.start() });
        }
        // The first step is a part of what every connection has.
        while bytes > STEP + self.charge.bytes() {
            let more = intake.charge(STEP).await.map_err(|_| Broken::NoMemory)?;
            self.charge.merge(more);
        }
        Ok(())
    }

    /// The first of the data of an event that is being read.
    pub(super) fn start(&self) -> Vec<u8> {
        let start = match &self.event.data {
            Some(data) => data.as_bytes(),
            None => self.line.strip_prefix(b"data:").unwrap_or_default(),
        };
        start[..start.len().min(KEPT)].to_vec()
    }

    /// Takes what there is of a line; true at its end.
    fn read_line(&mut self) -> bool {
        if std::mem::take(&mut self.after_return) && self.chunk.starts_with(b"\n") {
            let _ = self.chunk.split_to(1);
        }
        // No more than a step at once, so that it is charged for first.
        let end = self.chunk.len().min(STEP);
        let newline = self.chunk[..end].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let part = self.chunk.split_to(newline.unwrap_or(end));
        self.line.extend_from_slice(&part);
        if newline.is_none() {
            return false;
        }
        self.after_return = self.chunk.split_to(1).starts_with(b"\r");
        true
    }

    /// Takes a whole line; true if an event ends with it.
    fn end_line(&mut self) -> bool {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.first_line) && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if line.is_empty() {
            let says = self.event.data.is_some() || self.event.id.is_some();
            if !says && self.event.retry.is_none() {
                self.event = Sse::default();
                return false;
            }
            return true;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match &line[..colon] {
            b"data" => match &mut self.event.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(&value);
                }
                None => self.event.data = Some(value.into_owned()),
            },
            b"event" => {
                self.event.event = Some(head(&value, MAX_NAME).to_owned());
            }
            b"id" => self.event.id = Some(value.into_owned()).filter(|id| is_sendable(id)),
            b"retry" => self.event.retry = value.trim().parse().ok(),
            _ => {}
        }
        false
    }
}

/// Cuts all off but an envelope's last members.
fn keep_last(bytes: &mut Vec<u8>) {
    let from = bytes.len().saturating_sub(KEPT);
    bytes.drain(..from);
    bytes.shrink_to(2 * KEPT);
}

/// Whether an id can be sent back.
fn is_sendable(id: &str) -> bool {
    id.len() <= MAX_EVENT_ID && http::HeaderValue::from_str(id).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::intake::tests::{intake, with_memory};
    use super::*;

    async fn read(chunks: Vec<Vec<u8>>, limit: usize) -> Vec<Result<Sse, Broken>> {
        let intake = intake(limit);
        let chunks = chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk)));
        let mut events = Events::of(futures::stream::iter(chunks));
        let mut read = Vec::new();
        while let Some(event) = events.next(&intake).await {
            let is_last = event.is_err();
            read.push(event);
            if is_last {
                break;
            }
        }
        read
    }

    async fn events(text: &str) -> Vec<Sse> {
        let read = read(vec![text.as_bytes().to_vec()], 1000).await;
        read.into_iter().map(|event| event.expect("an event")).collect()
    }

    #[tokio::test]
    async fn events_are_read_with_their_fields() {
        let text = "\u{feff}: hello\nevent: message\nid: 7\nretry: 20\ndata: a\ndata:b\n\n\n\
                    event: only a name\n\ndata\n\nunknown: x\ndata: cut";
        let found = events(text).await;
        let first = Sse {
            event: Some("message".to_owned()),
            data: Some("a\nb".to_owned()),
            id: Some("7".to_owned()),
            retry: Some(20),
        };
        assert_eq!(found, [first, Sse { data: Some(String::new()), ..Sse::default() }]);
    }

    #[tokio::test]
    async fn an_event_has_an_end_and_a_stream_need_not_have_one() {
        let comments = ": ping\n".repeat(1000);
        assert_eq!(events(&format!("{comments}data: a\n\n")).await.len(), 1);
        for text in ["data: x", "data: x\n", ": x"] {
            let read = read(vec![text.repeat(600).into_bytes()], 1000).await;
            let is_long = matches!(read.last(), Some(Err(Broken::TooLong { .. })));
            assert!(is_long, "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_too_long_can_be_passed_over() {
        let long = "x".repeat(20_000);
        let text = format!("data: {long}\rdata: \"id\":7}}\r\nid: 1\n: x\n\ndata: a\n\n");
        for size in [1, 7, 4096, 1 << 20] {
            let chunks: Vec<_> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
            let mut events = Events::of(futures::stream::iter(chunks.into_iter().map(Ok)));
            let intake = intake(1000);
            let broken = events.next(&intake).await;
            assert!(matches!(broken, Some(Err(Broken::TooLong { .. }))), "{broken:?}");
            let end = events.pass_over().await.expect("an end");
            assert!(end.ends_with(b"\"id\":7}") && end.len() <= KEPT, "{size}: {end:?}");
            let next = events.next(&intake).await.expect("an event").expect("an event");
            assert_eq!(next.data.as_deref(), Some("a"));
            assert!(events.pass_over().await.is_none());
        }
    }

    #[tokio::test]
    async fn what_does_not_end_is_not_passed_over_for_ever() {
        let chunk = Bytes::from(vec![b'x'; 1 << 20]);
        let mut events = Events::of(futures::stream::repeat_with(|| Ok(chunk.clone())));
        assert!(events.pass_over().await.is_none());
        assert!(events.line.capacity() <= 2 * STEP, "{}", events.line.capacity());
    }

    #[tokio::test]
    async fn an_event_is_charged_for_while_it_comes() {
        let chunk = || Ok(Bytes::from(vec![b'x'; 64 << 10]));
        let chunks = || futures::stream::iter((0..100).map(move |_| chunk()));
        let mut events = Events::of(chunks());
        let broken = events.next(&with_memory(1 << 30, STEP / 2)).await;
        assert!(matches!(broken, Some(Err(Broken::NoMemory))), "{broken:?}");
        assert!(events.line.len() <= STEP + (64 << 10));
        assert!(Events::of(chunks()).next(&with_memory(1 << 30, 8 << 20)).await.is_none());
    }

    #[tokio::test]
    async fn an_id_that_cannot_be_sent_back_is_none() {
        for id in ["x".repeat(MAX_EVENT_ID + 1), "a\0b".to_owned()] {
            assert_eq!(events(&format!("id: {id}\ndata: a\n\n")).await[0].id, None);
        }
    }

    proptest! {
        #[test]
        fn where_chunks_end_does_not_matter(
            start in "(data|id|:|retry|event)?(: ?)?[a\r\n]{0,3}",
            rest in "(data: x\r\n\r\n|data: y\n\n|data:z\r\r)*",
            cut in 0_usize..40,
        ) {
            let text = format!("{start}{rest}");
            let builder = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let runtime = builder.unwrap();
            let whole = runtime.block_on(read(vec![text.clone().into_bytes()], 1000));
            let at = cut.min(text.len());
            let parts = vec![text.as_bytes()[..at].to_vec(), text.as_bytes()[at..].to_vec()];
            let parts = runtime.block_on(read(parts, 1000));
            let texts = |events: Vec<Result<Sse, Broken>>| {
                events.into_iter().map(|event| format!("{event:?}")).collect::<Vec<_>>()
            };
            prop_assert_eq!(texts(whole), texts(parts));
        }
    }
}
