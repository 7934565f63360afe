//! What a build says of itself while it runs: what asks for what, which module an entry
//! is, and what was refused. It outlives a build that fails.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

/// What an entry turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A module of the graph, by its id.
    Module(String),
    /// A JSON file, which stays JSON.
    Json(PathBuf),
    /// Nothing, and why.
    Nothing(String),
}

/// How a module asks for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A static import: whoever asks cannot work without it.
    Import,
    /// `require` and `import()`, which may be in a branch that is never taken.
    Lazy,
}

/// The record of a build.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// By the number of the entry.
    pub entries: HashMap<usize, Found>,
    /// What each module asks for, by ids.
    pub edges: HashMap<String, Vec<(String, Way)>>,
    /// Modules that asked for files outside of the store, and the sentence about it.
    pub refused: HashMap<String, String>,
    /// Modules that are written as CommonJS.
    pub commonjs: HashSet<String>,
}

impl Record {
    pub(super) fn edge(&mut self, importer: &str, id: &str, way: Way) {
        self.edges.entry(importer.to_owned()).or_default().push((id.to_owned(), way));
    }

    /// The first of some modules that an entry reaches, by all edges or by static
    /// imports only.
    pub(super) fn reaches<'a, T>(
        &self,
        entry: &str,
        modules: &'a HashMap<String, T>,
        lazily: bool,
    ) -> Option<&'a T> {
        let mut seen = HashSet::from([entry]);
        let mut left = vec![entry];
        while let Some(id) = left.pop() {
            if let Some(found) = modules.get(id) {
                return Some(found);
            }
            for (next, way) in self.edges.get(id).into_iter().flatten() {
                if (lazily || *way == Way::Import) && seen.insert(next) {
                    left.push(next);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Record, Way};

    #[test]
    fn what_is_required_is_reached_lazily() {
        let mut record = Record::default();
        record.edge("a", "b", Way::Import);
        record.edge("b", "a", Way::Import);
        record.edge("b", "c", Way::Lazy);
        let modules = HashMap::from([("c".to_owned(), 3)]);
        assert_eq!(record.reaches("a", &modules, true), Some(&3));
        assert_eq!(record.reaches("a", &modules, false), None);
    }
}
