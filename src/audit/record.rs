//! The lines of the audit log.

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Audit, TARGET};
use crate::text::clip::head;
use crate::text::escaped::visible_json;

/// Longest target, in bytes: the longest path (`PATH_MAX` of linux/limits.h).
const MAX_TARGET_BYTES: usize = 4096;

/// Longest of the other texts of a refusal, in bytes: they are this server's own
/// sentences of a line or two, which may quote a host (253 bytes, RFC 1035).
const MAX_TEXT_BYTES: usize = 512;

/// An access that was refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal<'a> {
    pub execution: u64,
    pub permission: &'a str,
    /// A path, host:port, variable or command; never a value or an argument.
    pub target: Option<&'a str>,
    /// What would allow it, such as `--allow-read`.
    pub flag: &'a str,
    /// The operation, such as `readFile`.
    pub api: &'a str,
    pub reason: Option<&'a str>,
    pub line: Option<u32>,
    pub column: Option<u32>,
    /// How many the line stands for, if it is not one.
    pub count: Option<u32>,
}

/// Written when it is dropped: as "cancelled" before [`ExecutionRecord::ended`].
#[derive(Debug)]
pub(crate) struct ExecutionRecord {
    audit: Audit,
    execution: u64,
    language: &'static str,
    code_sha256: String,
    code_bytes: usize,
    grants: String,
    tools: Vec<String>,
    check: Option<&'static str>,
    start: Instant,
    end: Option<End>,
}

/// Not known of a run that was cancelled.
#[derive(Debug)]
struct End {
    at: SystemTime,
    outcome: &'static str,
    duration: Duration,
    cpu: Duration,
    peak_memory: u64,
    refusals: u32,
}

impl ExecutionRecord {
    pub(super) fn new(
        audit: Audit,
        execution: u64,
        language: &'static str,
        source: &str,
        grants: &str,
    ) -> Self {
        Self {
            audit,
            execution,
            language,
            code_sha256: format!("{:x}", Sha256::digest(source)),
            code_bytes: source.len(),
            grants: grants.to_owned(),
            tools: Vec::new(),
            check: None,
            start: Instant::now(),
            end: None,
        }
    }

    /// The run came to its end now.
    pub(crate) fn ended(&mut self, outcome: &'static str, duration: Duration, refusals: u32) {
        let (at, cpu) = (SystemTime::now(), Duration::ZERO);
        self.end = Some(End { at, outcome, duration, cpu, peak_memory: 0, refusals });
    }

    /// What the run that ended has used.
    pub(crate) fn used(&mut self, cpu: Duration, peak_memory: u64) {
        if let Some(end) = &mut self.end {
            (end.cpu, end.peak_memory) = (cpu, peak_memory);
        }
    }

    /// There was no run: no place, or no worker.
    pub(crate) fn did_not_run(mut self, outcome: &'static str) {
        self.ended(outcome, Duration::ZERO, 0);
    }

    /// Which tools of other servers it called.
    pub(crate) fn called(&mut self, tools: impl Iterator<Item = String>) {
        self.tools = tools.collect();
    }

    /// What the check of its types came to.
    pub(crate) fn checked(&mut self, verdict: &'static str) {
        self.check = Some(verdict);
    }

    fn write(&self) {
        let end = self.end.as_ref();
        let line = line(&ExecutionLine {
            timestamp: timestamp(end.map_or_else(SystemTime::now, |end| end.at)),
            kind: "execution",
            execution: self.execution,
            language: self.language,
            code_sha256: &self.code_sha256,
            code_bytes: self.code_bytes,
            grants: &self.grants,
            tools: &self.tools,
            check: self.check,
            duration_ms: milliseconds(end.map_or_else(|| self.start.elapsed(), |end| end.duration)),
            cpu_ms: end.map(|end| milliseconds(end.cpu)),
            peak_memory_bytes: end.map(|end| end.peak_memory),
            outcome: end.map_or("cancelled", |end| end.outcome),
            refusals: end.map(|end| end.refusals),
            client: self.audit.client.as_deref(),
        });
        self.audit.write(&line);
        tracing::info!(target: TARGET, "{line}");
    }
}

impl Drop for ExecutionRecord {
    fn drop(&mut self) {
        self.write();
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecutionLine<'a> {
    timestamp: String,
    kind: &'static str,
    execution: u64,
    language: &'static str,
    code_sha256: &'a str,
    code_bytes: usize,
    grants: &'a str,
    tools: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'static str>,
    duration_ms: f64,
    cpu_ms: Option<f64>,
    peak_memory_bytes: Option<u64>,
    outcome: &'a str,
    refusals: Option<u32>,
    client: Option<&'a str>,
}

#[derive(Serialize)]
struct RefusalLine<'a> {
    timestamp: String,
    kind: &'static str,
    execution: u64,
    permission: &'a str,
    target: Option<&'a str>,
    flag: &'a str,
    operation: &'a str,
    reason: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
}

