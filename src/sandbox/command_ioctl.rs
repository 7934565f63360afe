//! Requests of ioctl(2) that a command makes on files, pipes and sockets: those that
//! only read, and those that set something of the caller's own descriptor. All others
//! are "inappropriate", which is what a file answers to a request that it does not
//! know.
//!
//! A descriptor for reading is enough for many requests that write: inode flags,
//! versions and quotas (FS_IOC_SETFLAGS, FS_IOC_SETVERSION, FS_IOC_FSSETXATTR), labels,
//! encryption policies, deduplication. Landlock knows of requests on devices only
//! (since Linux 6.10). Not on the list either, though harmless: FS_IOC_FIEMAP and
//! SIOCETHTOOL, which do both.

/// asm-generic/ioctls.h, linux/fs.h, linux/sockios.h.
pub(super) const READING_AND_OWN: &[u64] = &[
    // A terminal's settings, process groups and size: isatty(3) asks for the first, or
    // for the last in newer versions of libc.
    0x5401,      // TCGETS
    0x5405,      // TCGETA
    0x540F,      // TIOCGPGRP
    0x5413,      // TIOCGWINSZ
    0x5429,      // TIOCGSID
    0x802C_542A, // TCGETS2
    // Bytes that wait to be read, and to be written (SIOCOUTQ, SIOCINQ are the same).
    0x541B, // FIONREAD
    0x5411, // TIOCOUTQ
    0x8905, // SIOCATMARK
    // What fcntl does too: not to block, to close at exec.
    0x5421, // FIONBIO
    0x5451, // FIOCLEX
    0x5450, // FIONCLEX
    // Size, blocks, flags and version of a file: lsattr, cp, tar.
    0x5460,      // FIOQSIZE
    0x0002,      // FIGETBSZ
    0x8008_6601, // FS_IOC_GETFLAGS
    0x8008_7601, // FS_IOC_GETVERSION
    0x801C_581F, // FS_IOC_FSGETXATTR
    // Blocks shared by two files, from one that is open for reading to one that is open
    // for writing, within RLIMIT_FSIZE: cp.
    0x4004_9409, // FICLONE
    0x4020_940D, // FICLONERANGE
    // Network interfaces: getifaddrs(3) of older libraries, Python, Node.
    0x8910, // SIOCGIFNAME
    0x8912, // SIOCGIFCONF
    0x8913, // SIOCGIFFLAGS
    0x8915, // SIOCGIFADDR
    0x8917, // SIOCGIFDSTADDR
    0x8919, // SIOCGIFBRDADDR
    0x891B, // SIOCGIFNETMASK
    0x8921, // SIOCGIFMTU
    0x8927, // SIOCGIFHWADDR
    0x8933, // SIOCGIFINDEX
];
