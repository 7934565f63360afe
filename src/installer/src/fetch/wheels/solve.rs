//! Which versions are installed: the highest ones that satisfy all requirements, one of each
//! package. A search that goes back where it fails, over what is known; what is not known yet
//! it asks for, and begins again.

use std::collections::{BTreeMap, HashMap};

use pep440_rs::{Operator, Version, VersionSpecifiers};
use pep508_rs::{ExtraName, MarkerEnvironment, VersionOrUrl};

use super::candidates::{Candidate, Project};
use super::metadata::Metadata;
use crate::simple_index::normalized;

/// Steps of one search. The graphs of popular packages take as many as they have requirements.
const MAX_STEPS: usize = 50_000;

/// Requirements that are looked at, one inside of the other: the depth of the stack.
const MAX_DEPTH: usize = 5_000;

/// Bytes of the stack of a search: each requirement takes up to three calls with some 300 bytes
/// of variables each, and ten times that without optimization.
const STACK: usize = MAX_DEPTH * (10 << 10);

/// What Python itself has.
pub(super) type Included = BTreeMap<String, Version>;

/// Versions by name, each with the extras that are wanted of it.
pub(super) type Solution = BTreeMap<String, (Version, Vec<ExtraName>)>;

/// A requirement.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub name: String,
    pub extras: Vec<ExtraName>,
    pub versions: VersionSpecifiers,
    /// Who has it.
    pub by: String,
}

/// What a search comes to.
#[derive(Debug)]
pub(super) enum Step {
    Solved(Solution),
    /// The files of a project have to be known.
    Project(String),
    /// What a version needs has to be known.
    Metadata(String, Version),
}

/// What is known of projects.
#[derive(Debug)]
pub(super) struct Known {
    environment: MarkerEnvironment,
    projects: HashMap<String, Project>,
    metadata: HashMap<(String, Version), Metadata>,
}

impl Known {
    pub(super) fn new(environment: MarkerEnvironment) -> Self {
        Self { environment, projects: HashMap::new(), metadata: HashMap::new() }
    }

    pub(super) fn projects(&self) -> usize {
        self.projects.len()
    }

    pub(super) fn add_project(&mut self, name: String, project: Project) {
        self.projects.insert(name, project);
    }

    pub(super) fn add_metadata(&mut self, name: String, version: Version, metadata: Metadata) {
        self.metadata.insert((name, version), metadata);
    }

    /// A version that is not for this Python, as its own metadata says.
    pub(super) fn leave_out(&mut self, name: &str, version: &Version) {
        let Some(project) = self.projects.get_mut(name) else { return };
        project.candidates.retain(|candidate| candidate.version != *version);
        let before = if project.left_out.is_empty() { "" } else { ", " };
        project.left_out.push_str(&format!("{before}that of {version} is not for this Python"));
    }

    pub(super) fn metadata(&self, name: &str, version: &Version) -> Option<&Metadata> {
        self.metadata.get(&(name.to_owned(), version.clone()))
    }

    /// The wheel of a version that a search has come to.
    pub(super) fn chosen(&self, name: &str, version: &Version) -> &Candidate {
        let candidates = self.projects.get(name).map_or(&[][..], |it| &it.candidates);
        let found = candidates.iter().find(|candidate| candidate.version == *version);
        found.expect("a search chooses among the candidates")
    }
}

/// Searches for versions.
pub(super) fn solve(known: &Known, wanted: &[Wanted], included: &Included) -> Result<Step, String> {
    let search = || {
        let mut search = Search { known, included, steps: 0, first: None };
        match search.step(&Solution::new(), wanted, 0) {
            Found::Step(step) => Ok(step),
            Found::Nothing => Err(search.first.unwrap_or_else(|| "there is no solution".into())),
        }
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, search);
        let thread = thread.map_err(|error| format!("no search can be started: {error}"))?;
        thread.join().map_err(|_| "the search for versions panicked".to_owned())?
    })
}

enum Found {
    Step(Step),
    /// Here is none; what stands in the way first is kept.
    Nothing,
}

struct Search<'a> {
    known: &'a Known,
    included: &'a Included,
    steps: usize,
    /// What stood in the way of the newest versions.
    first: Option<String>,
}

