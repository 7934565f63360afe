//! A program's output: lines for the result, events while it runs.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::{FutureExt, Stream as FuturesStream};
use tokio::sync::mpsc;

use crate::memory::{Account, Charge, NoMemory};
use crate::protocol::Stream;

/// The stream that was printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// `console.log`, `Deno.stdout`.
    Stdout,
    /// `console.error`, `console.warn`, `Deno.stderr`.
    Stderr,
    /// Progress that a tool reports to the program that called it. Not part of
    /// [`Execution::output`](super::Execution::output).
    Progress,
    /// What a program waits for before it runs: its engine is being loaded. Not part of
    /// [`Execution::output`](super::Execution::output) either.
    Waiting,
}

/// One line that a program printed, without its line break, or of progress.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputEvent {
    /// Where to.
    pub stream: OutputStream,
    /// The line. Bytes that are not UTF-8 are replaced.
    pub line: String,
}

/// Whole lines of one stream, each with its line break, or one of progress.
#[derive(Debug)]
pub(super) struct Printed {
    stream: OutputStream,
    lines: String,
    /// Where the next one begins.
    at: usize,
}

impl Printed {
    /// What is not output, on one line.
    pub(super) fn aside(stream: OutputStream, message: &str) -> Self {
        Self { stream, lines: message.replace('\n', " ") + "\n", at: 0 }
    }

    fn next(&mut self) -> Option<OutputEvent> {
        let rest = self.lines.get(self.at..).filter(|rest| !rest.is_empty())?;
        let line = rest.split('\n').next().unwrap_or_default().to_owned();
        self.at += line.len() + 1;
        Some(OutputEvent { stream: self.stream, line })
    }
}

/// The lines of a run as they arrive. Ends when the run does.
#[derive(Debug)]
pub struct OutputEvents {
    arriving: mpsc::UnboundedReceiver<Printed>,
    arrived: Option<Printed>,
}

impl OutputEvents {
    pub(super) fn new(arriving: mpsc::UnboundedReceiver<Printed>) -> Self {
        Self { arriving, arrived: None }
    }

