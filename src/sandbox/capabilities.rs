//! The server's own privileges: what it gives up at its start, for good.
//!
//! A user has none and loses none. Root has all, and a hole in the server would have
//! them too. What is kept is in two lists: the server's own, and what only its children
//! use, at their exec, if they are root: the zygote, which gives up everything itself
//! before a program comes near it, and MCP servers, which are the administrator's. A
//! started command has none of either.
//!
//! Those of children are permitted and not effective: no call of the server is decided
//! with them. They cannot be in the bounding set alone: under no_new_privs, as in many
//! containers, an exec gives nothing that was not permitted before.

use std::fmt;
use std::io;

use super::sys;

/// One capability (capabilities(7)) and what it is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    number: u32,
    name: &'static str,
    reason: &'static str,
}

const fn kept(number: u32, name: &'static str, reason: &'static str) -> Kept {
    Kept { number, name, reason }
}

/// The server's own. The numbers are linux/capability.h's.
const OWN: &[Kept] = &[
    kept(1, "dac_override", "files of the grants that belong to another user"),
    kept(3, "fowner", "chmod, utime and sticky directories, for such files"),
    kept(5, "kill", "signals to workers, which are another user's"),
    kept(8, "setpcap", "to take capabilities away from zygotes and commands"),
    kept(10, "net_bind_service", "to listen on a port below 1024"),
    kept(23, "sys_nice", "to let workers, which are another user's, give way"),
];

/// Of children that are root, beside the server's own.
const CHILDREN: &[Kept] = &[
    kept(0, "chown", "package managers that MCP servers are started with"),
    kept(6, "setgid", "the zygote becomes group 65534"),
    kept(7, "setuid", "the zygote becomes user 65534"),
    kept(21, "sys_admin", "the zygote's namespaces and empty root"),
];

/// Gives up every capability that the server does not need, for this thread and those
/// that it starts later, and for children. To be called before there are others.
///
/// Without CAP_SETPCAP the last is not possible; a child that root executes then has
/// what the bounding set gives it.
///
/// # Errors
/// The kernel refuses it; the process keeps what it has.
pub fn drop_unneeded_capabilities() -> io::Result<()> {
    let permitted = mask(OWN) | mask(CHILDREN);
    sys::limit_bounding_set(permitted);
    sys::limit_capabilities(mask(OWN), permitted)
}

fn mask(list: &[Kept]) -> u64 {
    list.iter().fold(0, |mask, kept| mask | 1 << kept.number)
}

/// What this process has, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    effective: u64,
    permitted: u64,
}

impl Capabilities {
    /// Those of this process.
    ///
    /// # Errors
    /// `/proc/self/status` cannot be read, or does not say.
    pub fn of_this_process() -> io::Result<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/status")?)
            .ok_or_else(|| io::Error::other("/proc/self/status names no capabilities"))
    }

    fn parse(status: &str) -> Option<Self> {
        let field = |name| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            u64::from_str_radix(value.trim(), 16).ok()
        };
        Some(Self { effective: field("CapEff:")?, permitted: field("CapPrm:")? })
    }
}

impl fmt::Display for Capabilities {
    /// A line for each that it has, with the reason, and one for those that have none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |set: u64, kept: &&Kept| set & 1 << kept.number != 0;
        for kept in OWN.iter().filter(|kept| has(self.permitted, kept)) {
            writeln!(f, "  {:<16} {}", kept.name, kept.reason)?;
        }
        for kept in CHILDREN.iter().filter(|kept| has(self.permitted, kept)) {
            writeln!(f, "  {:<16} for children: {}", kept.name, kept.reason)?;
        }
        let others = self.permitted & !(mask(OWN) | mask(CHILDREN)) | self.effective & !mask(OWN);
        if others != 0 {
            writeln!(f, "  {others:<#16x} not needed, and not dropped")?;
        }
        if self.permitted == 0 {
            writeln!(f, "  none")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_capability_is_kept_twice_and_none_that_attackers_asked_for() {
        assert_eq!(mask(OWN) & mask(CHILDREN), 0);
        let numbers = OWN.iter().chain(CHILDREN).count();
        assert_eq!((mask(OWN) | mask(CHILDREN)).count_ones() as usize, numbers);
        // CAP_FSETID, CAP_SYS_PTRACE, CAP_NET_ADMIN, CAP_SYS_MODULE.
        for number in [4, 19, 12, 16] {
            assert_eq!((mask(OWN) | mask(CHILDREN)) & 1 << number, 0, "{number}");
        }
    }

    #[test]
    fn what_a_process_has_is_shown_with_its_reason() {
        let status = "Name:\tx\nCapPrm:\t0000000000200022\nCapEff:\t0000000000000022\n";
        let shown = Capabilities::parse(status).unwrap().to_string();
        assert_eq!(
            shown,
            "  dac_override     files of the grants that belong to another user\n  \
             kill             signals to workers, which are another user's\n  \
             sys_admin        for children: the zygote's namespaces and empty root\n"
        );
    }

    #[test]
    fn a_user_has_none() {
        let status = "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n";
        assert_eq!(Capabilities::parse(status).unwrap().to_string(), "  none\n");
    }

    #[test]
    fn what_is_left_although_it_is_not_needed_is_shown() {
        for status in [
            "CapPrm:\t0000000000000010\nCapEff:\t0000000000000000\n",
            "CapPrm:\t0000000000000010\nCapEff:\t0000000000000010\n",
        ] {
            let shown = Capabilities::parse(status).unwrap().to_string();
            assert_eq!(shown, "  0x10             not needed, and not dropped\n");
        }
    }
}
