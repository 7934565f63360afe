//! Every privileged operation that a program asks for: decided by `policy`,
//! then done here, outside of the sandbox.

use crate::audit;
use crate::policy::{Denied, Policy};
use crate::protocol::{Access, Refusal};

/// The class of Deno's error for a missing permission.
const NOT_CAPABLE: &str = "NotCapable";

/// Longest target in an error text, in bytes. A program chooses it.
const MAX_TARGET_BYTES: usize = 4096;

/// The broker of one run.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    policy: Policy,
    execution: u64,
}

impl Broker {
    pub(crate) fn new(policy: Policy, execution: u64) -> Self {
        Self { policy, execution }
    }

    /// Answers one request.
    pub(crate) fn handle(&self, mut access: Access) -> Result<(), Refusal> {
        clip(&mut access.api);
        access.target.as_mut().map(clip);
        match self.policy.check(access) {
            Ok(allowed) => match allowed {},
            Err(denied) => Err(self.refuse(&denied)),
        }
    }

    fn refuse(&self, denied: &Denied) -> Refusal {
        audit::refused(self.execution, denied);
        Refusal { class: NOT_CAPABLE.into(), message: denied.to_string() }
    }
}

fn clip(text: &mut String) {
    if text.len() > MAX_TARGET_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TARGET_BYTES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::AccessKind;

    #[test]
    fn a_refusal_is_deno_s_not_capable() {
        let broker = Broker::new(Policy::default(), 1);
        let access = Access {
            kind: AccessKind::Read,
            target: Some("/etc/passwd".into()),
            api: "Deno.readTextFile()".into(),
        };
        assert_eq!(
            broker.handle(access),
            Err(Refusal {
                class: "NotCapable".into(),
                message: "Requires read access to \"/etc/passwd\", run again with the \
                    --allow-read flag"
                    .into(),
            })
        );
    }

    #[test]
    fn a_huge_target_is_cut() {
        let broker = Broker::new(Policy::default(), 1);
        let access = Access {
            kind: AccessKind::Read,
            target: Some("ä".repeat(1 << 20)),
            api: "Deno.stat()".into(),
        };
        assert!(broker.handle(access).unwrap_err().message.len() < 5000);
    }
}
