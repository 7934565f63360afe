//! The check of a program's types: beside its run, before it, or instead of it. It is a help and
//! no fence: whatever goes wrong with it, the program runs unchecked, and its result says why.

mod asking;
mod diagnostic;
mod plan;
mod question;
mod unchecked;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::ExecuteError;
use super::shared::Shared;
use crate::broker::Services;
pub use diagnostic::{Diagnostic, DiagnosticCategory};
pub use plan::Check;
pub(super) use plan::Plan;
pub(super) use question::Question;
pub(super) use verdict::Verdict;

/// How long the result of a run waits for the verdict on it.
const MAX_DELAY: Duration = Duration::from_millis(20);

/// What becomes of a program after its check, or with it.
pub(super) enum Checked {
    Runs(Checking),
    DoesNotRun(Verdict),
}

/// The verdict on a program that runs meanwhile.
pub(super) enum Checking {
    /// It is not checked.
    Not,
    /// It is known already.
    Done(Verdict),
    /// It ends with this.
    Meanwhile(AbortOnDropHandle<Verdict>),
}

impl Checking {
    /// The verdict, if there is one by now or soon.
    pub(super) async fn verdict(self) -> Option<Verdict> {
        let checking = match self {
            Self::Not => return None,
            Self::Done(verdict) => return Some(verdict),
            Self::Meanwhile(checking) => checking,
        };
        Some(match timeout(MAX_DELAY, checking).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(_)) => Verdict::unchecked("The check failed".to_owned()),
            Err(_) => Verdict::late(),
        })
    }
}

impl Plan {
    /// Waits for a checker that is being loaded, where the program does not run without a verdict.
    pub(super) async fn loads(&self, shared: &Shared) {
        match self {
            Self::Nothing | Self::Impossible { .. } | Self::Check(Check::Off | Check::Warn) => {}
            Self::Check(Check::Error | Check::Only) => asking::loaded(&shared.pool).await,
        }
    }

    /// Does what is to be done before the program runs, in the slot of its run: there are not more
    /// checks at once than runs.
    ///
    /// # Errors
    /// It was only to be checked, and cannot be.
    pub(super) async fn begin(
        self,
        shared: &Arc<Shared>,
        services: &Arc<Services>,
        question: impl FnOnce(Check) -> Question,
    ) -> Result<Checked, ExecuteError> {
        let (check, asked) = match self {
            Self::Nothing => return Ok(Checked::Runs(Checking::Not)),
            Self::Impossible { asked: Check::Only, reason } => {
                return Err(ExecuteError::Unavailable(reason));
            }
            Self::Impossible { reason, .. } => {
                return Ok(Checked::Runs(Checking::Done(Verdict::unchecked(reason))));
            }
            Self::Check(check) => (check, question(check)),
        };
        let (shared, services) = (shared.clone(), services.clone());
        let verdict = async move { verdict(&shared, &services, &asked).await };
        if check == Check::Warn {
            let checking = AbortOnDropHandle::new(tokio::spawn(verdict));
            return Ok(Checked::Runs(Checking::Meanwhile(checking)));
        }
        let verdict = verdict.await;
        match (check, verdict.reason()) {
            (Check::Only, Some(reason)) => {
                Err(ExecuteError::Unavailable(format!("The program was not checked: {reason}")))
            }
            (Check::Only, None) => Ok(Checked::DoesNotRun(verdict)),
            _ if verdict.has_errors() => Ok(Checked::DoesNotRun(verdict)),
            _ => Ok(Checked::Runs(Checking::Done(verdict))),
        }
    }
}

/// The verdict on a program.
async fn verdict(shared: &Arc<Shared>, services: &Arc<Services>, asked: &Question) -> Verdict {
    match asking::answer(&shared.pool, services, asked).await {
        Ok(json) => Verdict::read(&json, asked.source()),
        Err(reason) => Verdict::unchecked(reason.to_string()),
    }
}
