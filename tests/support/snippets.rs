//! Programs that several tests run, and what these wait for.

use std::fs;
use std::path::{Path, PathBuf};

use super::directory::number;
use super::home::WORKSPACE;

/// The tool that runs programs.
pub const RUN: &str = "run_deno_code";

/// Uses no CPU time, which other tests need, and never ends.
pub const ENDLESS: &str = "await new Promise((resolve) => setTimeout(resolve, 600_000))";

/// A program that waits and returns `"done"`.
pub fn sleeper(millis: u32) -> String {
    format!("await new Promise((resolve) => setTimeout(resolve, {millis})); 'done'")
}

/// A statement that waits for a file in the program's workspace.
pub fn awaited(file: &str) -> String {
    format!(
        "while (!(await Deno.stat('{file}').then(() => true, () => false))) \
         await new Promise((resolve) => setTimeout(resolve, 20));"
    )
}

/// A program that waits for a file and returns `"done"`.
pub fn waiter(file: &str) -> String {
    format!("{} 'done'", awaited(file))
}

/// A program whose value is what [`caught`] reads.
pub fn catching(expression: &str) -> String {
    format!(
        "try {{ const got = await ({expression}); ['nothing was thrown', JSON.stringify(got)] }} \
         catch (e) {{ [e.name, e.message] }}"
    )
}

/// A file that programs wait for, in the workspace at the home that tests share.
pub struct Gate(PathBuf);

impl Gate {
    /// The file is not there yet.
    pub fn closed() -> Self {
        let workspace = Path::new(env!("CARGO_TARGET_TMPDIR")).join(WORKSPACE);
        let path = workspace.join(format!("gate-{}-{}", std::process::id(), number()));
        // Pids are used again, and a process that is killed leaves its files.
        let _ = fs::remove_file(&path);
        Self(path)
    }

    /// Writes the file. The server that runs programs has made their workspace.
    pub fn open(&self) {
        fs::write(&self.0, "").expect("a file");
    }

    fn file(&self) -> &str {
        self.0.file_name().and_then(|name| name.to_str()).expect("a name")
    }

    /// A statement that waits for the file.
    pub fn awaited(&self) -> String {
        awaited(self.file())
    }

    /// A program that waits for the file and returns `"done"`.
    pub fn waiter(&self) -> String {
        waiter(self.file())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
