//! What programs may do.

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, at};

group! {
    /// What programs may do.
    Permissions as permissions {
        /// Whether `allow-all` is accepted. No.
        unsafe_allow_all, with_unsafe_allow_all: bool;
        /// Whether commands run where the kernel has no Landlock to confine them. No.
        unsafe_run_without_landlock, with_unsafe_run_without_landlock: bool;
    } and {
        run_args: Option<String>;
    }
}

impl Config {
    /// What programs may do, as Deno's flags. Without it: read and write the
    /// workspace.
    pub fn run_args(&self) -> Option<&str> {
        self.permissions.run_args.as_deref()
    }

    /// Sets [`Self::run_args`], such as `allow-read=/data,allow-net=example.com`.
    #[must_use]
    pub fn with_run_args(mut self, run_args: impl Into<String>) -> Self {
        self.permissions.run_args = Some(run_args.into());
        self
    }
}

entries! {
    RUN_ARGS = "MCP_CONDUCTOR_RUN_ARGS" {
        meaning: "What programs may do, as Deno's flags; `none` for nothing. \
                  Unset: read and write the workspace",
        example: "allow-read=/data,allow-net=api.example.com",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Means("read and write the workspace"),
        form: Form::Grants(at!(permissions.run_args)),
    }
    ALLOW_ALL = "MCP_CONDUCTOR_UNSAFE_ALLOW_ALL" {
        meaning: "1 accepts `allow-all`, which gives programs all that the server's user may do",
        example: "1",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Flag(false),
        form: Form::Flag(at!(permissions.unsafe_allow_all)),
    }
    WITHOUT_LANDLOCK = "MCP_CONDUCTOR_UNSAFE_RUN_WITHOUT_LANDLOCK" {
        meaning: "1 accepts `allow-run` where the kernel has no Landlock: commands are not confined \
                  to the grants",
        example: "1",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Flag(false),
        form: Form::Flag(at!(permissions.unsafe_run_without_landlock)),
    }
}
