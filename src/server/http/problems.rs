//! Principals whose settings cannot be used: not looked at, and not in the log, at each of
//! their requests.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};

use super::refusal::{LATER, Refusal};
use crate::server::auth::Identity;

/// Principals that are remembered, and so lines in the log in [`LATER`]: as many as there
/// can be tenants.
const MAX_PROBLEMS: usize = 1000;

/// When the settings of each were last looked at.
#[derive(Default)]
pub(super) struct Problems(Mutex<HashMap<Identity, Instant>>);

impl Problems {
    /// Whether there is no need to look again: the settings could not be used a moment ago.
    pub(super) fn has(&self, who: &Identity) -> bool {
        self.has_at(who, Instant::now())
    }

    /// What the caller is told. The problem has paths of the server in it, which are not
    /// the caller's business.
    pub(super) fn refusal(&self, who: &Identity, problem: &dyn std::error::Error) -> Refusal {
        if self.keep(who, Instant::now()) {
            tracing::error!("a principal's settings cannot be used: {problem}");
        }
        Refusal::Settings
    }

    /// The settings are others now.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn has_at(&self, who: &Identity, now: Instant) -> bool {
        self.lock().get(who).is_some_and(|at| is_recent(*at, now))
    }

    fn keep(&self, who: &Identity, now: Instant) -> bool {
        let mut all = self.lock();
        all.retain(|_, at| is_recent(*at, now));
        let has_room = all.len() < MAX_PROBLEMS;
        has_room && all.insert(who.clone(), now).is_none()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, Instant>> {
        self.0.lock()
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < LATER
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn token(name: &str) -> Identity {
        Identity::Token(name.into())
    }

    #[test]
    fn settings_that_cannot_be_used_are_looked_at_again_after_a_while() {
        let (problems, now) = (Problems::default(), Instant::now());
        assert!(problems.keep(&token("alice"), now));
        let has = |name, later| problems.has_at(&token(name), now + later);
        assert!(has("alice", Duration::ZERO) && has("alice", LATER - Duration::from_millis(1)));
        assert!(!has("alice", LATER) && !has("bob", Duration::ZERO));
        assert!(problems.keep(&token("alice"), now + LATER));
    }

    #[test]
    fn new_settings_are_looked_at_at_once() {
        let (problems, now) = (Problems::default(), Instant::now());
        assert!(problems.keep(&token("alice"), now));
        problems.forget();
        assert!(!problems.has_at(&token("alice"), now));
    }

    #[test]
    fn as_many_are_remembered_as_there_can_be_tenants() {
        let (problems, now) = (Problems::default(), Instant::now());
        let kept = (0..2 * MAX_PROBLEMS).filter(|n| problems.keep(&token(&n.to_string()), now));
        assert_eq!(kept.count(), MAX_PROBLEMS);
        assert!(problems.keep(&token("alice"), now + LATER));
    }
}
