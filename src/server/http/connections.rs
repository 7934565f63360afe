//! Connections: from whom each is, how far it has come, and which one is closed for
//! another where there is no more room. Who says nothing keeps nobody out: of those
//! that nobody has authenticated, the peer with the most loses its oldest.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Connections beyond those that are served: probes, those that have not said yet what
/// they want, and those that wait for a place. A probe is one for a round trip, so that
/// 64 newer ones must come within that before it is closed for them, and then only if
/// no peer has more than it.
pub(super) const RESERVE: usize = 64;

/// How long a stranger keeps its place while others wait for one. The head of a request
/// has come by then from any client that means it, and credentials take no time.
const GRACE: Duration = Duration::from_millis(500);

/// How often those that wait look for one whose time is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How far a connection has come. In the order in which they are closed for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// It has not said what it wants, or is a probe.
    Silent,
    /// It has a place, and its last request had no credentials that hold.
    Stranger,
    /// It wants more than a probe, and there is no place for it.
    Waiting,
    /// It has a place, and its last request was somebody's. It is not closed for others.
    Known,
}

/// Those that give way, in this order.
const YIELDING: [Stage; 3] = [Stage::Silent, Stage::Stranger, Stage::Waiting];

/// All connections.
pub(super) struct Connections {
    all: Mutex<All>,
    /// For those that are served. In line: who waits for longest is next.
    places: Arc<Semaphore>,
    most_served: usize,
    grace: Duration,
}

#[derive(Default)]
struct All {
    connections: HashMap<u64, ConnectionState>,
    last: u64,
}

struct ConnectionState {
    from: IpAddr,
    stage: Stage,
    /// When it has come so far.
    since: Instant,
    leave: CancellationToken,
}

impl Connections {
    /// At most this many are served at the same time.
    pub(super) fn new(most_served: usize) -> Arc<Self> {
        Self::with_grace(most_served, GRACE)
    }

    fn with_grace(most_served: usize, grace: Duration) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(most_served));
        Arc::new(Self { all: Mutex::default(), places, most_served, grace })
    }

    /// Connections that there are.
    pub(super) fn count(&self) -> usize {
        self.all().connections.len()
    }

    /// Whether places get short.
    pub(super) fn is_crowded(&self) -> bool {
        self.most_served - self.places.available_permits() > self.most_served / 4 * 3
    }

    /// Takes a connection in. Another one goes if there are too many: there is always one
    /// that can, because those that stay have places.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Connection {
        let mut all = self.all();
        if all.connections.len() >= self.most_served + RESERVE {
            all.make_room(self.grace);
        }
        all.last += 1;
        let number = all.last;
        let leave = CancellationToken::new();
        let (stage, since) = (Stage::Silent, Instant::now());
        let state = ConnectionState { from: network(peer), stage, since, leave: leave.clone() };
        all.connections.insert(number, state);
        Connection { connections: self.clone(), number, leave }
    }

    /// Closes one, for what else the system has no more room for.
    pub(super) fn make_room(&self) {
        self.all().make_room(self.grace);
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock()
    }
}

impl All {
    fn make_room(&mut self, grace: Duration) {
        let _ = YIELDING.into_iter().any(|stage| self.close_one(stage, grace));
    }

    /// Closes the oldest of the peer that has most of this stage. False if there is none.
    fn close_one(&mut self, stage: Stage, grace: Duration) -> bool {
        let mut peers: HashMap<IpAddr, (usize, u64)> = HashMap::new();
        let goes = |state: &&ConnectionState| {
            state.stage == stage && (stage != Stage::Stranger || state.since.elapsed() >= grace)
        };
        for (number, state) in self.connections.iter().filter(|(_, state)| goes(state)) {
            let (count, oldest) = peers.entry(state.from).or_insert((0, u64::MAX));
            *count += 1;
            *oldest = (*oldest).min(*number);
        }
        // Of two peers with as many, the one whose oldest is older.
        let most = peers.into_values().max_by_key(|&(count, oldest)| (count, u64::MAX - oldest));
        let Some(state) = most.and_then(|(_, oldest)| self.connections.remove(&oldest)) else {
            return false;
        };
        state.leave.cancel();
        true
    }
}

/// A connection, from its arrival to its end.
pub(super) struct Connection {
    connections: Arc<Connections>,
    number: u64,
    leave: CancellationToken,
}

impl Connection {
    /// Ends when it is to be closed for another.
    pub(super) fn left(&self) -> WaitForCancellationFuture<'_> {
        self.leave.cancelled()
    }

    /// A place to be served at, which a stranger has to give up if there is none. Waits
    /// in line.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let connections = &self.connections;
        self.standing().becomes(Stage::Waiting);
        let mut place = pin!(connections.places.clone().acquire_owned());
        let place = loop {
            tokio::select! {
                biased;
                place = place.as_mut() => break place.ok()?,
                () = tokio::time::sleep(LOOK_EVERY) => {
                    connections.all().close_one(Stage::Stranger, connections.grace);
                }
            }
        };
        self.standing().becomes(Stage::Stranger);
        Some(place)
    }

    /// For its requests, who say what it is.
    pub(super) fn standing(&self) -> StageReporter {
        StageReporter { connections: self.connections.clone(), number: self.number }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.all().connections.remove(&self.number);
    }
}

