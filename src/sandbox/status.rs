//! What is enforced, as far as it was seen.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::plan::Layer;

/// One layer of the sandbox and whether the kernel enforces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerStatus {
    /// `seccomp`, `landlock`, `namespaces`, …
    pub name: String,
    /// Whether it is in force for every worker.
    pub enforced: bool,
    /// Whether the server refuses to start without it.
    pub required: bool,
    /// What exactly, or why not.
    pub detail: String,
}

/// Every layer of the sandbox on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxStatus {
    /// In the order in which they are applied.
    pub layers: Vec<LayerStatus>,
}

impl SandboxStatus {
    pub(crate) fn record(&mut self, layer: Layer, enforced: bool, detail: impl Into<String>) {
        self.layers.push(LayerStatus {
            name: layer.name().to_owned(),
            enforced,
            required: layer.required(),
            detail: detail.into(),
        });
    }

    /// Adds the layers that are each worker's own, after one was verified.
    pub(crate) fn record_worker_layers(&mut self) {
        self.record(Layer::Rlimits, true, "CPU, memory, files, processes, core");
    }

    /// Whether a layer is in force.
    pub fn enforces(&self, name: &str) -> bool {
        self.layers.iter().any(|layer| layer.name == name && layer.enforced)
    }

    /// Layers that are missing although the server must not run without them.
    pub fn missing_required(&self) -> impl Iterator<Item = &LayerStatus> {
        self.layers.iter().filter(|layer| layer.required && !layer.enforced)
    }

    /// Layers that are missing and that the server can run without.
    pub fn missing_optional(&self) -> impl Iterator<Item = &LayerStatus> {
        self.layers.iter().filter(|layer| !layer.required && !layer.enforced)
    }
}

impl fmt::Display for SandboxStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for layer in &self.layers {
            let state = match (layer.enforced, layer.required) {
                (true, _) => "enforced",
                (false, true) => "MISSING",
                (false, false) => "missing",
            };
            writeln!(f, "  {:<13} {:<9} {}", layer.name, state, layer.detail)?;
        }
        Ok(())
    }
}
