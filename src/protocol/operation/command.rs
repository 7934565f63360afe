//! Commands: executables that the administrator has granted.

use serde::{Deserialize, Serialize};

use super::MAX_PARTS;

/// `Deno.Command`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum CommandOperation {
    /// Answered by [`Answer::Child`](super::Answer::Child).
    Spawn(Box<SpawnOptions>),
    /// Runs a command to its end; answered by [`Answer::Output`](super::Answer::Output).
    Output(Box<SpawnOptions>),
    /// Answered by [`Answer::Exit`](super::Answer::Exit).
    Wait {
        handle: u32,
    },
    Kill {
        handle: u32,
        signal: String,
    },
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SpawnOptions {
    pub command: String,
    pub args: Vec<String>,
    pub cwd: Option<String>,
    pub clear_env: bool,
    pub env: Vec<(String, String)>,
    pub stdin: Stdio,
    pub stdout: Stdio,
    pub stderr: Stdio,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Stdio {
    #[default]
    Null,
    Piped,
    /// The run's own output, or no input.
    Inherit,
}

impl CommandOperation {
    pub(super) fn handle_mut(&mut self) -> Option<&mut u32> {
        match self {
            Self::Wait { handle } | Self::Kill { handle, .. } => Some(handle),
            Self::Spawn(_) | Self::Output(_) => None,
        }
    }

    pub(super) fn has_too_many_parts(&self) -> bool {
        match self {
            Self::Spawn(options) | Self::Output(options) => {
                options.args.len() > MAX_PARTS || options.env.len() > MAX_PARTS
            }
            Self::Wait { .. } | Self::Kill { .. } => false,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Spawn(_) => "spawn",
            Self::Output(_) => "output",
            Self::Wait { .. } => "wait",
            Self::Kill { .. } => "kill",
        }
    }
}
