//! Starting a zygote: an exec of this program with nothing but one socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::protocol::ZygoteSetup;
use crate::protocol::control::{CONTROL_FD, ZYGOTE_ARGUMENT, control_pair, send_control};
use crate::sandbox::{STACK_BYTES, sys};

/// A zygote's process and the server's end of its control socket.
pub(super) struct ZygoteProcess {
    /// Killed and reaped when dropped.
    pub child: Child,
    pub control: OwnedFd,
}

/// Starts a zygote and hands it its setup.
pub(super) fn spawn(executable: &Path, setup: &ZygoteSetup) -> io::Result<ZygoteProcess> {
    let (control, theirs) = control_pair()?;
    let descriptor = theirs.as_raw_fd();
    let mut command = Command::new(executable);
    command
        .arg(ZYGOTE_ARGUMENT)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    sys::before_exec(&mut command, move || {
        sys::set_stack_limit(STACK_BYTES)?;
        sys::place_descriptor(descriptor, CONTROL_FD)?;
        // What the server itself was started with is nothing for a zygote. Older
        // kernels leave it to the workers, which close everything.
        let _ = sys::close_from_at_exec(CONTROL_FD + 1);
        Ok(())
    });
    let child = command.spawn()?;
    drop(theirs);
    // If it has ended already, that shows when its answer is awaited.
    let _ = send_control(control.as_fd(), setup, None);
    Ok(ZygoteProcess { child, control })
}
