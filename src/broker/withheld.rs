//! What an operation needs of what a call may do without: looked at before anything else.

use crate::policy::{Denied, Permission, Withheld};
use crate::protocol::{CommandOperation, FileOperation, NetworkOperation, OpenOptions, Operation};

const NOTHING: &[Permission] = &[];
const READ: &[Permission] = &[Permission::Read];
const WRITE: &[Permission] = &[Permission::Write];
const BOTH: &[Permission] = &[Permission::Read, Permission::Write];

/// # Errors
/// The call does without something that the operation needs.
pub(super) fn check(withheld: Withheld, operation: &Operation) -> Result<(), Denied> {
    needed(operation).iter().try_for_each(|permission| withheld.check(*permission))
}

fn needed(operation: &Operation) -> &'static [Permission] {
    match operation {
        Operation::File(operation) => of_file(operation),
        Operation::Environment(_) => &[Permission::Env],
        Operation::Network(NetworkOperation::Fetch { .. }) => &[Permission::Net],
        Operation::Command(CommandOperation::Spawn(_) | CommandOperation::Output(_)) => {
            &[Permission::Run]
        }
        // On what was opened before, or with checks of their own.
        Operation::Network(NetworkOperation::FetchResponse { .. })
        | Operation::Command(CommandOperation::Wait { .. } | CommandOperation::Kill { .. })
        | Operation::Handle(_)
        | Operation::Tool(_)
        | Operation::Module(_)
        | Operation::Permission(_)
        | Operation::Session(_) => NOTHING,
    }
}

fn of_file(operation: &FileOperation) -> &'static [Permission] {
    match operation {
        FileOperation::Open { options, .. } => of_open(*options),
        FileOperation::ReadFile { .. }
        | FileOperation::Stat { .. }
        | FileOperation::ReadDir { .. }
        | FileOperation::ReadLink { .. }
        | FileOperation::RealPath { .. }
        | FileOperation::Chdir { .. } => READ,
        FileOperation::WriteFile { .. }
        | FileOperation::Mkdir { .. }
        | FileOperation::Remove { .. }
        | FileOperation::Truncate { .. }
        | FileOperation::Chmod { .. }
        | FileOperation::Utime { .. }
        | FileOperation::MakeTemp { .. } => WRITE,
        FileOperation::Rename { .. }
        | FileOperation::CopyFile { .. }
        | FileOperation::Link { .. }
        | FileOperation::Symlink { .. } => BOTH,
    }
}

/// What neither reads nor writes counts as reading.
fn of_open(options: OpenOptions) -> &'static [Permission] {
    let OpenOptions { read, write, append, truncate, create, create_new, .. } = options;
    match (read, write || append || truncate || create || create_new) {
        (true, true) => BOTH,
        (false, true) => WRITE,
        (_, false) => READ,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(read: bool, create: bool) -> Operation {
        let options = OpenOptions { read, create, ..OpenOptions::default() };
        Operation::File(FileOperation::Open { path: "a".into(), options })
    }

    #[test]
    fn a_file_is_opened_only_in_the_ways_that_are_left() {
        let [no_read, no_write] =
            [Permission::Read, Permission::Write].map(|it| Withheld::of([it]));
        for (operation, reads, writes) in [
            (open(true, false), true, false),
            (open(false, true), false, true),
            (open(true, true), true, true),
            (open(false, false), true, false),
            (Operation::read_file("a"), true, false),
            (
                Operation::File(FileOperation::Rename { from: "a".into(), to: "b".into() }),
                true,
                true,
            ),
        ] {
            assert_eq!(check(no_read, &operation).is_err(), reads, "{operation:?}");
            assert_eq!(check(no_write, &operation).is_err(), writes, "{operation:?}");
            assert!(check(Withheld::default(), &operation).is_ok());
        }
    }

    #[test]
    fn what_is_open_already_goes_on() {
        let all = [Permission::Read, Permission::Write, Permission::Net, Permission::Env];
        assert!(check(Withheld::of(all), &Operation::read(1, 1)).is_ok());
    }
}
