//! One run, seen from outside: frames in, limits watched, the end decided.

use std::time::Duration;

use futures::FutureExt;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::Language;
use super::execution::{Execution, ToolCallSummary};
use super::images::Images;
use super::outcome::{self, Cause, Ended, Limits};
use super::output::{Collector, Printed};
use super::queue::{Slot, Way};
use super::slot_worker::SlotWorker;
use super::unreported::REPORT_GRACE;
use crate::broker::{Broker, Event, Meter, Summary, ToolCalls};
use crate::config::Config;
use crate::memory::{Account, Charge};
use crate::pool::{ReceiveError, Usage};
use crate::protocol::{
    ExitReport, MAX_REQUEST, Outcome, ServerMessage, Unfinished, WorkerMessage, decode, encode,
};

/// How often CPU time and memory of a run are measured. A run can exceed its
/// CPU limit by this much.
const MEASURE_EVERY: Duration = Duration::from_millis(20);

/// From the request to stop to SIGKILL. V8 stops loops within milliseconds and
/// some native calls (`normalize`, `replace`) only after seconds.
const STOP_GRACE: Duration = Duration::from_millis(250);

/// CPU time within [`STOP_GRACE`] that V8 stops in. A worker whose time is over and that
/// was given less has had no turn: it is waited for up to [`STOP_PATIENCE`].
const STOP_TURN: Duration = Duration::from_millis(25);

/// From the request to stop to SIGKILL on a machine that has no time for the worker.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// How much of the worker's own processor time the server spends on it without a word:
/// the smallest operations on files cost the server up to twice as much as the worker.
/// What is beyond counts as if the program had used it.
const SERVER_FACTOR: u32 = 4;

/// Frames that are looked through for an outcome when the time is over: what a socket
/// holds (212,992 bytes, net.core.wmem_default) is about as many lines of output.
const LAST_FRAMES: usize = 1024;

/// Beyond its memory limit a worker that is being stopped may have what V8 needs to
/// unwind, 32 MiB, and as much again for what it takes between two looks. From there on
/// it is not waited for.
const STOP_MEMORY: u64 = 64 << 20;

/// Bytes of answers that wait for a worker to read them; more stay with the broker.
const MAX_OUTBOX: usize = 512 << 10;

pub(super) struct Session {
    worker: SlotWorker,
    broker: Broker,
    limits: Limits,
    started: Instant,
    deadline: Instant,
    /// The value of a program that has left something behind, which has its grace.
    reached: Option<Reached>,
    collector: Collector,
    images: Images,
    account: Account,
    /// Answers on their way to the worker.
    outbox: Vec<u8>,
    /// For the outbox.
    unsent: Charge,
    /// The server's work for the run.
    meter: Meter,
    /// The program was parsed and runs.
    running: bool,
    /// The worker broke the protocol and was killed for it.
    violated: bool,
    /// The worker has ended; what it said is still to be read.
    gone: bool,
    stopping: Option<Stopping>,
    peak: Usage,
    /// The priority, until it has been lowered.
    way: Option<Way>,
}

/// A value, as JSON text, and what it takes.
struct Reached {
    json: String,
    _charge: Charge,
}

struct Stopping {
    cause: Cause,
    since: Instant,
    /// CPU time that the worker had used then.
    cpu: Duration,
    kill_at: Instant,
    killed: bool,
}

/// What ended the frames of a worker.
enum End {
    Outcome(Box<Outcome>),
    /// The worker closed its socket or broke the protocol.
    Gone,
}

/// The end of a run.
pub(super) enum Ran {
    ToItsEnd {
        execution: Box<Execution>,
        usage: Usage,
        refusals: u32,
        /// Not reaped yet.
        process: Option<SlotWorker>,
    },
    /// The worker was killed before it began with the program, while it stood by
    /// or with its zygote. Another worker can take it.
    NotAtAll { slot: Slot, events: Option<mpsc::UnboundedSender<Printed>> },
}

fn was_killed(report: Option<ExitReport>) -> bool {
    report.is_none_or(|report| report.signal == Some(Signal::SIGKILL as i32))
}

