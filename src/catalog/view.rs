//! Views of one list of tools, kept for the runs that look at it next.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::memory::Charge;
use crate::policy::RunTools;

/// Views of one list that are kept: runs without patterns of their own have one for
/// each principal.
const MAX_VIEWS: usize = 4;

/// Places of tools in a list, in its order.
pub(super) struct View {
    pub(super) places: Vec<usize>,
    /// The source of their module, for the first import.
    pub(super) module: OnceLock<(Arc<str>, Charge)>,
}

/// The last views of a list, and for whom they are.
#[derive(Default)]
pub(super) struct Views(Mutex<VecDeque<(RunTools, Arc<View>)>>);

impl Views {
    pub(super) fn of(&self, run: &RunTools) -> Option<Arc<View>> {
        let views = self.0.lock();
        views.iter().find(|(other, _)| other.is_same(run)).map(|(_, view)| view.clone())
    }

    pub(super) fn keep(&self, run: &RunTools, view: &Arc<View>) {
        let mut views = self.0.lock();
        if views.len() == MAX_VIEWS {
            views.pop_front();
        }
        views.push_back((run.clone(), view.clone()));
    }
}
