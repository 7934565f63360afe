//! Threads that block, on disks and in the resolver. tokio has [`MAX_BLOCKING`] of them
//! for everybody; work for a program takes a turn first, of its principal
//! and then of the server. Nobody waits for anything else while it has a turn: room and
//! permits are taken before, and what takes long gives its turn back between two steps.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// tokio's own number (`Builder::max_blocking_threads`).
pub(crate) const MAX_BLOCKING: usize = 512;

/// Of these for programs: what is left is for the server itself (its lists, logins and
/// playbooks), and for commands that are being started.
const WORK: usize = MAX_BLOCKING / 2;

/// Of [`WORK`] for one principal: four that all hang, on a disk that does not answer,
/// are needed to stop the others. It is four runs' worth of file operations at once,
/// more than disks do in parallel.
const WORK_OF_A_PRINCIPAL: usize = WORK / 4;

/// Concurrent look-ups of names. getaddrinfo(3) cannot be interrupted and
/// takes up to 30 s where no name server answers (resolv.conf(5): two attempts of 5 s
/// for each of three servers).
const LOOKUPS: usize = MAX_BLOCKING / 8;

/// Of [`LOOKUPS`] for one principal, as with [`WORK_OF_A_PRINCIPAL`].
const LOOKUPS_OF_A_PRINCIPAL: usize = LOOKUPS / 4;

/// The turns of one principal, or of a server that has only one.
#[derive(Debug, Clone)]
pub(crate) struct Threads {
    work: Turns,
    lookups: Turns,
}

/// Own turns, and everybody's.
#[derive(Debug, Clone)]
struct Turns {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// The right to block one thread, until dropped.
#[derive(Debug)]
#[must_use = "a turn that is dropped at once is none"]
pub(crate) struct Turn {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Threads {
    /// All turns of a server.
    pub(crate) fn of_server() -> Self {
        Self { work: Turns::of_server(WORK), lookups: Turns::of_server(LOOKUPS) }
    }

    /// Turns of one principal, of the same server.
    pub(crate) fn share(&self) -> Self {
        Self {
            work: self.work.share(WORK_OF_A_PRINCIPAL),
            lookups: self.lookups.share(LOOKUPS_OF_A_PRINCIPAL),
        }
    }

    /// A turn for work on files, if there is one now.
    pub(crate) fn try_work(&self) -> Option<Turn> {
        self.work.try_take()
    }

    /// A turn for work on files, after those who asked before.
    pub(crate) async fn work(&self) -> Turn {
        self.work.take().await
    }

    /// A turn for looking a name up.
    pub(crate) async fn lookup(&self) -> Turn {
        self.lookups.take().await
    }
}

impl Turns {
    fn of_server(all: usize) -> Self {
        let own = Arc::new(Semaphore::new(all));
        Self { own, all: Arc::new(Semaphore::new(all)) }
    }

    fn share(&self, own: usize) -> Self {
        Self { own: Arc::new(Semaphore::new(own)), all: self.all.clone() }
    }

    fn try_take(&self) -> Option<Turn> {
        let own = self.own.clone().try_acquire_owned().ok()?;
        let all = self.all.clone().try_acquire_owned().ok()?;
        Some(Turn { _own: own, _all: all })
    }

    /// Its own first: of the shared queue each principal has a part only.
    async fn take(&self) -> Turn {
        let never = "the semaphores are never closed";
        let own = self.own.clone().acquire_owned().await.expect(never);
        let all = self.all.clone().acquire_owned().await.expect(never);
        Turn { _own: own, _all: all }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn one_principal_never_has_all_threads() {
        let server = Threads::of_server();
        let (alice, bob) = (server.share(), server.share());
        let hers: Vec<_> = std::iter::from_fn(|| alice.try_work()).collect();
        assert_eq!(hers.len(), WORK_OF_A_PRINCIPAL);
        assert!(alice.work().now_or_never().is_none());
        assert!(bob.work().now_or_never().is_some());
        drop(hers);
        assert!(alice.try_work().is_some());
    }

    #[test]
    fn all_principals_together_leave_threads_for_the_server() {
        let server = Threads::of_server();
        let many: Vec<_> = (0..2 * WORK / WORK_OF_A_PRINCIPAL).map(|_| server.share()).collect();
        let work = many.iter().flat_map(|one| std::iter::from_fn(|| one.try_work()));
        let work: Vec<_> = work.collect();
        let lookups =
            many.iter().flat_map(|one| std::iter::from_fn(|| one.lookup().now_or_never()));
        let lookups: Vec<_> = lookups.collect();
        assert_eq!((work.len(), lookups.len()), (WORK, LOOKUPS));
        assert!(work.len() + lookups.len() < MAX_BLOCKING);
    }

    #[test]
    fn work_on_files_and_names_have_turns_of_their_own() {
        let threads = Threads::of_server();
        let _names: Vec<_> = std::iter::from_fn(|| threads.lookup().now_or_never()).collect();
        assert!(threads.lookup().now_or_never().is_none());
        assert!(threads.try_work().is_some());
    }

    #[tokio::test]
    async fn who_waits_gets_the_turn_that_another_gives_back() {
        let threads = Threads::of_server().share();
        let mut held: Vec<_> = std::iter::from_fn(|| threads.try_work()).collect();
        let waits = tokio::spawn({
            let threads = threads.clone();
            async move { drop(threads.work().await) }
        });
        tokio::task::yield_now().await;
        held.pop();
        waits.await.unwrap();
    }
}
