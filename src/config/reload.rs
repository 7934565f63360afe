//! What a server that runs cannot change.

use super::Config;

impl Config {
    /// Puts back what the processes, the queue, the log and the listener of a server
    /// were made with. Returns the keys of what was to be changed.
    pub(crate) fn keep_fixed(&mut self, old: &Self) -> Vec<&'static str> {
        let mut changed = Vec::new();
        macro_rules! keep {
            ($($name:literal: $($field:ident).+;)*) => {$(
                if self.$($field).+ != old.$($field).+ {
                    self.$($field).+ = old.$($field).+.clone();
                    changed.push($name);
                }
            )*};
        }
        keep! {
            "max_cpu_time": max_cpu_time;
            "max_memory": max_memory;
            "max_return_size": max_return_size;
            "max_concurrent": max_concurrent;
            "max_queue": max_queue;
            "max_queue_wait": max_queue_wait;
            "standby": standby;
            "isolate": isolate;
            "time_zone": time_zone;
            "audit_log": audit_log;
            "bind": http.bind;
            "port": http.port;
            "max_clients": http.max_clients;
            "metrics": http.metrics;
            "drain_timeout": http.drain_timeout;
        }
        changed
    }

    /// Limits of a principal within those that the processes were made with, which
    /// may be less than what its section was checked against.
    pub(super) fn within_processes_of(mut self, server: &Self) -> Self {
        self.max_cpu_time = self.max_cpu_time.min(server.max_cpu_time);
        self.max_memory = self.max_memory.min(server.max_memory);
        self.max_return_size = self.max_return_size.min(server.max_return_size);
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
