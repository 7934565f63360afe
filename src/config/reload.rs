//! What a server that runs cannot change.

use super::Config;
use super::entry::Applies;
use super::variables;

impl Config {
    /// Puts back what the processes, the queue, the log and the listener of a server
    /// were made with. Returns the keys of what was to be changed.
    pub(crate) fn keep_fixed(&mut self, old: &Self) -> Vec<String> {
        let fixed = variables::of_the_file().filter(|v| v.applies != Applies::AtReload);
        fixed.filter(|v| v.form.keep(self, old)).map(|variable| variable.key()).collect()
    }

    /// Limits of a principal within those that the processes were made with, which
    /// may be less than what its section was checked against.
    pub(super) fn within_processes_of(mut self, server: &Self) -> Self {
        for variable in variables::all().iter().filter(|v| v.applies == Applies::ToProcesses) {
            if variable.form.is_above(&self, server) {
                variable.form.keep(&mut self, server);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_was_made_with_is_kept_and_named() {
        let old = Config::default().with_max_memory(64 << 20).with_audit_log("/var/log/a");
        let mut new = Config::default().with_max_memory(128 << 20).with_max_tool_calls(5);
        new.http.port = 1;
        assert_eq!(new.keep_fixed(&old), ["max_memory", "audit_log", "port"]);
        assert_eq!((new.max_memory(), new.max_tool_calls()), (64 << 20, 5));
        assert_eq!(new.audit_log(), old.audit_log());
        assert_eq!(new.http(), old.http());
        assert!(new.keep_fixed(&old).is_empty());
    }

    #[test]
    fn a_principal_has_no_more_than_the_processes() {
        let server = Config::default().with_max_memory(64 << 20);
        let section = Config::default().with_max_memory(512 << 20);
        assert_eq!(section.within_processes_of(&server).max_memory(), 64 << 20);
    }
}
