//! Which file imports which, and the circles among them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;

use super::source::{Module, Sources, Used};

/// One file that names something of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Import {
    pub from: String,
    pub to: String,
    line: usize,
    file: String,
    written: String,
}

impl Import {
    pub(super) fn own_room(&self) -> &str {
        room(&self.from)
    }

    pub(super) fn other_room(&self) -> &str {
        room(&self.to)
    }
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, line, file, written, .. } = self;
        write!(f, "{file}:{line}: {written} is of {to}")
    }
}

/// The imports between files.
pub(super) struct Graph(BTreeSet<Import>);

impl Graph {
    pub(super) fn of(sources: &Sources) -> Self {
        let mut imports = BTreeSet::new();
        for (from, module) in &sources.0 {
            let paths = module.used.iter().map(|used| &used.path).chain(&module.paths);
            for path in paths {
                let Some(to) = resolve(sources, from, &path.segments, &mut Vec::new()) else {
                    continue;
                };
                if !is_family(from, &to) {
                    let file = module.file.display().to_string();
                    let written = path.segments.join("::");
                    let from = from.clone();
                    imports.insert(Import { from, to, line: path.line, file, written });
                }
            }
        }
        Self(imports)
    }

    pub(super) fn imports(&self) -> impl Iterator<Item = &Import> {
        self.0.iter()
    }

    /// Those from one room to another.
    pub(super) fn imports_of_rooms(&self) -> impl Iterator<Item = &Import> {
        self.imports().filter(|import| import.own_room() != import.other_room())
    }

    /// Files that reach each other, in sets of two and more.
    pub(super) fn circles(&self) -> Vec<BTreeSet<String>> {
        let edges = self.imports().map(|import| (import.from.clone(), import.to.clone()));
        circles(&edges.collect())
    }

    /// Rooms that reach each other, each set with an import for each pair.
    pub(super) fn circles_of_rooms(&self) -> Vec<String> {
        let pair = |import: &Import| (import.own_room().to_owned(), import.other_room().to_owned());
        let edges = self.imports_of_rooms().map(pair).collect();
        let inside = |circle: &BTreeSet<String>| {
            let mut shown = format!("{}:\n", join(circle));
            let mut seen = BTreeSet::new();
            for import in self.imports_of_rooms() {
                let (from, to) = pair(import);
                if circle.contains(&from) && circle.contains(&to) && seen.insert((from, to)) {
                    writeln!(shown, "  {import}").unwrap();
                }
            }
            shown
        };
        circles(&edges).iter().map(inside).collect()
    }

    /// A circle of files with the imports that make it.
    pub(super) fn shown(&self, circle: &BTreeSet<String>) -> String {
        let mut shown = format!("{}:\n", join(circle));
        let inside =
            |import: &&Import| circle.contains(&import.from) && circle.contains(&import.to);
        for import in self.imports().filter(inside) {
            writeln!(shown, "  {import}").unwrap();
        }
        shown
    }
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().cloned().collect::<Vec<_>>().join(", ")
}

fn room(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// The same file, one inside of the other, or the root of the crate, which names all.
fn is_family(one: &str, other: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
    };
    one == other || inside(one, other) || inside(other, one)
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn child(name: &str, child: &str) -> String {
    if name.is_empty() { child.to_owned() } else { format!("{name}/{child}") }
}

/// The module that defines what a path names; none, if it is of another crate.
fn resolve(
    sources: &Sources,
    from: &str,
    segments: &[String],
    seen: &mut Vec<(String, String)>,
) -> Option<String> {
    let (mut here, mut rest) = begin(sources, from, segments)?;
    while let Some((name, after)) = rest.split_first() {
        let module: &Module = sources.0.get(&here)?;
        if module.children.contains(name) {
            (here, rest) = (child(&here, name), after);
            continue;
        }
        let is_it = |used: &&Used| used.name == *name;
        if let Some(used) = module.used.iter().find(is_it) {
            let step = (here.clone(), name.clone());
            if seen.contains(&step) {
                return None;
            }
            seen.push(step);
            return resolve(sources, &here, &used.path.segments, seen);
        }
        break;
    }
    Some(here)
}

/// The module where a path begins, and what is left of it.
fn begin<'a>(
    sources: &Sources,
    from: &str,
    segments: &'a [String],
) -> Option<(String, &'a [String])> {
    let (first, rest) = segments.split_first()?;
    match &**first {
        "crate" => Some((String::new(), rest)),
        "self" => Some((from.to_owned(), rest)),
        "super" => {
            let (mut here, mut rest) = (parent(from), rest);
            while let Some((first, after)) = rest.split_first()
                && first == "super"
            {
                (here, rest) = (parent(here), after);
            }
            Some((here.to_owned(), rest))
        }
        name => {
            let module = sources.0.get(from)?;
            let is_child = module.children.iter().any(|child| child == name);
            is_child.then(|| (from.to_owned(), segments))
        }
    }
}

/// Sets of two and more that reach each other.
fn circles(edges: &BTreeSet<(String, String)>) -> Vec<BTreeSet<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|&from| (from, reach(&next, from))).collect();
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
    let mut circles = BTreeSet::new();
    for &file in next.keys() {
        let circle = next.keys().filter(|&&other| reaches(file, other) && reaches(other, file));
        let circle: BTreeSet<String> = circle.map(|&other| other.to_owned()).collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

fn reach<'a>(next: &BTreeMap<&'a str, Vec<&'a str>>, from: &'a str) -> BTreeSet<&'a str> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        for &to in next.get(file).into_iter().flatten() {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    reached
}
