//! What a person sees of a download: a bar on a terminal, one line elsewhere. All of it on
//! stderr.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines of a bar.
const PAUSE: Duration = Duration::from_millis(100);

/// Characters of a bar.
const WIDTH: u64 = 30;

/// Progress of one download.
#[derive(Debug)]
pub(super) struct Progress {
    name: String,
    length: Option<u64>,
    done: u64,
    shown: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    pub(super) fn start(name: String, length: Option<u64>, from: &str) -> Self {
        let size = length.map_or(String::new(), |length| format!(" ({})", megabytes(length)));
        eprintln!("Downloading {name}{size} from {from}");
        let is_terminal = std::io::stderr().is_terminal();
        Self { name, length, done: 0, shown: None, is_terminal }
    }

    /// So many bytes more are there.
    pub(super) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        let is_due = self.shown.is_none_or(|shown| shown.elapsed() >= PAUSE);
        if self.is_terminal && is_due {
            self.shown = Some(Instant::now());
            eprint!("\r\x1b[K{}", self.line());
            let _ = std::io::stderr().flush();
        }
    }

    fn line(&self) -> String {
        let done = megabytes(self.done);
        let Some(length) = self.length.filter(|length| *length > 0) else {
            return format!("{} {done}", self.name);
        };
        let filled = (self.done.min(length) * WIDTH / length) as usize;
        let bar = format!("{}{}", "#".repeat(filled), "-".repeat(WIDTH as usize - filled));
        format!("{} [{bar}] {done} of {}", self.name, megabytes(length))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(length: Option<u64>, done: u64) -> Progress {
        Progress { name: "x 1".to_owned(), length, done, shown: None, is_terminal: false }
    }

    #[test]
    fn a_line_has_a_bar_where_the_length_is_known() {
        let half = progress(Some(98_332_122), 49_166_061).line();
        assert_eq!(half, "x 1 [###############---------------] 49.2 MB of 98.3 MB");
        assert_eq!(progress(None, 1_500_000).line(), "x 1 1.5 MB");
        // More than was announced is no panic.
        assert!(progress(Some(1), 5).line().contains(&"#".repeat(30)));
    }
}
