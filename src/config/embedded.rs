//! What only a program that embeds the library sets: there is neither a variable nor a key
//! for it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Config;

/// What only a program that embeds the library sets.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Embedded {
    environment: Option<Vec<(String, String)>>,
    executable: Option<PathBuf>,
    without: Vec<String>,
    without_preload: bool,
}

impl Config {
    /// Sets what programs and commands are given of, instead of the environment of
    /// this process.
    #[must_use]
    pub fn with_environment<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.embedded.environment = Some(pairs.collect());
        self
    }

    /// The environment that `allow-env` chooses from. Values that are not UTF-8 are skipped.
    pub(crate) fn environment(&self) -> HashMap<String, String> {
        match &self.embedded.environment {
            Some(pairs) => pairs.iter().cloned().collect(),
            None => std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        }
    }

    /// The executable that serves as the zygote: this one, if it calls
    /// [`crate::zygote_hook`], else `mcp-conductor` in `PATH`.
    pub fn executable(&self) -> Option<&Path> {
        self.embedded.executable.as_deref()
    }

    /// Sets [`Self::executable`], an `mcp-conductor` or a program that calls
    /// [`crate::zygote_hook`].
    #[must_use]
    pub fn with_executable(mut self, executable: impl Into<PathBuf>) -> Self {
        self.embedded.executable = Some(executable.into());
        self
    }

    /// Compiles nothing of installed packages before a program imports it: for one program,
    /// which would wait until all that it may import is compiled.
    #[must_use]
    pub fn without_preload(mut self) -> Self {
        self.embedded.without_preload = true;
        self
    }

    pub(crate) fn preloads(&self) -> bool {
        !self.embedded.without_preload
    }

    /// Leaves a layer of the sandbox out, to test that this is noticed.
    #[doc(hidden)]
    #[must_use]
    pub fn without_layer(mut self, layer: &str) -> Self {
        self.embedded.without.push(layer.to_owned());
        self
    }

    pub(crate) fn without(&self) -> &[String] {
        &self.embedded.without
    }
}