    /// The next line, or `None` when the run has ended.
    pub async fn next(&mut self) -> Option<OutputEvent> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<OutputEvent>> {
        loop {
            if let Some(event) = self.arrived.as_mut().and_then(Printed::next) {
                return Poll::Ready(Some(event));
            }
            match ready!(self.arriving.poll_recv(context)) {
                Some(printed) => self.arrived = Some(printed),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl FuturesStream for OutputEvents {
    type Item = OutputEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<OutputEvent>> {
        self.poll(context)
    }
}

/// Bytes of output that a line stands for at least, when lines are counted: a line costs
/// a text and a value of its own in the result, however short it is.
const LINE_MIN: u64 = 8;

/// Lines that are kept in any case.
const LINES_MIN: u64 = 1024;

/// What a line takes besides its text: a `String` of 24 bytes with an allocation of at
/// least 16 while the result is made, and a `Value` of 72 in it; or an event.
const LINE_BYTES: usize = 112;

/// Copies of the output that there are at the same time at the end: the lines, those of
/// the result, its text, and that text as JSON.
const COPIES: usize = 4;

/// Bytes that are charged at once, so that not every line needs a charge.
const CHARGE: usize = 64 << 10;

/// Why output was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// There were more bytes than are kept.
    Bytes,
    /// There were more lines than these.
    Lines(u64),
    /// The server had no memory for more than these bytes.
    Memory(usize),
}

/// Collects output into lines, up to limits that hold whatever the worker sends.
pub(super) struct Collector {
    /// Whole lines, each with its line break.
    text: String,
    lines: u64,
    max_lines: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    room: u64,
    cut: Option<Cut>,
    events: Option<mpsc::UnboundedSender<Printed>>,
    account: Account,
    charge: Charge,
    /// There was no memory at once.
    waits: Option<BoxFuture<'static, Result<Charge, NoMemory>>>,
}

impl Collector {
    pub(super) fn new(
        limit: u64,
        account: Account,
        events: Option<mpsc::UnboundedSender<Printed>>,
    ) -> Self {
        Self {
            text: String::new(),
            lines: 0,
            max_lines: (limit / LINE_MIN).max(LINES_MIN),
            stdout: Vec::new(),
            stderr: Vec::new(),
            room: limit,
            cut: None,
            events,
            account,
            charge: Charge::none(),
            waits: None,
        }
    }

    /// Adds what arrived. False if the worker sent more than it may.
    pub(super) fn add(&mut self, stream: Stream, mut bytes: &[u8]) -> bool {
        let Some(room) = self.room.checked_sub(bytes.len() as u64) else { return false };
        self.room = room;
        if matches!(self.cut, Some(Cut::Lines(_) | Cut::Memory(_))) {
            return true;
        }
        let before = self.text.len();
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            if self.lines == self.max_lines {
                self.cut = Some(Cut::Lines(self.lines));
                bytes = &[];
                break;
            }
            self.partial(stream).extend_from_slice(&bytes[..end]);
            self.finish_line(stream);
            bytes = &bytes[end + 1..];
        }
        self.partial(stream).extend_from_slice(bytes);
        self.pass_on(stream, before);
        self.pay();
        true
    }

    /// Passes on what is not output.
    pub(super) fn progress(&self, message: &str) {
        if let Some(events) = &self.events {
            let _ = events.send(Printed::aside(OutputStream::Progress, message));
        }
    }

    /// Whether there is memory for more.
    pub(super) fn has_room(&self) -> bool {
        self.waits.is_none()
    }

    /// Waits for memory, if there was none; else for ever. Goes on where it was when it
    /// is given up and asked for again.
    pub(super) async fn settle(&mut self) {
        let charged = match &mut self.waits {
            Some(waits) => waits.await,
            None => std::future::pending().await,
        };
        self.waits = None;
        match charged {
            Ok(charge) => {
                self.charge.merge(charge);
                self.pay();
            }
            Err(NoMemory) => self.cut = self.cut.or(Some(Cut::Memory(self.text.len()))),
        }
    }

    /// Marks that output was dropped.
    pub(super) fn truncate(&mut self) {
        self.cut = self.cut.or(Some(Cut::Bytes));
    }

    pub(super) fn cut(&self) -> Option<Cut> {
        self.cut
    }

    /// The receiver of the events, when there were none.
    pub(super) fn into_events(self) -> Option<mpsc::UnboundedSender<Printed>> {
        self.events
    }

    /// All lines, those without a line break at their end included, and what they are
    /// charged.
    pub(super) fn finish(mut self) -> (Vec<String>, Charge) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.partial(stream).is_empty() {
                let before = self.text.len();
                self.finish_line(stream);
                self.pass_on(stream, before);
            }
        }
        (self.text.split_terminator('\n').map(str::to_owned).collect(), self.charge)
    }

