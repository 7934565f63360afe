//! The record for the administrator: one line of JSON for each execution and each denial, to a
//! file and through tracing under the target `audit`. Code
//! appears as its hash and length only; what a program printed, returned, sent or
//! read does not appear at all.

mod file;
mod queue;
mod record;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use file::LogFile;
use queue::Writer;

pub(crate) use record::{ExecutionRecord, Refusal, timestamp};

/// Of the events.
const TARGET: &str = "audit";

/// Bytes of the names of packages that a call was refused for, and of what is allowed.
const MAX_REASON: usize = 1000;

/// Why the audit log is missing or incomplete.
#[derive(Debug, Error)]
pub(crate) enum AuditError {
    #[error(
        "Cannot open the audit log {}: {error}: its directory must exist, and this user must be \
         allowed to write there",
        .path.display()
    )]
    Open { path: PathBuf, error: io::Error },
    #[error("The audit log {} is a symbolic link: name the file that it points to", .0.display())]
    Symlink(PathBuf),
    #[error(
        "The audit log {} is not a regular file: name a file, or a new one in a directory that \
         exists",
        .0.display()
    )]
    NotAFile(PathBuf),
    #[error(
        "The audit log {} is open to other users and belongs to user {owner}: let that user run \
         chmod 600 on it, or name another file",
        .path.display()
    )]
    Exposed { path: PathBuf, owner: u32 },
    #[error("Cannot write the audit log {}: {error}: check its disk", .path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error(
        "Cannot start the thread that writes the audit log {}: {error}: raise this user's limit \
         of threads",
        .path.display()
    )]
    Thread { path: PathBuf, error: io::Error },
}

/// The log of one runtime. Once the last clone is dropped, all lines are in the
/// file, or two seconds have passed.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    writer: Option<Arc<Writer>>,
    /// The principal of the records.
    client: Option<Arc<str>>,
}

