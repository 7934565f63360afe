//! Whether a program is checked, and what comes of it: what the call asks for, within what the
//! administrator has set.

use crate::config::CheckSetting;
use crate::config::environment::CHECK;
use crate::packages::checker::HOW_TO_GET_IT;
use crate::pool::{Availability, Pool, PoolError};
use crate::protocol::Kind;
use crate::runtime::Language;

/// What the check of a program's types is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// It is not checked.
    Off,
    /// It is checked while it runs, and the result says what is wrong with it.
    Warn,
    /// It is checked first, and does not run if there is an error.
    Error,
    /// It is checked and does not run.
    Only,
}

impl Check {
    /// All of them, from what does least.
    pub const ALL: [Self; 4] = [Self::Off, Self::Warn, Self::Error, Self::Only];

    /// The name in arguments and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Only => "only",
        }
    }
}

/// What is done about the types of one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) enum Plan {
    /// Nothing, and nobody has asked for it.
    Nothing,
    /// As it says, which is not [`Check::Off`].
    Check(Check),
    /// It cannot be done, and why.
    Impossible { asked: Check, reason: String },
}

impl Plan {
    /// For a program of which the call says this, under this setting.
    pub(in crate::runtime) fn of(
        asked: Option<Check>,
        setting: CheckSetting,
        language: Language,
        pool: &Pool,
    ) -> Self {
        let check = effective(asked, setting);
        match (check, language) {
            (Check::Off, _) => return Self::Nothing,
            (_, Language::TypeScript) => {}
            (_, Language::Python) => return of_python(asked),
        }
        match pool.availability(Kind::Checker) {
            Availability::NotAvailable(PoolError::NoLane(_)) => {
                // Where nobody has asked for a check, nothing is missing.
                match (asked, setting) {
                    (None, CheckSetting::Auto | CheckSetting::Off) => Self::Nothing,
                    (Some(_), _) | (None, CheckSetting::Warn | CheckSetting::Error) => {
                        Self::Impossible { asked: check, reason: absence(setting) }
                    }
                }
            }
            Availability::NotLoaded | Availability::Available | Availability::NotAvailable(_) => {
                Self::Check(check)
            }
        }
    }

    /// Whether the program is to be checked.
    pub(in crate::runtime) fn checks(&self) -> bool {
        matches!(self, Self::Check(_))
    }
}

/// What a call asks for, and not less than the administrator's minimum.
fn effective(asked: Option<Check>, setting: CheckSetting) -> Check {
    let (default, minimum) = match setting {
        CheckSetting::Auto => (Check::Warn, Check::Off),
        CheckSetting::Off => (Check::Off, Check::Off),
        CheckSetting::Warn => (Check::Warn, Check::Warn),
        CheckSetting::Error => (Check::Error, Check::Error),
    };
    asked.unwrap_or(default).max(minimum)
}

fn of_python(asked: Option<Check>) -> Plan {
    match asked {
        Some(asked @ (Check::Warn | Check::Error | Check::Only)) => Plan::Impossible {
            asked,
            reason: "Programs in Python are not checked: check is for TypeScript".to_owned(),
        },
        Some(Check::Off) | None => Plan::Nothing,
    }
}

/// Why there is no checker.
fn absence(setting: CheckSetting) -> String {
    match setting {
        CheckSetting::Off => format!("The type check is off on this server ({CHECK}=off)"),
        CheckSetting::Auto | CheckSetting::Warn | CheckSetting::Error => format!(
            "There is no type checker on this server. An administrator gets it: {HOW_TO_GET_IT}, \
             and restart the server"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn plan(asked: Option<Check>, setting: CheckSetting, language: Language) -> Plan {
        let pool = Pool::start(Vec::new()).await.unwrap();
        Plan::of(asked, setting, language, &pool)
    }

    #[test]
    fn a_call_asks_for_more_than_the_minimum_and_never_for_less() {
        let of = effective;
        assert_eq!(of(None, CheckSetting::Auto), Check::Warn);
        assert_eq!(of(Some(Check::Off), CheckSetting::Auto), Check::Off);
        assert_eq!(of(Some(Check::Off), CheckSetting::Warn), Check::Warn);
        assert_eq!(of(Some(Check::Warn), CheckSetting::Error), Check::Error);
        assert_eq!(of(Some(Check::Only), CheckSetting::Error), Check::Only);
        assert_eq!(of(Some(Check::Error), CheckSetting::Warn), Check::Error);
        assert_eq!(of(None, CheckSetting::Off), Check::Off);
    }

    #[tokio::test]
    async fn without_a_checker_nothing_is_said_that_nobody_asked_for() {
        let language = Language::TypeScript;
        assert_eq!(plan(None, CheckSetting::Auto, language).await, Plan::Nothing);
        let plan = plan(Some(Check::Only), CheckSetting::Auto, language).await;
        let Plan::Impossible { asked: Check::Only, reason } = plan else { panic!("{plan:?}") };
        assert!(reason.contains("run `mcp-conductor install checker`"), "{reason}");
    }

    #[tokio::test]
    async fn a_setting_that_cannot_be_followed_is_said() {
        let found = plan(None, CheckSetting::Error, Language::TypeScript).await;
        assert!(matches!(found, Plan::Impossible { asked: Check::Error, .. }), "{found:?}");
        let found = plan(Some(Check::Warn), CheckSetting::Off, Language::TypeScript).await;
        let Plan::Impossible { reason, .. } = found else { panic!("it was asked for") };
        assert!(reason.contains("MCP_CONDUCTOR_CHECK=off"), "{reason}");
    }

    #[tokio::test]
    async fn programs_in_python_are_not_checked() {
        assert_eq!(plan(None, CheckSetting::Error, Language::Python).await, Plan::Nothing);
        let found = plan(Some(Check::Only), CheckSetting::Auto, Language::Python).await;
        assert!(matches!(found, Plan::Impossible { .. }), "{found:?}");
    }
}
