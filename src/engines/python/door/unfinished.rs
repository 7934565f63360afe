//! What a program has left behind when its value is reached, as its boot program tells it.

use serde::Deserialize;

use crate::protocol::{MAX_UNFINISHED, MAX_UNFINISHED_TEXT, Unfinished};
use crate::text::clip::head;
use crate::worker::Work;

/// Tasks of one kind.
#[derive(Debug, Deserialize)]
pub(super) struct Tasks {
    what: String,
    /// Where they wait.
    line: Option<u32>,
    count: u32,
}

/// The work of a program whose value was sent, as it was told last.
#[derive(Debug, Default)]
pub(super) struct Left(Vec<Unfinished>);

impl Left {
    pub(super) fn tell(&mut self, tasks: Vec<Tasks>) {
        self.0.clear();
        for Tasks { what, line, count } in tasks {
            self.add(&what, line, count);
        }
    }

    /// All of it: the code that runs, at its line, the tasks, and operations that none of them
    /// waits for.
    pub(super) fn list(mut self, running: Option<u32>, operations: Vec<Work>) -> Vec<Unfinished> {
        if let Some(line) = running {
            self.add("code that was running", Some(line), 1);
        }
        for Work { what, place } in operations {
            let line = place.map(|place| place.1);
            if line.is_none() || self.0.iter().all(|known| known.line != line) {
                self.add(&what, line, 1);
            }
        }
        self.0
    }

    fn add(&mut self, what: &str, line: Option<u32>, count: u32) {
        let is_same = |entry: &&mut Unfinished| entry.what == what && entry.line == line;
        if let Some(known) = self.0.iter_mut().find(is_same) {
            known.count = known.count.saturating_add(count);
        } else if self.0.len() + 1 < MAX_UNFINISHED {
            let what = head(what, MAX_UNFINISHED_TEXT).to_owned();
            self.0.push(Unfinished { what, line, column: None, count });
        } else {
            self.more(count);
        }
    }

    /// Counts what is beyond the list.
    fn more(&mut self, count: u32) {
        match self.0.get_mut(MAX_UNFINISHED - 1) {
            Some(rest) => rest.count = rest.count.saturating_add(count),
            None => {
                let what = "more of other kinds".to_owned();
                self.0.push(Unfinished { what, count, ..Unfinished::default() });
            }
        }
    }
}
