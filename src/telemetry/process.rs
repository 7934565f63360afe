//! What the kernel says of the server's own process, under the names that every
//! Prometheus client library gives it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Read anew by every scrape. What cannot be read is left out.
#[derive(Debug)]
pub(super) struct ServerProcess {
    /// Seconds since 1970 when the first metric was made.
    started: f64,
}

impl ServerProcess {
    pub(super) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: since.as_secs_f64() }
    }
}

impl Collector for ServerProcess {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut add = |name: &str, help: &str, unit: Option<&Unit>, metric: &dyn EncodeMetric| {
            let described = encoder.encode_descriptor(name, help, unit, metric.metric_type())?;
            metric.encode(described)
        };
        let started = ConstGauge::new(self.started);
        add("process_start_time", "When the server started.", Some(&Unit::Seconds), &started)?;
        if let Some(seconds) = cpu_seconds() {
            let metric = ConstCounter::new(seconds);
            add("process_cpu", "CPU time of the server.", Some(&Unit::Seconds), &metric)?;
        }
        if let Some(bytes) = resident_bytes() {
            let metric = ConstGauge::new(bytes);
            let help = "Memory of the server, without its workers.";
            add("process_resident_memory", help, Some(&Unit::Bytes), &metric)?;
        }
        if let Some(open) = open_descriptors() {
            add("process_open_fds", "Open file descriptors.", None, &ConstGauge::new(open))?;
        }
        if let Ok((most, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let help = "Maximum number of open file descriptors.";
            add("process_max_fds", help, None, &ConstGauge::new(most))?;
        }
        Ok(())
    }
}

fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Some(micros as f64 / 1e6)
}

/// `VmRSS` of proc(5), in units of 1024 bytes.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn open_descriptors() -> Option<u64> {
    let listed = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the listing's own.
    u64::try_from(listed).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_process_has_memory_descriptors_and_a_past() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ServerProcess::new()));
        let mut encoded = String::new();
        text::encode(&mut encoded, &registry).unwrap();
        let value = |name: &str| {
            let line = encoded.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or(f64::NAN)
        };
        assert!(value("process_start_time_seconds ") > 1.7e9, "{encoded}");
        assert!(value("process_cpu_seconds_total ") >= 0.0, "{encoded}");
        assert!(value("process_resident_memory_bytes ") > 1e6, "{encoded}");
        assert!(value("process_open_fds ") >= 3.0, "{encoded}");
        assert!(value("process_max_fds ") >= value("process_open_fds "), "{encoded}");
    }
}
