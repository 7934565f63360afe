//! One check in one worker: the question in, the answer out. The worker is as hostile as any: it
//! is heard as long as it says nothing else, within time, CPU time and memory.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::question::Question;
use super::unchecked::{MAX_CPU, MAX_TIME, Unchecked};
use crate::broker::Services;
use crate::packages::checker::{CHECK_MEMORY, MAX_VERDICT};
use crate::pool::{Pool, PoolError, Worker};
use crate::protocol::{Kind, Outcome, Program, ServerMessage, WorkerMessage, decode, encode};

/// How long a program that is not to run unchecked waits for a checker that is being loaded: that
/// takes 4 s on a machine that is free.
const LOADING_PATIENCE: Duration = Duration::from_secs(20);

/// For a worker where none stands by. To fork and seal one takes some milliseconds.
const WORKER_PATIENCE: Duration = Duration::from_secs(2);

/// How often its CPU time and memory are measured.
const MEASURE_EVERY: Duration = Duration::from_millis(20);

/// The question is in memory three times: here, in its frame, and on its way.
const COPIES: usize = 3;

/// The answer of a checker, as it came.
pub(super) async fn answer(
    pool: &Pool,
    services: &Services,
    asked: &Question,
) -> Result<String, Unchecked> {
    let json = asked.json(services).await?;
    let charge = services.memory.try_charge(json.len() * COPIES + MAX_VERDICT);
    let _charge = charge.map_err(|error| Unchecked::NoRoom(error.to_string()))?;
    let mut worker = worker(pool).await?;
    if !asked.may_wait() {
        // The run beside it goes first.
        worker.give_way();
    }
    let frame = encode(&ServerMessage::Run(Box::new(program(json))));
    let ends = Instant::now() + MAX_TIME;
    let heard = async {
        worker.send(&frame).await.map_err(|_| Unchecked::Ended)?;
        drop(frame);
        hear(&mut worker, ends).await
    };
    timeout(MAX_TIME, heard).await.unwrap_or(Err(Unchecked::Time))
}

/// Waits until checks can be made, or for as long as that is worth. Before the run has its slot:
/// others would wait with it.
pub(super) async fn loaded(pool: &Pool) {
    if !pool.has_usable_zygote(Kind::Checker) {
        // What is wrong is said where the worker is missing.
        let _ = timeout(LOADING_PATIENCE, pool.ready(Kind::Checker)).await;
    }
}

/// A sealed worker. Dropping it ends its process.
async fn worker(pool: &Pool) -> Result<Worker, Unchecked> {
    let not_available = |error: PoolError| Unchecked::NotAvailable(error.in_short());
    if !pool.has_usable_zygote(Kind::Checker) {
        // It is loaded without anybody who waits, if it is not yet.
        let _ = timeout(Duration::ZERO, pool.load(Kind::Checker)).await;
        return Err(Unchecked::Loading);
    }
    let acquired = timeout(WORKER_PATIENCE, pool.acquire(Kind::Checker)).await;
    acquired.map_err(|_| Unchecked::Loading)?.map_err(not_available)
}

/// What the worker is sent: only the text counts.
fn program(source: String) -> Program {
    Program {
        source,
        globals: "{}".to_owned(),
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

async fn hear(worker: &mut Worker, ends: Instant) -> Result<String, Unchecked> {
    let mut measure = interval_at(Instant::now() + MEASURE_EVERY, MEASURE_EVERY);
    measure.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut nothing_to_send = Vec::new();
    loop {
        tokio::select! {
            frame = worker.exchange(&mut nothing_to_send, true) => match frame {
                Ok(Some(frame)) => {
                    if let Some(heard) = take(&frame) {
                        return heard;
                    }
                }
                Ok(None) => {}
                Err(_) => return Err(ended(worker).await),
            },
            _ = measure.tick() => watch(worker)?,
            () = sleep_until(ends) => return Err(Unchecked::Time),
        }
    }
}

fn watch(worker: &Worker) -> Result<(), Unchecked> {
    let usage = worker.usage();
    if usage.cpu > MAX_CPU {
        return Err(Unchecked::CpuTime);
    }
    if usage.memory > CHECK_MEMORY {
        return Err(Unchecked::Memory);
    }
    Ok(())
}

/// The end of a check, if a frame is that. A checker has nothing to ask for: whatever else a worker
/// says is its end.
fn take(frame: &[u8]) -> Option<Result<String, Unchecked>> {
    match decode(frame) {
        Ok(WorkerMessage::Started) => None,
        Ok(WorkerMessage::Outcome(outcome)) => Some(match *outcome {
            Outcome::Value(json) => Ok(json),
            Outcome::Error(error) => Err(Unchecked::Failed(error.message)),
            Outcome::Left(_)
            | Outcome::Exit(_)
            | Outcome::Exceeded { .. }
            | Outcome::Stopped { .. } => Err(Unchecked::Ended),
        }),
        Ok(
            WorkerMessage::Ready
            | WorkerMessage::Output { .. }
            | WorkerMessage::OutputFull
            | WorkerMessage::Request { .. }
            | WorkerMessage::Cancel { .. }
            | WorkerMessage::Image { .. }
            | WorkerMessage::Note(_)
            | WorkerMessage::RefusedAt { .. }
            | WorkerMessage::Value(_),
        )
        | Err(_) => {
            tracing::warn!("a checker broke the protocol and was killed");
            Some(Err(Unchecked::Ended))
        }
    }
}

/// Why a worker ended by itself.
async fn ended(worker: &mut Worker) -> Unchecked {
    use crate::worker::EXIT_MEMORY;
    use nix::sys::signal::Signal;
    let report = worker.wait_for_end(MEASURE_EVERY).await;
    match report.map(|report| (report.code, report.signal)) {
        Some((Some(EXIT_MEMORY), _)) => Unchecked::Memory,
        Some((_, Some(signal))) if signal == Signal::SIGXCPU as i32 => Unchecked::CpuTime,
        Some(_) | None => Unchecked::Ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame_body;

    fn heard(message: &WorkerMessage) -> Option<Result<String, Unchecked>> {
        take(frame_body(&encode(message)))
    }

    #[test]
    fn an_answer_is_a_value_and_nothing_else() {
        assert!(heard(&WorkerMessage::Started).is_none());
        let outcome = |outcome| heard(&WorkerMessage::Outcome(Box::new(outcome))).unwrap();
        assert_eq!(outcome(Outcome::Value("{}".into())).unwrap(), "{}");
        assert!(outcome(Outcome::Exit(0)).is_err());
    }

    #[test]
    fn a_checker_that_asks_for_something_is_at_its_end() {
        let operation = crate::protocol::Operation::close(1);
        for message in [
            WorkerMessage::Request { id: 0, operation },
            WorkerMessage::Ready,
            WorkerMessage::Value("{}".into()),
            WorkerMessage::Note("hello".into()),
        ] {
            assert!(matches!(heard(&message), Some(Err(Unchecked::Ended))), "{message:?}");
        }
        assert!(matches!(take(b"\xff\xff"), Some(Err(Unchecked::Ended))));
    }
}