    fn partial(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn finish_line(&mut self, stream: Stream) {
        let bytes = std::mem::take(self.partial(stream));
        self.text.push_str(&String::from_utf8_lossy(&bytes));
        self.text.push('\n');
        self.lines += 1;
    }

    /// Hands on the lines from here on.
    fn pass_on(&self, stream: Stream, from: usize) {
        let Some(events) = self.events.as_ref().filter(|_| from < self.text.len()) else { return };
        let stream = match stream {
            Stream::Stdout => OutputStream::Stdout,
            Stream::Stderr => OutputStream::Stderr,
        };
        // Nobody has to listen.
        let _ = events.send(Printed { stream, lines: self.text[from..].to_owned(), at: 0 });
    }

    /// Charges what is kept and will be made of it, if there is memory; else it waits.
    fn pay(&mut self) {
        let bytes = self.text.len() + self.stdout.len() + self.stderr.len();
        let lines = usize::try_from(self.lines).unwrap_or(usize::MAX);
        let cost = bytes.saturating_mul(COPIES).saturating_add(lines.saturating_mul(LINE_BYTES));
        let missing = cost.saturating_sub(self.charge.bytes());
        if missing == 0 || self.waits.is_some() {
            return;
        }
        let step = missing.next_multiple_of(CHARGE);
        match self.account.try_charge(step) {
            Ok(charge) => self.charge.merge(charge),
            Err(NoMemory) => {
                let account = self.account.clone();
                self.waits = Some(async move { account.charge(step).await }.boxed());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collector(limit: u64, events: Option<mpsc::UnboundedSender<Printed>>) -> Collector {
        Collector::new(limit, Account::of_server(64 << 20), events)
    }

    fn lines(parts: &[(Stream, &[u8])]) -> Vec<String> {
        let mut collector = collector(1000, None);
        for (stream, bytes) in parts {
            assert!(collector.add(*stream, bytes));
        }
        collector.finish().0
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
        let mut collector = collector(3, None);
        assert!(collector.add(Stream::Stdout, b"abc"));
        assert!(!collector.add(Stream::Stderr, b"d"));
        assert_eq!(collector.finish().0, ["abc"]);
    }

    #[test]
    fn events_carry_the_lines_as_they_end() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut collector = collector(100, Some(sender));
        collector.add(Stream::Stderr, b"one\n\ntw");
        let mut events = OutputEvents::new(receiver);
        for line in ["one", ""] {
            let event = events.next().now_or_never().flatten();
            assert_eq!(
                event,
                Some(OutputEvent { stream: OutputStream::Stderr, line: line.into() })
            );
        }
        assert!(events.next().now_or_never().is_none());
        let _ = collector.finish();
        assert_eq!(events.next().now_or_never().flatten().unwrap().line, "tw");
        assert!(events.next().now_or_never().unwrap().is_none());
    }

    #[test]
    fn a_progress_message_is_one_line() {
        let (sender, receiver) = mpsc::unbounded_channel();
        collector(100, Some(sender)).progress("a\nb");
        let event = OutputEvents::new(receiver).next().now_or_never().flatten();
        assert_eq!(event.unwrap().line, "a b");
    }

    /// A line of nothing costs as much as one of eight letters.
    #[test]
    fn a_line_has_its_cost_however_short_it_is() {
        let limit = 1 << 20;
        let mut lines_only = collector(limit, None);
        assert!(lines_only.add(Stream::Stdout, &vec![b'\n'; 1 << 20]));
        let kept = limit / LINE_MIN;
        assert_eq!(lines_only.cut(), Some(Cut::Lines(kept)));
        assert!(lines_only.charge.bytes() >= kept as usize * LINE_BYTES);
        assert!(lines_only.charge.bytes() < 20 << 20, "{}", lines_only.charge.bytes());
        assert_eq!(lines_only.finish().0.len() as u64, kept);
        let mut text = collector(limit, None);
        assert!(text.add(Stream::Stdout, "1234567\n".repeat(1 << 17).as_bytes()));
        assert_eq!((text.cut(), text.finish().0.len()), (None, 1 << 17));
    }

    #[tokio::test]
    async fn output_waits_for_memory_and_is_whole_when_there_is_some() {
        let account = Account::of_server(1 << 20);
        let held = account.try_charge(1 << 20).unwrap();
        let mut collector = Collector::new(1 << 20, account.clone(), None);
        assert!(collector.add(Stream::Stdout, b"one\n"));
        assert!(!collector.has_room());
        assert!(collector.settle().now_or_never().is_none());
        drop(held);
        collector.settle().await;
        assert!(collector.has_room() && collector.add(Stream::Stdout, b"two\n"));
        assert_eq!((collector.cut(), account.used()), (None, CHARGE));
        let (lines, charge) = collector.finish();
        assert_eq!(lines, ["one", "two"]);
        drop(charge);
        assert_eq!(account.used(), 0);
    }

    #[tokio::test]
    async fn output_is_cut_where_no_memory_comes_free() {
        let account = Account::of_server(CHARGE - 1);
        let mut collector = Collector::new(1 << 20, account, None);
        assert!(collector.add(Stream::Stdout, b"one\n"));
        collector.settle().await;
        assert_eq!(collector.cut(), Some(Cut::Memory(4)));
        assert!(collector.has_room() && collector.add(Stream::Stdout, b"two\n"));
        assert_eq!(collector.finish().0, ["one"]);
    }
}
