//! How an operation is started: at once, in a task, on a thread that may block, or in
//! its turn on something open. What it then does is in [`super::effects`].

use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{AbortHandle, JoinSet, unconstrained};

use super::event::{Responder, Room, no_memory};
use super::failure::Problem;
use super::handles::{Shared, Turn};
use super::run::Run;
use crate::protocol::{Answer, Failure};
use crate::threads;

/// One operation that is to be started. Each way to do so gives the task that ends when
/// the program cancels the operation, if there is one.
pub(super) struct Dispatch<'a> {
    pub run: Arc<Run>,
    pub responder: Responder,
    pub tasks: &'a mut JoinSet<()>,
}

impl Dispatch<'_> {
    /// Without a task, for what neither waits nor blocks.
    pub(super) fn at_once(
        self,
        effect: impl FnOnce(&Run) -> Result<Answer, Problem>,
    ) -> Option<AbortHandle> {
        self.responder.answer(effect(&self.run), Room::default());
        None
    }

    /// In a task, which answers itself.
    pub(super) fn in_task<F>(
        self,
        effect: impl FnOnce(Arc<Run>, Responder) -> F,
    ) -> Option<AbortHandle>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let meter = self.run.meter.clone();
        Some(self.tasks.spawn(meter.of(effect(self.run, self.responder))))
    }

    /// In a task, for what waits without blocking a thread.
    pub(super) fn in_time<F>(self, effect: impl FnOnce(Arc<Run>) -> F) -> Option<AbortHandle>
    where
        F: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        self.in_task(|run, responder| {
            let effect = effect(run);
            async move { responder.answer(effect.await, Room::default()) }
        })
    }

    /// On a thread that may block, at once if everything that it needs is available: a permit of
    /// the run's, `answer` bytes of memory, and then a thread.
    pub(super) fn on_thread(
        self,
        answer: usize,
        work: impl FnOnce(Arc<Run>, Responder, Room) + Send + 'static,
    ) -> Option<AbortHandle> {
        let Self { run, responder, tasks } = self;
        let Some((room, turn)) = run.room_now(answer) else {
            let meter = run.meter.clone();
            return Some(tasks.spawn(meter.of(run.on_thread_later(answer, responder, work))));
        };
        Some(tasks.spawn_blocking(move || {
            let _turn = turn;
            run.meter.clone().counts(|| work(run, responder, room));
        }))
    }
}

/// The turn of a call among those on one handle.
pub(super) enum Line<F> {
    /// It is its turn.
    First(Turn),
    /// Earlier calls come first.
    Behind(F),
}

/// Queues for a handle, now: turns are taken in the order of the requests, whichever task
/// runs first (tokio's Mutex is fair). For that the lock is polled once here, before there
/// is a task. Unconstrained: a task that has used its budget up would not even be queued.
pub(super) fn get_in_line(resource: Shared) -> Line<impl Future<Output = Turn> + Send> {
    let mut turn = Box::pin(unconstrained(resource.lock_owned()));
    match (&mut turn).now_or_never() {
        Some(turn) => Line::First(turn),
        None => Line::Behind(turn),
    }
}

impl Run {
    /// As [`Dispatch::on_thread`], once everything that it needs is available.
    pub(super) async fn on_thread_later(
        self: Arc<Self>,
        answer: usize,
        responder: Responder,
        work: impl FnOnce(Arc<Self>, Responder, Room) + Send + 'static,
    ) {
        let room = match self.room_for(answer).await {
            Ok(room) => room,
            Err(problem) => return responder.answer(Err(problem), Room::default()),
        };
        let run = self.clone();
        self.on_thread(move || work(run, responder, room)).await;
    }

    fn room_now(&self, answer: usize) -> Option<(Room, threads::Turn)> {
        let place = self.file_operations.clone().try_acquire_owned().ok()?;
        let charge = self.account().try_charge(answer).ok()?;
        let turn = self.services().threads.try_work()?;
        Some((Room::new(place, charge), turn))
    }

    async fn room_for(&self, answer: usize) -> Result<Room, Problem> {
        let place = self.file_place().await?;
        let charge = self.account().charge(answer).await.map_err(no_memory)?;
        Ok(Room::new(place, charge))
    }

    /// A permit for the run's work on threads: it is held by the work, which continues when nobody
    /// waits for it any more.
    pub(super) async fn file_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = self.file_operations.clone().acquire_owned().await;
        Ok(place.map_err(|_| Failure::interrupted())?)
    }

    /// Does one bounded step on a thread that may block, and takes its turn for that.
    /// Nothing if the run has ended.
    pub(super) async fn on_thread<T: Send + 'static>(
        self: &Arc<Self>,
        step: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.services().threads.work().await;
        let run = self.clone();
        let step = move || {
            let _turn = turn;
            (!run.quota.is_over()).then(|| run.meter.counts(step))
        };
        tokio::task::spawn_blocking(step).await.ok().flatten()
    }
}
