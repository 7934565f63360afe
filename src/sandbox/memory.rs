//! What a process has of the machine's memory, as `/proc/PID/status` tells it.

/// Lines whose sum a run is charged with: anonymous pages, resident or swapped out, and
/// the page tables that say where they are. A page table has 4 KiB and a process can
/// have one for each 2 MiB of address space that it has only looked at: 2 GiB of them
/// while 18 MiB were resident. Pages of files are the executable's, and shared.
const CHARGED: [&str; 3] = ["RssAnon:", "VmPTE:", "VmSwap:"];

/// Bytes of memory that a process takes. Nothing where that cannot be told: it has
/// ended, or its main thread has, and others have its memory still.
pub(crate) fn used_memory(status: &str) -> Option<u64> {
    let is_told = status.contains("\nRssAnon:");
    is_told.then(|| CHARGED.iter().map(|key| status_bytes(status, key)).sum())
}

/// A size in `/proc/PID/status`, which are in KiB, in bytes.
pub(crate) fn status_bytes(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse().ok());
    kib.unwrap_or(0u64) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_pages_page_tables_and_swap_are_counted() {
        let status = "VmRSS:\t  900 kB\nRssAnon:\t  20 kB\nVmPTE:\t   8 kB\nVmSwap:\t 4 kB\n";
        assert_eq!(used_memory(status), Some(32 << 10));
    }

    #[test]
    fn of_a_process_whose_main_thread_has_ended_nothing_is_known() {
        assert_eq!(used_memory("Name:\tx\nState:\tZ (zombie)\nThreads:\t2\n"), None);
    }
}
