//! The sandbox, layer by layer: forbidden system calls from inside of it, layers
//! taken away, users and containers that cannot have all of it.

/// Whether this machine gives everything: root with CAP_SYS_ADMIN, and Landlock.
/// Tests that expect every layer say that they are skipped where it does not.
fn gives_every_layer() -> bool {
    let unshare = std::process::Command::new("unshare").args(["-m", "-p", "-n", "true"]).status();
    // SAFETY: asks for the version only; no pointer is followed.
    let landlock = unsafe {
        let (none, version) = (std::ptr::null::<u8>(), 1);
        libc::syscall(libc::SYS_landlock_create_ruleset, none, 0, version)
    };
    let gives = unshare.is_ok_and(|status| status.success()) && landlock > 0;
    if !gives {
        eprintln!("skipped: this machine gives no namespaces or no Landlock");
    }
    gives
}

mod arguments;
mod commands;
mod layers;
mod probes;
mod users;