impl Search<'_> {
    fn step(&mut self, solution: &Solution, wanted: &[Wanted], depth: usize) -> Found {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            self.first = Some(format!(
                "no versions were found in {MAX_STEPS} steps: allow narrower ranges of packages"
            ));
            return Found::Nothing;
        }
        if depth > MAX_DEPTH {
            return self.nothing(format!(
                "the packages have more than {MAX_DEPTH} requirements together, which is the \
                 limit: allow fewer packages"
            ));
        }
        let Some((one, rest)) = wanted.split_first() else {
            return Found::Step(Step::Solved(solution.clone()));
        };
        if let Some(version) = self.included.get(&one.name) {
            if one.versions.contains(version) {
                return self.step(solution, rest, depth + 1);
            }
            return self.nothing(format!(
                "{} needs {}{}, and Python itself has {version}: allow another version of it, or \
                 pypi:{} in a version that fits",
                one.by, one.name, one.versions, one.name
            ));
        }
        match solution.get(&one.name) {
            Some((version, _)) if !one.versions.contains(version) => self.nothing(format!(
                "{} needs {}{}, and another package needs a version such as {version}",
                one.by, one.name, one.versions
            )),
            Some((version, extras)) => {
                let mut all = extras.clone();
                all.extend(one.extras.iter().filter(|extra| !extras.contains(extra)).cloned());
                if all.len() == extras.len() {
                    return self.step(solution, rest, depth + 1);
                }
                self.take(solution, rest, one, (version.clone(), all), depth)
            }
            None => self.choose(solution, rest, one, depth),
        }
    }

    fn nothing(&mut self, text: String) -> Found {
        self.first.get_or_insert(text);
        Found::Nothing
    }

    /// Tries the versions of a package that is new, the best first.
    fn choose(
        &mut self,
        solution: &Solution,
        rest: &[Wanted],
        one: &Wanted,
        depth: usize,
    ) -> Found {
        let Some(project) = self.known.projects.get(&one.name) else {
            return Found::Step(Step::Project(one.name.clone()));
        };
        let fitting = fitting(&project.candidates, &one.versions);
        if fitting.is_empty() {
            let why = match project.left_out.as_str() {
                "" => String::new(),
                why => format!(": of its files {why}"),
            };
            return self.nothing(format!(
                "{} needs {}{}, and there is no such wheel of pure Python (py3-none-any){why}",
                one.by, one.name, one.versions
            ));
        }
        for candidate in fitting {
            let chosen = (candidate.version.clone(), one.extras.clone());
            match self.take(solution, rest, one, chosen, depth) {
                Found::Nothing if self.steps <= MAX_STEPS => {}
                found => return found,
            }
        }
        Found::Nothing
    }

    /// Goes on with a version, and what it needs.
    fn take(
        &mut self,
        solution: &Solution,
        rest: &[Wanted],
        one: &Wanted,
        (version, extras): (Version, Vec<ExtraName>),
        depth: usize,
    ) -> Found {
        let Some(metadata) = self.known.metadata(&one.name, &version) else {
            return Found::Step(Step::Metadata(one.name.clone(), version));
        };
        let by = format!("{} {version}", one.name);
        let mut wanted = rest.to_vec();
        for need in &metadata.needs {
            if !need.evaluate_markers(&self.known.environment, &extras) {
                continue;
            }
            let versions = match &need.version_or_url {
                None => VersionSpecifiers::empty(),
                Some(VersionOrUrl::VersionSpecifier(versions)) => versions.clone(),
                Some(VersionOrUrl::Url(_)) => {
                    return self.nothing(format!(
                        "{by} needs {} from a URL, and packages come from their index only",
                        need.name
                    ));
                }
            };
            wanted.push(Wanted {
                name: normalized(need.name.as_ref()),
                extras: need.extras.clone(),
                versions,
                by: by.clone(),
            });
        }
        let mut solution = solution.clone();
        solution.insert(one.name.clone(), (version, extras));
        self.step(&solution, &wanted, depth + 1)
    }
}

/// The candidates that a requirement takes: releases, or if there is none, or one is named,
/// what comes before a release (PEP 440).
fn fitting<'a>(candidates: &'a [Candidate], versions: &VersionSpecifiers) -> Vec<&'a Candidate> {
    let is_exact =
        versions.iter().any(|one| matches!(one.operator(), Operator::Equal | Operator::ExactEqual));
    let names_pre = versions.iter().any(|one| one.version().any_prerelease());
    let fits = |candidate: &&Candidate| {
        versions.contains(&candidate.version) && (is_exact || !candidate.is_yanked)
    };
    let fitting: Vec<&Candidate> = candidates.iter().filter(fits).collect();
    let is_release = |one: &&Candidate| one.is_locked || !one.version.any_prerelease();
    if names_pre || !fitting.iter().any(|one| is_release(one)) {
        return fitting;
    }
    fitting.into_iter().filter(is_release).collect()
}

#[cfg(test)]
#[path = "solve_tests.rs"]
mod tests;
