//! What the kernel says about a worker, read from outside before it gets a
//! program.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::plan::{CRYPTO_THREADS, Layer, MAX_THREADS, WORKER_NOFILE};
use super::seccomp::WORKER_FILTERS;
use super::zygote::single_id;

/// Seccomp mode "filter" in `/proc/PID/status`, proc_pid_status(5).
const SECCOMP_FILTER: &str = "2";

const NO_CAPABILITIES: &str = "0000000000000000";

/// Whether the kernel enforces every required layer on a process; if not, the
/// first one that is missing and what was found.
pub(crate) fn verify_worker(pid: i32) -> Result<(), (Layer, String)> {
    let status = read(&format!("{pid}/status"))?;
    verify_thread(&status)?;
    // There are none before the program, or those that were made before the seal.
    let threads = field(&status, "Threads").unwrap_or("absent");
    if threads.parse().map_or(true, |threads: usize| threads > 1 + CRYPTO_THREADS) {
        return Err((Layer::Seccomp, format!("Threads is {threads}")));
    }
    verify_user(pid, &status)?;
    verify_limits(&read(&format!("{pid}/limits"))?)
}

/// As [`verify_worker`], of each of its threads, which have privileges and filters of
/// their own. For one worker of a zygote: the kernel takes milliseconds to forget what was
/// looked up in `/proc/PID/task`, and all are sealed alike, in one call for all threads.
pub(crate) fn verify_threads(pid: i32) -> Result<(), (Layer, String)> {
    let threads = threads(pid).map_err(|error| unreadable(&format!("{pid}/task"), error))?;
    for thread in &threads {
        verify_thread(&read(&format!("{pid}/task/{thread}/status"))?)?;
    }
    Ok(())
}

fn read(file: &str) -> Result<String, (Layer, String)> {
    fs::read_to_string(format!("/proc/{file}")).map_err(|error| unreadable(file, error))
}

fn unreadable(file: &str, error: io::Error) -> (Layer, String) {
    (Layer::Seccomp, format!("/proc/{file}: {error}"))
}

fn threads(pid: i32) -> io::Result<Vec<String>> {
    let names = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    fs::read_dir(format!("/proc/{pid}/task"))?.map(|entry| entry.map(names)).collect()
}

fn verify_thread(status: &str) -> Result<(), (Layer, String)> {
    let expect = |layer, key: &str, wanted: &str| match field(status, key) {
        Some(found) if found == wanted => Ok(()),
        found => Err((layer, format!("{key} is {}", found.unwrap_or("absent")))),
    };
    expect(Layer::NoNewPrivs, "NoNewPrivs", "1")?;
    expect(Layer::Unprivileged, "CapEff", NO_CAPABILITIES)?;
    expect(Layer::Unprivileged, "CapPrm", NO_CAPABILITIES)?;
    expect(Layer::Unprivileged, "CapInh", NO_CAPABILITIES)?;
    expect(Layer::Seccomp, "Seccomp", SECCOMP_FILTER)?;
    // Since Linux 5.9. There are more where the server itself is filtered.
    let filters = field(status, "Seccomp_filters").and_then(|filters| filters.parse().ok());
    if filters.is_some_and(|filters: usize| filters < WORKER_FILTERS) {
        return Err((Layer::Seccomp, "filters are missing".into()));
    }
    Ok(())
}

/// No root; and the files in `/proc/PID` of a non-dumpable process belong to
/// root, proc_pid(5).
fn verify_user(pid: i32, status: &str) -> Result<(), (Layer, String)> {
    let uids = field(status, "Uid").unwrap_or("absent");
    let mut distinct: Vec<_> = uids.split_whitespace().collect();
    distinct.dedup();
    let [uid] = distinct[..] else {
        return Err((Layer::Unprivileged, format!("Uid is {uids}")));
    };
    if uid == "0" && !single_id() {
        return Err((Layer::Unprivileged, "the worker is root".into()));
    }
    let owner = fs::metadata(format!("/proc/{pid}/environ"))
        .map_err(|error| (Layer::NonDumpable, error.to_string()))?
        .uid();
    if uid != "0" && owner.to_string() == uid {
        return Err((Layer::NonDumpable, "/proc/PID/environ belongs to the worker".into()));
    }
    Ok(())
}

fn verify_limits(limits: &str) -> Result<(), (Layer, String)> {
    let hard = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().nth(1).map(str::to_owned)
    };
    // Less is what the server itself was started with.
    for (name, most) in [
        ("Max core file size", 0),
        ("Max file size", 0),
        ("Max processes", MAX_THREADS),
        ("Max open files", WORKER_NOFILE),
    ] {
        let found = hard(name).unwrap_or_default();
        if found.parse::<u64>().map_or(true, |found| found > most) {
            return Err((Layer::Rlimits, format!("{name} is {found}")));
        }
    }
    for name in ["Max data size", "Max cpu time", "Max stack size"] {
        if hard(name).is_none_or(|found| found == "unlimited") {
            return Err((Layer::Rlimits, format!("{name} is unlimited")));
        }
    }
    Ok(())
}

fn field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_sealed_is_refused() {
        let own = std::process::id().cast_signed();
        assert!(verify_worker(own).is_err());
    }

    #[test]
    fn a_process_that_is_gone_is_refused() {
        assert!(verify_worker(i32::MAX).is_err());
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status = "NoNewPrivs:\t1\nSeccomp_filters:\t4\nSeccomp:\t2\n";
        assert_eq!(field(status, "Seccomp"), Some("2"));
        assert_eq!(field(status, "Absent"), None);
    }

    #[test]
    fn a_thread_without_the_worker_s_own_filters_is_refused() {
        let status = |filters: usize| {
            format!(
                "CapInh:\t{NO_CAPABILITIES}\nCapPrm:\t{NO_CAPABILITIES}\n\
                 CapEff:\t{NO_CAPABILITIES}\nNoNewPrivs:\t1\nSeccomp:\t2\n\
                 Seccomp_filters:\t{filters}\n"
            )
        };
        assert!(verify_thread(&status(WORKER_FILTERS)).is_ok());
        assert!(verify_thread(&status(WORKER_FILTERS - 1)).is_err());
    }

    #[test]
    fn an_unlimited_data_size_is_refused() {
        let limits = "Max core file size  0  0 bytes\nMax file size  0  0 bytes\n\
            Max processes  4096  4096 processes\nMax open files  16  16 files\n\
            Max data size  unlimited  unlimited bytes\n";
        let (layer, found) = verify_limits(limits).unwrap_err();
        assert_eq!((layer, found.as_str()), (Layer::Rlimits, "Max data size is unlimited"));
    }
}
