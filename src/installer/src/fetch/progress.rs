//! What a person sees: a bar on a terminal, plain lines elsewhere. All of it on stderr.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// Progress of one installation.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    asked: AtomicU64,
}

impl Progress {
    pub(super) fn start() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_message("resolving");
            bar
        });
        Self { bar, asked: AtomicU64::new(0) }
    }

    /// A registry was asked about a package.
    pub(super) fn asked(&self, name: &str) {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.set_message(format!("resolving: {asked} packages, {name}"));
            bar.tick();
        }
    }

    /// The graph is known.
    pub(super) fn resolved(&self, packages: usize) {
        match &self.bar {
            None => eprintln!("{packages} packages are to be installed"),
            Some(bar) => {
                bar.set_length(packages as u64);
                if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
                    bar.set_style(style);
                }
            }
        }
    }

    /// A package is in its place.
    pub(super) fn unpacked(&self, package: &str, cached: bool) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(package.to_owned());
                bar.inc(1);
            }
            None if cached => {}
            None => eprintln!("{package} was downloaded"),
        }
    }

    /// Something that is not an error and should be known.
    pub(super) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