/// How a run ended whose worker said this last, with what it says is not done.
fn said(stopping: Option<Cause>, outcome: Outcome) -> (Cause, Vec<Unfinished>) {
    match (stopping, outcome) {
        (None, Outcome::Left(list)) => (Cause::Left, list),
        (Some(cause), Outcome::Left(list)) => (cause, list),
        (Some(Cause::Left), Outcome::Stopped { .. }) => (Cause::Left, unknown()),
        // It threw or exited before it heard that its time is over.
        (None | Some(Cause::Left), outcome) => (Cause::Outcome(Box::new(outcome)), Vec::new()),
        (Some(cause), outcome) => (cause.with_stack_of(outcome), Vec::new()),
    }
}

/// Of a worker that did not say what is not done.
fn unknown() -> Vec<Unfinished> {
    let what = "code that did not stop at its deadline".to_owned();
    vec![Unfinished { what, count: 1, ..Unfinished::default() }]
}

/// The processor time of a run whose worker and server have used these.
fn charged(worker: Duration, server: Duration) -> Duration {
    worker + server.saturating_sub(worker * SERVER_FACTOR)
}

fn summary(ToolCalls { tool, calls, errors, time }: ToolCalls) -> ToolCallSummary {
    ToolCallSummary { tool, calls, errors, time }
}

impl Session {
    pub(super) fn new(
        worker: SlotWorker,
        (broker, account): (Broker, Account),
        config: &Config,
        (timeout, language): (Duration, Language),
        way: Option<Way>,
        events: Option<mpsc::UnboundedSender<Printed>>,
    ) -> Self {
        let started = Instant::now();
        let mut session = Self {
            worker,
            meter: broker.meter(),
            broker,
            limits: Limits::new(config, timeout, language),
            started,
            deadline: started + timeout,
            reached: None,
            collector: Collector::new(config.max_output(), account.clone(), events),
            images: Images::new(account.clone()),
            account,
            outbox: Vec::new(),
            unsent: Charge::none(),
            running: false,
            violated: false,
            gone: false,
            stopping: None,
            peak: Usage::default(),
            way,
        };
        session.give_way();
        session
    }

    /// Lowers the run's priority as soon as it is not the only one of its principal. Without
    /// privileges that cannot be taken back.
    fn give_way(&mut self) {
        if self.way.take_if(|way| way.is_given()).is_some() {
            self.worker.give_way();
        }
    }

    /// Watches the run to its end.
    pub(super) async fn run(mut self) -> Ran {
        let end = self.meter.clone().of(self.watch()).await;
        let execution_time = self.started.elapsed();
        // What the broker still does for the run ends now.
        let Summary { refusals, tool_calls } = self.broker.end();
        let tool_calls = tool_calls.into_iter().map(summary).collect();
        let ((mut cause, unfinished), report, process) = match end {
            End::Outcome(outcome) => {
                self.peak = self.measured();
                let stopping = self.stopping.take().map(|stopping| stopping.cause);
                let said = said(stopping, *outcome);
                // It has nothing left to do but to exit: without time of its own it can do
                // nothing else either.
                self.worker.kill();
                self.worker.ends();
                (said, None, Some(self.worker))
            }
            End::Gone => {
                let base = self.worker.base_rss();
                let (report, slot) = self.worker.ended(REPORT_GRACE).await;
                let reported = report.map(|report| Usage::reported(&report, base));
                self.peak = self.peak.most(reported.unwrap_or_default());
                let cause = match self.stopping {
                    Some(stopping) => stopping.cause,
                    None if !self.running && !self.violated && was_killed(report) => {
                        let events = self.collector.into_events();
                        return Ran::NotAtAll { slot, events };
                    }
                    None => Cause::Died { running: self.running },
                };
                let unfinished = if matches!(cause, Cause::Left) { unknown() } else { Vec::new() };
                ((cause, unfinished), report.map(|report| report.beyond(base)), None)
            }
        };
        if let Some(message) = cause.message_mut() {
            let near = self.broker.near_functions(message.clone()).await;
            message.push_str(&near);
        }
        let reached = self.reached.map(|reached| reached.json);
        // What is not sent any more makes room for the value.
        drop((self.broker, self.unsent));
        let bytes = cause.value_bytes() + reached.as_deref().map_or(0, outcome::value_bytes);
        let (cause, reached, value) = match self.account.charge(bytes).await {
            Ok(charge) => (cause, reached, charge),
            Err(error) => (Cause::NoMemory(error), None, Charge::none()),
        };
        let execution = outcome::execution(
            Ended { cause, reached, unfinished, report },
            &self.limits,
            self.collector,
            self.images.finish(),
            value,
            execution_time,
            tool_calls,
        );
        Ran::ToItsEnd { execution: Box::new(execution), usage: self.peak, refusals, process }
    }