impl Audit {
    /// Without a path: tracing only.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, AuditError> {
        let file = path.map(LogFile::open).transpose()?;
        let writer = file.map(Writer::start).transpose()?;
        Ok(Self { writer: writer.map(Arc::new), client: None })
    }

    /// The same log, for what is done for one principal.
    pub(crate) fn of_client(&self, client: Arc<str>) -> Self {
        Self { writer: self.writer.clone(), client: Some(client) }
    }

    /// A request was not accepted: by whom it says it is, or from where it comes.
    /// `unlogged` others were not, before this one, that have no line of their own.
    pub(crate) fn rejected(&self, reason: &str, from: &str, client: Option<&str>, unlogged: u64) {
        let line = record::rejection_line(reason, from, client, unlogged);
        self.write(&line);
        tracing::warn!(target: TARGET, "{line}");
    }

    /// A program in this language is about to run.
    pub(crate) fn execution(
        &self,
        execution: u64,
        language: &'static str,
        source: &str,
        grants: &str,
    ) -> ExecutionRecord {
        ExecutionRecord::new(self.clone(), execution, language, source, grants)
    }

    /// An access was denied.
    pub(crate) fn refused(&self, refusal: &Refusal<'_>) {
        let line = record::refusal_line(refusal, self.client.as_deref());
        self.write(&line);
        tracing::warn!(target: TARGET, "{line}");
    }

    /// A call names packages that are not allowed: the problem says which.
    pub(crate) fn refused_dependencies(&self, execution: u64, problem: &str) {
        self.refused(&Refusal {
            execution,
            permission: "import",
            target: None,
            flag: "--allow-import",
            api: "dependencies",
            reason: Some(&problem[..problem.floor_char_boundary(MAX_REASON)]),
            line: None,
            column: None,
            count: None,
        });
    }

    /// Lines lost from the file since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.lost_in_all())
    }

    fn write(&self, line: &str) {
        if let Some(writer) = &self.writer {
            writer.send(line.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::time::Duration;

    use serde_json::Value;

    use super::*;

    /// A directory that goes with the test.
    pub(super) struct Scratch(PathBuf);

    impl Scratch {
        pub(super) fn new(name: &str) -> Self {
            let name = format!("conductor-audit-{name}-{}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            fs::create_dir(&directory).unwrap();
            Self(directory)
        }

        pub(super) fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn refusal(execution: u64, target: &str) -> Refusal<'_> {
        Refusal {
            execution,
            permission: "read",
            target: Some(target),
            flag: "--allow-read",
            api: "readFile",
            reason: None,
            line: Some(3),
            column: Some(7),
            count: None,
        }
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_new_log_is_for_its_owner_only() {
        let scratch = Scratch::new("mode");
        let path = scratch.path("audit.log");
        drop(Audit::open(Some(&path)).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_existing_log_is_continued_and_closed_to_others() {
        let scratch = Scratch::new("append");
        let path = scratch.path("audit.log");
        fs::write(&path, "{\"kind\":\"before\"}\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let audit = Audit::open(Some(&path)).unwrap();
        audit.refused(&refusal(1, "/etc/passwd"));
        drop(audit);
        let lines = lines(&path);
        assert_eq!((&lines[0]["kind"], &lines[1]["kind"]), (&"before".into(), &"refusal".into()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn packages_of_a_call_that_are_not_allowed_are_named() {
        let scratch = Scratch::new("dependencies");
        let path = scratch.path("audit.log");
        let audit = Audit::open(Some(&path)).unwrap();
        audit.refused_dependencies(3, &format!("Not in allowlist: npm:x{}", "é".repeat(1000)));
        drop(audit);
        let line = &lines(&path)[0];
        assert_eq!((&line["execution"], &line["permission"]), (&3.into(), &"import".into()));
        let reason = line["reason"].as_str().unwrap();
        assert!(reason.starts_with("Not in allowlist: npm:x") && reason.len() <= MAX_REASON);
    }

    #[test]
    fn a_finished_run_is_one_line_without_its_code() {
        let scratch = Scratch::new("code");
        let path = scratch.path("audit.log");
        let audit = Audit::open(Some(&path)).unwrap();
        let mut record = audit.execution(9, "typescript", "const canary = 1", "--allow-read=/w");
        record.ended("value", Duration::from_micros(1_500), 2);
        record.used(Duration::from_millis(1), 4096);
        drop((audit, record));
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("canary"));
        let lines = lines(&path);
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert_eq!(line["kind"], "execution");
        assert_eq!(line["execution"], 9);
        assert_eq!(line["codeBytes"], 16);
        assert_eq!(line["codeSha256"].as_str().unwrap().len(), 64);
        assert_eq!(line["grants"], "--allow-read=/w");
        assert_eq!(line["tools"], serde_json::json!([]));
        assert_eq!((line["durationMs"].as_f64(), line["cpuMs"].as_f64()), (Some(1.5), Some(1.0)));
        assert_eq!(line["peakMemoryBytes"], 4096);
        assert_eq!((&line["outcome"], &line["refusals"]), (&"value".into(), &2.into()));
        assert!(line["client"].is_null());
    }

    #[test]
    fn a_run_that_was_dropped_is_cancelled() {
        let scratch = Scratch::new("cancelled");
        let path = scratch.path("audit.log");
        let audit = Audit::open(Some(&path)).unwrap();
        let record = audit.execution(1, "typescript", "1", "none");
        drop(audit);
        drop(record);
        let lines = lines(&path);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["outcome"], "cancelled");
    }

    #[test]
    fn lines_of_many_threads_and_two_logs_do_not_mix() {
        // Less than a queue holds: none is lost, however slow the disk.
        const THREADS: u64 = 8;
        const EACH: u64 = 100;
        let scratch = Scratch::new("threads");
        let path = scratch.path("audit.log");
        let audits = [Audit::open(Some(&path)).unwrap(), Audit::open(Some(&path)).unwrap()];
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let audit = &audits[thread as usize % audits.len()];
                scope.spawn(move || {
                    let target = "x".repeat(3_000);
                    for number in 0..EACH {
                        audit.refused(&refusal(thread * EACH + number, &target));
                    }
                });
            }
        });
        drop(audits);
        let mut seen: Vec<_> =
            lines(&path).iter().map(|line| line["execution"].as_u64().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..THREADS * EACH).collect::<Vec<_>>());
    }

    #[test]
    fn without_a_path_nothing_is_opened() {
        let audit = Audit::open(None).unwrap();
        audit.refused(&refusal(1, "/x"));
        assert!(audit.writer.is_none());
    }
}
