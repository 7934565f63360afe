//! What one run may see of a server's tools. A run can name 256 patterns, and a server
//! 10,000 tools on which each of them takes long: both are looked at once, on a thread
//! of their own, and only as long as somebody waits for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::Semaphore;

use super::server::{Catalog, Tool, Upstream};
use super::{locked, module};
use crate::memory::Charge;
use crate::policy::{RunTools, is_visible};

/// Views of one list that are kept: runs without patterns of their own have one for
/// each principal.
const MAX_VIEWS: usize = 4;

/// Threads for the work of one principal that can take long. It is waited for, and may
/// not keep others from the threads that they need.
const THREADS: usize = 4;

/// The work goes on while this says so.
pub(crate) type GoOn<'a> = &'a (dyn Fn() -> bool + Sync);

/// Places of tools in a list, in its order.
pub(crate) struct View {
    places: Vec<usize>,
    /// The source of the module, for the first import.
    module: OnceLock<(Arc<str>, Charge)>,
}

/// The last views of a list, and for whom they are.
#[derive(Default)]
pub(super) struct Views(Mutex<VecDeque<(RunTools, Arc<View>)>>);

impl Views {
    fn of(&self, run: &RunTools) -> Option<Arc<View>> {
        let views = locked(&self.0);
        views.iter().find(|(other, _)| other.is_same(run)).map(|(_, view)| view.clone())
    }

    fn keep(&self, run: &RunTools, view: &Arc<View>) {
        let mut views = locked(&self.0);
        if views.len() == MAX_VIEWS {
            views.pop_front();
        }
        views.push_back((run.clone(), view.clone()));
    }
}

/// The tools of a list that a run may call.
#[derive(Clone)]
pub(crate) struct Seen {
    upstream: Arc<Upstream>,
    catalog: Arc<Catalog>,
    view: Arc<View>,
}

impl Seen {
    /// What is known already, or soon told.
    pub(super) fn at_once(
        upstream: &Arc<Upstream>,
        catalog: &Arc<Catalog>,
        run: &RunTools,
    ) -> Option<Self> {
        if upstream.rules.is_open() && run.is_unrestricted() && catalog.views.of(run).is_none() {
            return Self::look(upstream, catalog, run, &|| true);
        }
        let view = catalog.views.of(run)?;
        Some(Self { upstream: upstream.clone(), catalog: catalog.clone(), view })
    }

    /// Looks at each tool, unless that was done before. None if it was stopped.
    pub(super) fn look(
        upstream: &Arc<Upstream>,
        catalog: &Arc<Catalog>,
        run: &RunTools,
        go_on: GoOn<'_>,
    ) -> Option<Self> {
        let view = match catalog.views.of(run) {
            Some(view) => view,
            None => {
                let mut places = Vec::new();
                for (place, tool) in catalog.tools.iter().enumerate() {
                    if !go_on() {
                        return None;
                    }
                    if is_visible(&upstream.rules, run, &upstream.name, &tool.info.name) {
                        places.push(place);
                    }
                }
                let view = Arc::new(View { places, module: OnceLock::new() });
                catalog.views.keep(run, &view);
                view
            }
        };
        Some(Self { upstream: upstream.clone(), catalog: catalog.clone(), view })
    }

    pub(crate) fn len(&self) -> usize {
        self.view.places.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.view.places.is_empty()
    }

    pub(crate) fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.view.places.iter().map(|&place| &self.catalog.tools[place])
    }

    pub(super) fn has(&self, place: usize) -> bool {
        self.view.places.binary_search(&place).is_ok()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tools().map(|tool| tool.info.name.as_str())
    }

    /// The source of the module of this server.
    pub(super) fn module(&self) -> Arc<str> {
        if let Some((source, _)) = self.view.module.get() {
            return source.clone();
        }
        let infos: Vec<_> = self.tools().map(|tool| &tool.info).collect();
        let source: Arc<str> = module::module_source(&self.upstream.name, &infos).into();
        // Without memory for it, it is made again.
        if let Ok(charge) = self.upstream.account.try_charge(source.len()) {
            let _ = self.view.module.set((source.clone(), charge));
        }
        source
    }
}

/// Where work that can take long is done.
#[derive(Clone)]
pub(super) struct Work(Arc<Semaphore>);

impl Default for Work {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(THREADS)))
    }
}

/// Stops work when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Work {
    /// Does it on a thread, when there is one. None if the work gave up or failed.
    pub(super) async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(GoOn<'_>) -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.0.clone().acquire_owned().await.ok()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let _stop = StopOnDrop(stopped.clone());
        let working = move || {
            let _turn = turn;
            work(&|| !stopped.load(Ordering::Relaxed))
        };
        tokio::task::spawn_blocking(working).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_stops() {
        let work = Work::default();
        let (tell, told) = std::sync::mpsc::channel();
        let working = tokio::spawn(async move {
            let working = work.on_thread(move |go_on| {
                tell.send("began").unwrap();
                while go_on() {
                    std::thread::yield_now();
                }
                tell.send("stopped").unwrap();
            });
            working.await
        });
        let told = tokio::task::spawn_blocking(move || {
            assert_eq!(told.recv().unwrap(), "began");
            told
        });
        let told = told.await.unwrap();
        working.abort();
        assert!(working.await.unwrap_err().is_cancelled());
        let last = tokio::task::spawn_blocking(move || told.recv().unwrap());
        assert_eq!(last.await.unwrap(), "stopped");
    }
}
