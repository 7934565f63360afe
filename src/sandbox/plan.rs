//! What will be applied. Pure: nothing here makes a system call.

use nix::sys::resource::Resource;
use serde::{Deserialize, Serialize};

/// One thing that confines a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Layer {
    NoNewPrivs,
    Seccomp,
    Rlimits,
    NonDumpable,
    Unprivileged,
    Namespaces,
    EmptyRoot,
    Landlock,
}

impl Layer {
    /// The name in status, configuration and documentation.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoNewPrivs => "no_new_privs",
            Self::Seccomp => "seccomp",
            Self::Rlimits => "rlimits",
            Self::NonDumpable => "non_dumpable",
            Self::Unprivileged => "unprivileged",
            Self::Namespaces => "namespaces",
            Self::EmptyRoot => "empty_root",
            Self::Landlock => "landlock",
        }
    }

    /// Without these the server does not start. The others are defence in
    /// depth, and an unprivileged container may not grant them.
    pub(crate) fn required(self) -> bool {
        matches!(
            self,
            Self::NoNewPrivs
                | Self::Seccomp
                | Self::Rlimits
                | Self::NonDumpable
                | Self::Unprivileged
        )
    }
}

/// Descriptors of a worker: stdio, its socket, and what tokio's reactor opens
/// (epoll, its duplicate, an eventfd): 7, and room for a few more.
pub(crate) const WORKER_NOFILE: u64 = 16;

/// A worker's threads beside its main one, for crypto.subtle: its digests and keys are
/// computed there, so that a deadline can interrupt them. The server allows as many and
/// no more. Two: a program that makes two keys at once has both in the time of one.
pub(crate) const CRYPTO_THREADS: usize = 2;

/// Threads of all workers together: the kernel counts by user id. Well above what the
/// server allows, twice a thousand runs at once; a backstop.
pub(crate) const MAX_THREADS: u64 = 4096;

/// Stack of each, what Rust gives to any thread. Virtual memory: 12 KiB are touched.
pub(crate) const CRYPTO_STACK_BYTES: usize = 2 << 20;

/// Main thread's stack, fixed at exec. swc recurses while it parses; 8 MiB
/// overflow at about 6,000 nested parentheses. Pages are used on demand only.
pub(crate) const STACK_BYTES: u64 = 64 << 20;

/// Seconds between the CPU limit's SIGXCPU and the kernel's SIGKILL.
const CPU_GRACE_SECONDS: u64 = 2;

/// The confinement of one zygote and its workers.
#[derive(Debug, Clone)]
pub(crate) struct SandboxPlan {
    /// Bytes of private writable memory (RLIMIT_DATA) that a worker may have,
    /// those inherited from the zygote included.
    pub data_bytes: u64,
    /// CPU seconds at which the kernel steps in.
    pub cpu_seconds: u64,
    without: Vec<String>,
}

impl SandboxPlan {
    pub(crate) fn new(data_bytes: u64, cpu_seconds: u64, without: Vec<String>) -> Self {
        Self { data_bytes, cpu_seconds, without }
    }

    /// Whether a layer is to be applied.
    pub(crate) fn has(&self, layer: Layer) -> bool {
        !self.without.iter().any(|name| name == layer.name())
    }

    /// A worker's resource limits: what, soft, hard.
    pub(crate) fn rlimits(&self) -> [(Resource, u64, u64); 8] {
        [
            // RLIMIT_STACK was set before the zygote's exec, where the kernel
            // lays the stack out.
            // No core file: it would hold the program's data.
            (Resource::RLIMIT_CORE, 0, 0),
            // No byte can be added to any file.
            (Resource::RLIMIT_FSIZE, 0, 0),
            (Resource::RLIMIT_MEMLOCK, 0, 0),
            (Resource::RLIMIT_MSGQUEUE, 0, 0),
            (Resource::RLIMIT_NPROC, MAX_THREADS, MAX_THREADS),
            (Resource::RLIMIT_NOFILE, WORKER_NOFILE, WORKER_NOFILE),
            (Resource::RLIMIT_CPU, self.cpu_seconds, self.cpu_seconds + CPU_GRACE_SECONDS),
            // RLIMIT_AS cannot be used: V8 reserves gigabytes of address space.
            (Resource::RLIMIT_DATA, self.data_bytes, self.data_bytes),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_without_a_layer_has_all_the_others() {
        let plan = SandboxPlan::new(0, 1, vec!["landlock".into()]);
        assert!(!plan.has(Layer::Landlock));
        assert!(plan.has(Layer::Seccomp) && plan.has(Layer::Namespaces));
    }

    #[test]
    fn the_hard_cpu_limit_is_behind_the_soft_one() {
        let plan = SandboxPlan::new(1, 10, vec![]);
        let cpu = plan.rlimits().into_iter().find(|l| l.0 == Resource::RLIMIT_CPU);
        assert_eq!(cpu.map(|(_, soft, hard)| (soft, hard)), Some((10, 12)));
    }
}
