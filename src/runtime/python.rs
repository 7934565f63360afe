//! Python as a server has it: whether it is there, and the packages that are in it.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use nix::fcntl::Flock;

use super::execution::ToolCallSummary;
use crate::config::environment::PYTHON;
use crate::config::{Config, PythonLoad};
use crate::packages::pypi::SCHEME;
use crate::packages::python::{
    HOW_TO_GET_IT, PypiManifest, PythonFiles, described, hold, included,
};
use crate::packages::simple_index::normalized;
use crate::pool::{Availability, Pool, PoolError};
use crate::protocol::{Generation, Kind};

/// The packages that Python has with it, each by the name that an index knows it by.
#[derive(Debug, Default)]
pub(super) struct Included(BTreeSet<String>);

impl Included {
    /// Those of the component, if it is installed. Reads a file.
    pub(super) fn of(files: Option<&PythonFiles>) -> Self {
        let packages = files.map(|files| included(&files.component)).unwrap_or_default();
        Self(packages.into_iter().map(|(name, _)| normalized(&name)).collect())
    }

    /// The packages that are to be allowed for a program that names these: those that Python has
    /// with it are there for everybody. Which version there is, is the administrator's choice.
    pub(super) fn further(&self, dependencies: &[String]) -> Vec<String> {
        dependencies.iter().filter_map(|text| self.further_of(text.trim())).collect()
    }

    fn further_of(&self, text: &str) -> Option<String> {
        let bare = text.strip_prefix(SCHEME).unwrap_or(text);
        // What follows a name: extras, a version, a marker (PEP 508).
        let end = bare.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'));
        let (name, rest) = bare.split_at(end.unwrap_or(bare.len()));
        if self.0.contains(&normalized(name)) {
            return None;
        }
        // Of another kind, or no name at all: policy says what is wrong with it.
        let is_other = name.is_empty() || rest.starts_with(':');
        Some(if is_other { text.to_owned() } else { format!("{SCHEME}{name}") })
    }
}

/// The packages of PyPI that workers of Python have.
#[derive(Debug, Default)]
pub(super) struct Packages {
    manifest: Arc<PypiManifest>,
    /// Keeps them from being removed.
    _held: Option<Flock<File>>,
}

impl Packages {
    /// Those of a generation. Reads a file.
    pub(super) fn of(generation: Option<&Generation>) -> Self {
        let Some(generation) = generation else { return Self::default() };
        let held = hold(&generation.directory);
        let manifest = PypiManifest::read(&generation.directory).unwrap_or_default();
        Self { manifest: Arc::new(manifest), _held: held }
    }

    pub(super) fn manifest(&self) -> Arc<PypiManifest> {
        self.manifest.clone()
    }
}

/// Says in the log of a server what there is of Python.
pub(super) fn say(config: &Config) {
    match config.python() {
        PythonLoad::Off => tracing::info!("python: off ({PYTHON}=off)"),
        PythonLoad::Lazy | PythonLoad::Start => {
            tracing::info!("python: {}", described(config.install_dir()));
        }
    }
}

/// The packages of PyPI that programs may import, as the administrator wrote them.
pub(super) fn allowed(config: &Config) -> Vec<String> {
    config.allowed_packages().pypi().iter().map(ToString::to_string).collect()
}

/// Tools by the names that programs in Python call them by: `mcp__server__tool`.
pub(super) fn name_in_full(calls: &mut [ToolCallSummary]) {
    for call in calls {
        if let Some((server, tool)) = call.tool.split_once('/') {
            call.tool = format!("mcp__{server}__{tool}");
        }
    }
}

/// Whether there is a Python that may be loaded, or is.
pub(super) fn is_available(pool: &Pool) -> bool {
    // One that could not be loaded last is tried again by the next call, which is told why.
    !matches!(pool.availability(Kind::Python), Availability::NotAvailable(PoolError::NoLane(_)))
}

/// Why there is no Python, if that is not for a failure of its engine.
pub(super) fn absence(pool: &Pool, config: &Config) -> Option<String> {
    let Availability::NotAvailable(PoolError::NoLane(_)) = pool.availability(Kind::Python) else {
        return None;
    };
    Some(match config.python() {
        PythonLoad::Off => format!("Python is off on this server ({PYTHON}=off)"),
        PythonLoad::Lazy | PythonLoad::Start => format!(
            "Python is not installed on this server. An administrator gets it: {HOW_TO_GET_IT}, and \
             restart the server, or send SIGHUP to `mcp-conductor http`"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn further(dependencies: &[&str]) -> Vec<String> {
        let included = Included(["pandas", "scikit-learn"].map(str::to_owned).into());
        included.further(&dependencies.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_python_has_with_it_needs_no_permission() {
        let all =
            ["pandas", "pypi:pandas", " Pandas>=2", "scikit_learn==1.7", "pypi:Scikit.Learn@^1"];
        assert!(further(&all).is_empty());
    }

    #[test]
    fn another_package_is_named_as_one_of_pypi() {
        assert_eq!(further(&["tabulate"]), ["pypi:tabulate"]);
        assert_eq!(further(&["pypi:tabulate"]), ["pypi:tabulate"]);
        assert_eq!(further(&["requests[socks]>=2; os_name"]), ["pypi:requests"]);
    }

    #[test]
    fn a_tool_has_the_name_that_it_is_called_by() {
        let call = |tool: &str| ToolCallSummary {
            tool: tool.to_owned(),
            calls: 1,
            errors: 0,
            time: std::time::Duration::ZERO,
        };
        let mut calls = [call("stub/echo"), call("a/b/c")];
        name_in_full(&mut calls);
        assert_eq!(calls, [call("mcp__stub__echo"), call("mcp__a__b/c")]);
    }

    #[test]
    fn what_is_no_package_of_pypi_stays_as_it_is() {
        for text in ["npm:zod", "", "@x/y", "https://example.com/a.whl"] {
            assert_eq!(further(&[text]), [text]);
        }
    }
}
