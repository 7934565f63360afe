//! Permissions that one call does without, whatever the administrator grants.

use super::denied::{Denied, Permission};

/// What a call does without. It only ever takes away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Withheld {
    read: bool,
    write: bool,
    net: bool,
    env: bool,
    run: bool,
}

impl Withheld {
    /// Without these. Where one of them is withheld, so are commands: they would have it.
    pub(crate) fn of(permissions: impl IntoIterator<Item = Permission>) -> Self {
        let mut withheld = Self::default();
        for permission in permissions {
            match permission {
                Permission::Read => withheld.read = true,
                Permission::Write => withheld.write = true,
                Permission::Net => withheld.net = true,
                Permission::Env => withheld.env = true,
                Permission::Run => {}
                // Calls have `dependencies` and `allowedTools` for them.
                Permission::Import | Permission::Tool => continue,
            }
            withheld.run = true;
        }
        withheld
    }

    pub(crate) fn has(self, permission: Permission) -> bool {
        match permission {
            Permission::Read => self.read,
            Permission::Write => self.write,
            Permission::Net => self.net,
            Permission::Env => self.env,
            Permission::Run => self.run,
            Permission::Import | Permission::Tool => false,
        }
    }

    /// # Errors
    /// The call does without it.
    pub(crate) fn check(self, permission: Permission) -> Result<(), Denied> {
        match self.has(permission) {
            true => Err(Denied::never(permission, None, "the caller runs this program without it")),
            false => Ok(()),
        }
    }

    /// The administrator's flags with this call's behind them.
    pub(crate) fn flags(self, granted: &[String]) -> Vec<String> {
        let all = [
            Permission::Read,
            Permission::Write,
            Permission::Net,
            Permission::Env,
            Permission::Run,
        ];
        let withheld = all.into_iter().filter(|permission| self.has(*permission));
        let denied = withheld.map(|permission| format!("--deny-{}", permission.name()));
        granted.iter().cloned().chain(denied).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_withholds_one_permission_withholds_commands_too() {
        for permission in [Permission::Read, Permission::Write, Permission::Net, Permission::Env] {
            let withheld = Withheld::of([permission]);
            assert!(
                withheld.check(permission).is_err() && withheld.check(Permission::Run).is_err()
            );
        }
        let only_commands = Withheld::of([Permission::Run]);
        assert!(only_commands.check(Permission::Run).is_err());
        assert!(only_commands.check(Permission::Write).is_ok());
        assert!(Withheld::of([]).check(Permission::Run).is_ok());
    }

    #[test]
    fn a_denial_says_whose_choice_it_is() {
        let denied = Withheld::of([Permission::Net]).check(Permission::Net).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "Requires net access, which no flag grants: the caller runs this program without it"
        );
    }

    #[test]
    fn flags_of_the_call_come_after_the_administrators() {
        let granted = ["--allow-net".to_owned()];
        let flags = Withheld::of([Permission::Net]).flags(&granted);
        assert_eq!(flags, ["--allow-net", "--deny-net", "--deny-run"]);
        assert_eq!(Withheld::default().flags(&granted), granted);
    }
}