/// Says how far the connection of a request has come.
#[derive(Clone)]
pub(super) struct StageReporter {
    connections: Arc<Connections>,
    number: u64,
}

impl StageReporter {
    /// Notes whether its last request had credentials that hold.
    pub(super) fn is_known(&self, is_known: bool) {
        self.becomes(if is_known { Stage::Known } else { Stage::Stranger });
    }

    fn becomes(&self, stage: Stage) {
        if let Some(state) = self.connections.all().connections.get_mut(&self.number) {
            (state.stage, state.since) = (stage, Instant::now());
        }
    }
}

/// What counts as one peer: an IPv6 host has a /64 to itself (RFC 6177, section 2).
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::time::timeout;

    use super::*;

    fn peer(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn has_left(connection: &Connection) -> bool {
        connection.left().now_or_never().is_some()
    }

    #[test]
    fn a_silent_flood_closes_its_own_oldest_and_nobody_elses() {
        let connections = Connections::new(2);
        let honest = connections.enter(peer(1));
        let flood: Vec<_> = (0..200).map(|_| connections.enter(peer(2))).collect();
        assert!(!has_left(&honest));
        assert_eq!(connections.count(), 2 + RESERVE);
        let stayed = flood.iter().filter(|connection| !has_left(connection)).count();
        assert_eq!(stayed, 1 + RESERVE);
        assert!(flood[..200 - stayed].iter().all(has_left));
    }

    #[test]
    fn behind_one_address_the_newest_stay() {
        let connections = Connections::new(2);
        let all: Vec<_> = (0..100).map(|_| connections.enter(peer(1))).collect();
        assert!(has_left(&all[0]) && !has_left(&all[99]));
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer_and_a_mapped_address_its_own() {
        let parsed = |text: &str| network(text.parse().unwrap());
        assert_eq!(parsed("2001:db8::1"), parsed("2001:db8::ffff:1:2:3"));
        assert_ne!(parsed("2001:db8:0:1::1"), parsed("2001:db8::1"));
        assert_eq!(parsed("::ffff:192.0.2.1"), peer(1));
        assert_ne!(parsed("::ffff:192.0.2.1"), parsed("::ffff:192.0.2.2"));
    }

    #[tokio::test]
    async fn who_wants_a_place_gets_that_of_a_stranger_and_not_of_who_is_known() {
        let connections = Connections::with_grace(2, Duration::ZERO);
        let (known, stranger) = (connections.enter(peer(1)), connections.enter(peer(1)));
        let _first = known.place().await.unwrap();
        let second = stranger.place().await.unwrap();
        known.standing().is_known(true);
        let third = connections.enter(peer(2));
        let mut place = pin!(third.place());
        let waits = timeout(Duration::from_secs(60), stranger.left());
        tokio::select! {
            _ = place.as_mut() => panic!("there was no place"),
            left = waits => assert!(left.is_ok() && !has_left(&known)),
        }
        drop(second);
        assert!(place.await.is_some());
    }

    #[tokio::test]
    async fn a_stranger_that_has_just_come_keeps_its_place() {
        let connections = Connections::with_grace(1, Duration::from_secs(600));
        let stranger = connections.enter(peer(1));
        let _place = stranger.place().await.unwrap();
        let flood: Vec<_> = (0..200).map(|_| connections.enter(peer(1))).collect();
        let waits = timeout(3 * LOOK_EVERY, flood[199].place()).await;
        assert!(waits.is_err() && !has_left(&stranger) && !has_left(&flood[199]));
    }

    #[tokio::test]
    async fn who_is_known_is_never_closed_for_others_and_they_wait() {
        let connections = Connections::with_grace(1, Duration::ZERO);
        let known = connections.enter(peer(1));
        let _place = known.place().await.unwrap();
        known.standing().is_known(true);
        let waits = connections.enter(peer(2));
        assert!(waits.place().now_or_never().is_none());
        let flood: Vec<_> = (0..500).map(|_| connections.enter(peer(3))).collect();
        assert!(!has_left(&known) && !has_left(&waits));
        assert_eq!(connections.count(), 1 + RESERVE);
        drop(flood);
        drop(waits);
        // Credentials that hold no more are those of a stranger.
        known.standing().is_known(false);
        connections.make_room();
        assert!(has_left(&known));
    }

    #[test]
    fn a_connection_that_ends_makes_room() {
        let connections = Connections::new(1);
        drop(connections.enter(peer(1)));
        assert_eq!(connections.count(), 0);
    }
}