/// A request that was not accepted.
#[derive(Serialize)]
struct RejectionLine<'a> {
    timestamp: String,
    kind: &'static str,
    reason: &'a str,
    /// The peer's address.
    from: &'a str,
    client: Option<&'a str>,
    /// Rejections before this one that have no line.
    unlogged: u64,
}

#[derive(Serialize)]
struct LostLine {
    timestamp: String,
    kind: &'static str,
    count: u64,
}

pub(super) fn rejection_line(
    reason: &str,
    from: &str,
    client: Option<&str>,
    unlogged: u64,
) -> String {
    line(&RejectionLine {
        timestamp: timestamp(SystemTime::now()),
        kind: "rejection",
        reason: head(reason, MAX_TEXT_BYTES),
        from: head(from, MAX_TEXT_BYTES),
        client,
        unlogged,
    })
}

pub(super) fn refusal_line(refusal: &Refusal<'_>, client: Option<&str>) -> String {
    let is_url = |target: &str| {
        refusal.permission == "net" || refusal.permission == "import" && !is_package(target)
    };
    let target =
        refusal.target.map(|target| if is_url(target) { authority(target) } else { target });
    line(&RefusalLine {
        timestamp: timestamp(SystemTime::now()),
        kind: "refusal",
        execution: refusal.execution,
        permission: head(refusal.permission, MAX_TEXT_BYTES),
        target: target.map(|target| head(target, MAX_TARGET_BYTES)),
        flag: head(refusal.flag, MAX_TEXT_BYTES),
        operation: head(refusal.api, MAX_TEXT_BYTES),
        reason: refusal.reason.map(|reason| head(reason, MAX_TEXT_BYTES)),
        line: refusal.line,
        column: refusal.column,
        client,
        count: refusal.count,
    })
}

pub(super) fn lost_line(count: u64) -> String {
    line(&LostLine { timestamp: timestamp(SystemTime::now()), kind: "lost", count })
}

/// JSON leaves characters alone that move a terminal's cursor (C1 controls), turn its
/// text around or are not seen. They occur within strings only, where an escape means
/// the same.
fn line(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("strings and numbers have a form in JSON");
    match visible_json(&json) {
        Cow::Borrowed(_) => json,
        Cow::Owned(escaped) => escaped,
    }
}

/// Whether this is a package's name and version, with no URL in it.
fn is_package(target: &str) -> bool {
    ["npm:", "jsr:", "pypi:"].iter().any(|kind| target.starts_with(kind)) && !target.contains("://")
}

/// What a URL holds beside host and port can be a secret. The parts in the order
/// of RFC 3986, section 3; a backslash ends the authority too (URL Standard).
fn authority(target: &str) -> &str {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Whole microseconds.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

/// RFC 3339, UTC. From days to a date: Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `civil_from_days`, for days after 1970; its years
/// begin on March 1st.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let millisecond = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn refused(permission: &str, target: &str) -> (String, Value) {
        let line = refusal_line(
            &Refusal {
                execution: 1,
                permission,
                target: Some(target),
                flag: "--allow-x",
                api: "fetch",
                reason: None,
                line: None,
                column: None,
                count: None,
            },
            None,
        );
        let value = serde_json::from_str(&line).unwrap();
        (line, value)
    }

    #[test]
    fn timestamps_are_dates() {
        let at = |milliseconds| timestamp(UNIX_EPOCH + Duration::from_millis(milliseconds));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
        assert_eq!(at(1_000_000_000_001), "2001-09-09T01:46:40.001Z");
        assert_eq!(at(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn a_target_of_ten_kilobytes_is_cut() {
        let (_, value) = refused("read", &"ä€".repeat(2_048));
        let length = value["target"].as_str().unwrap().len();
        assert!((4_090..=4_096).contains(&length), "{length}");
    }

    #[test]
    fn characters_that_deceive_are_escaped_and_mean_the_same() {
        let target = "/a\n\u{1b}[2J\u{7f}\u{9b}2J\u{202e}b\u{2028}ä\u{200b}\u{e0041}";
        let (line, value) = refused("read", target);
        assert!(!line.contains(crate::text::escaped::is_hidden), "{line:?}");
        assert_eq!(value["target"], target);
    }

    #[test]
    fn of_a_url_only_host_and_port_remain() {
        for target in ["https://user:canary@a.b:1/canary?canary#canary", "canary@a.b:1?x", "a.b:1"]
        {
            assert_eq!(refused("net", target).1["target"], "a.b:1");
        }
        assert_eq!(refused("read", "/a?b#c@d").1["target"], "/a?b#c@d");
    }
}