    async fn watch(&mut self) -> End {
        let mut measure = interval_at(self.started + MEASURE_EVERY, MEASURE_EVERY);
        measure.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // A worker that sends without end must not keep this thread to itself.
            tokio::task::consume_budget().await;
            // What a worker that is to stop says last is heard in any case.
            let receive = self.stopping.is_some() || self.may_receive();
            let next = self.stopping.as_ref().map_or(self.deadline, |stopping| stopping.kill_at);
            tokio::select! {
                frame = self.worker.exchange(&mut self.outbox, receive) => {
                    if let Some(end) = self.exchanged(frame) {
                        return end;
                    }
                }
                event = self.broker.next(), if self.outbox.len() < MAX_OUTBOX => {
                    self.act_on(event);
                }
                () = self.collector.settle() => {}
                () = sleep_until(next) => {
                    if let Some(end) = self.time_is_over() {
                        return end;
                    }
                }
                _ = measure.tick() => {
                    self.measure();
                    self.gone = !receive && !self.worker.is_alive();
                }
            }
        }
    }

    /// Whether more is read: not while the worker leaves answers unread, nor while the
    /// server has no memory for what it has said.
    fn may_receive(&self) -> bool {
        self.gone || (self.broker.has_room() && self.collector.has_room())
    }

    /// Acts on what [`Worker::exchange`](crate::pool::Worker::exchange) came back with.
    fn exchanged(&mut self, frame: Result<Option<Vec<u8>>, ReceiveError>) -> Option<End> {
        match self.outbox.is_empty() {
            true => self.unsent = Charge::none(),
            false => self.unsent.shrink_to(self.outbox.len()),
        }
        let frame = match frame {
            Ok(Some(frame)) => Some(frame),
            Ok(None) => return None,
            Err(_) => None,
        };
        let size = frame.as_ref().map_or(0, Vec::len);
        match frame.and_then(|frame| decode(&frame).ok()) {
            Some(message) => self.take(message, size),
            None if size > 0 => Some(self.violation()),
            None => {
                self.worker.kill();
                Some(End::Gone)
            }
        }
    }

    /// Acts on a message. Every message is attacker-chosen.
    fn take(&mut self, message: WorkerMessage, size: usize) -> Option<End> {
        match message {
            WorkerMessage::Started => self.running = true,
            WorkerMessage::Output { stream, bytes } => {
                if !self.collector.add(stream, &bytes) {
                    // The worker cuts output itself; this one does not.
                    self.collector.truncate();
                    self.stop(Cause::OutputLimit);
                }
            }
            WorkerMessage::OutputFull => self.collector.truncate(),
            // Its operations would be lost, or done for nothing.
            WorkerMessage::Request { .. } if self.stopping.is_some() => {}
            WorkerMessage::Request { .. } if !self.running || size > MAX_REQUEST => {
                return Some(self.violation());
            }
            WorkerMessage::Request { id, operation } => {
                if self.broker.begin(id, operation, size).is_err() {
                    return Some(self.violation());
                }
            }
            WorkerMessage::Cancel { id } => self.broker.cancel(id),
            WorkerMessage::Image { .. } | WorkerMessage::Note(_) if !self.running => {
                return Some(self.violation());
            }
            WorkerMessage::Image { mime_type, bytes } => {
                self.images.add(&mime_type, bytes.into_vec());
            }
            WorkerMessage::Note(text) => self.images.note(text),
            WorkerMessage::RefusedAt { id, line, column } => {
                self.broker.refused_at(id, line, column);
            }
            WorkerMessage::Value(json) if self.running && self.reached.is_none() => {
                self.keep_value(json);
            }
            WorkerMessage::Outcome(outcome) => return Some(End::Outcome(outcome)),
            // Said once, before the program or after it; a second time is a broken worker.
            WorkerMessage::Ready | WorkerMessage::Value(_) => return Some(self.violation()),
        }
        None
    }

    /// The program has its value. What it left behind has the grace, which only the
    /// server measures, and none where there is no memory to keep the value for so long.
    fn keep_value(&mut self, json: String) {
        let now = Instant::now();
        let (grace, charge) = match self.account.try_charge(json.len()) {
            Ok(charge) => (self.limits.grace, charge),
            Err(_) => (Duration::ZERO, Charge::none()),
        };
        let end = now.checked_add(grace).unwrap_or(self.deadline);
        self.deadline = self.deadline.min(end);
        self.reached = Some(Reached { json, _charge: charge });
    }

    /// The worker broke the protocol.
    fn violation(&mut self) -> End {
        tracing::warn!("a worker broke the protocol and was killed");
        self.violated = true;
        self.worker.kill();
        End::Gone
    }

    /// Sends an answer on its way, or keeps what a command printed.
    fn act_on(&mut self, event: Event) {
        match event {
            Event::Frame { bytes, room, .. } => {
                self.unsent.merge(room.charge);
                if self.outbox.is_empty() { self.outbox = bytes } else { self.outbox.extend(bytes) }
            }
            Event::Output { stream, bytes, .. } => {
                if !self.collector.add(stream, &bytes) {
                    self.collector.truncate();
                }
            }
            Event::Progress(message) => self.collector.progress(&message),
        }
    }

    fn time_is_over(&mut self) -> Option<End> {
        let now = Instant::now();
        match &mut self.stopping {
            None => {
                let end = self.said_already();
                if end.is_none() {
                    let over = if self.reached.is_some() { Cause::Left } else { Cause::Timeout };
                    self.stop(over);
                }
                return end;
            }
            Some(stopping) => {
                let used = self.worker.usage().cpu.saturating_sub(stopping.cpu);
                let waits =
                    matches!(stopping.cause, Cause::Timeout | Cause::CpuLimit | Cause::Left)
                        && used < STOP_TURN
                        && now < stopping.since + STOP_PATIENCE;
                if !waits && !std::mem::replace(&mut stopping.killed, true) {
                    self.worker.kill();
                }
                // The socket of one that is killed closes now; for it this is for a
                // kernel that takes its time.
                stopping.kill_at = now + STOP_GRACE;
            }
        }
        None
    }

    /// The end that a worker has sent already: a server that had no time itself cannot
    /// tell whether it came in time.
    fn said_already(&mut self) -> Option<End> {
        for _ in 0..LAST_FRAMES {
            let receive = self.may_receive();
            let frame = self.worker.exchange(&mut self.outbox, receive).now_or_never()?;
            if let Some(end) = self.exchanged(frame) {
                return Some(end);
            }
        }
        None
    }

    fn stop(&mut self, cause: Cause) {
        if self.stopping.is_some() {
            return;
        }
        let since = Instant::now();
        let (cpu, kill_at) = (self.worker.usage().cpu, since + STOP_GRACE);
        self.stopping = Some(Stopping { cause, since, cpu, kill_at, killed: false });
        // The message reaches a program that waits, the signal one that runs.
        self.outbox.extend(encode(&ServerMessage::Stop));
        self.worker.interrupt();
    }

    fn measure(&mut self) {
        self.give_way();
        self.peak = self.measured();
        if self.stopping.is_some() && self.peak.memory > self.limits.memory + STOP_MEMORY {
            self.worker.kill();
        }
        if self.peak.cpu > self.limits.cpu {
            self.stop(Cause::CpuLimit);
        } else if charged(self.peak.cpu, self.meter.used()) > self.limits.cpu {
            self.stop(Cause::ServerLimit);
        } else if self.peak.memory > self.limits.memory {
            self.stop(Cause::MemoryLimit);
        }
    }

    fn measured(&self) -> Usage {
        self.worker.usage().most(self.peak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_does_is_free_up_to_a_factor_and_counts_beyond() {
        let ms = Duration::from_millis;
        // Programs that print, or work on many small files.
        assert_eq!(charged(ms(1000), ms(0)), ms(1000));
        assert_eq!(charged(ms(1000), ms(2000)), ms(1000));
        assert_eq!(charged(ms(1000), ms(4000)), ms(1000));
        // Frames that cost the server fifty times as much as the worker.
        assert_eq!(charged(ms(100), ms(5000)), ms(4700));
        // Operations that take long on the server's threads.
        assert_eq!(charged(ms(0), ms(10)), ms(10));
    }
}
