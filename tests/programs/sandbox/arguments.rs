//! Calls that a worker may make, with arguments that it may and may not give them.
//! Each pair differs in the argument only.

use std::ptr::{null, null_mut};

use super::probes::{SUCCEEDED, errno};

const PAGE: usize = 4096;

/// A worker's socket, and standard input, which is no socket.
const SOCKET: libc::c_int = 3;
const STDIN: libc::c_int = 0;

/// madvise(2) and futex(2), of which libc does not know all.
const MADV_COLLAPSE: libc::c_int = 25;
const FUTEX_LOCK_PI2: libc::c_int = 13;

/// The CPU clock of process 1, as clock_getcpuclockid(3) makes it.
const CLOCK_OF_ANOTHER: libc::clockid_t = (!1 << 3) | 2;

/// Makes the call of that name in the sealed child.
///
/// # Safety
/// The process ends right after.
pub unsafe fn call(name: &str) -> i64 {
    let (kind, what) = name.split_once(' ').unwrap_or((name, ""));
    // SAFETY: the pointers are null or to memory of this function's own.
    unsafe {
        match kind {
            "mmap" => mmap(what),
            "mprotect" => mprotect(what),
            "mremap" => mremap(what),
            "madvise" => madvise(what),
            "send" => send(what),
            "receive" => receive(what),
            "futex" => futex(what),
            "clock" => clock(what),
            _ => panic!("no probe named {name}"),
        }
    }
}

/// # Safety
/// As [`call`].
unsafe fn mmap(flags: &str) -> i64 {
    let beside = match flags {
        "private" | "of a file" => 0,
        "without reserve" => libc::MAP_NORESERVE,
        "for a stack" => libc::MAP_STACK,
        "growing downwards" => libc::MAP_GROWSDOWN,
        "of huge pages" => libc::MAP_HUGETLB,
        "locked" => libc::MAP_LOCKED,
        "with its pages" => libc::MAP_POPULATE,
        "shared" => libc::MAP_SHARED ^ libc::MAP_PRIVATE,
        _ => panic!("no flags named {flags}"),
    };
    let anonymous = if flags == "of a file" { 0 } else { libc::MAP_ANONYMOUS };
    let flags = (libc::MAP_PRIVATE ^ beside & libc::MAP_TYPE) | beside & !libc::MAP_TYPE;
    // SAFETY: a new mapping at no given address touches nothing that exists.
    let mapping =
        unsafe { libc::mmap(null_mut(), PAGE, libc::PROT_READ, flags | anonymous, STDIN, 0) };
    if mapping == libc::MAP_FAILED { -1 } else { 0 }
}

/// Two pages of this process's own.
fn pages() -> *mut libc::c_void {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: as in mmap().
    let pages = unsafe { libc::mmap(null_mut(), 2 * PAGE, access, flags, -1, 0) };
    assert_ne!(pages, libc::MAP_FAILED);
    pages
}

/// # Safety
/// As [`call`].
unsafe fn mprotect(how: &str) -> i64 {
    let protection = match how {
        "to code" => libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
        "down to the start" => libc::PROT_READ | libc::PROT_GROWSDOWN,
        _ => panic!("no protection named {how}"),
    };
    // SAFETY: nobody else knows the pages.
    unsafe { libc::syscall(libc::SYS_mprotect, pages(), PAGE, protection) }
}

/// # Safety
/// As [`call`].
unsafe fn mremap(how: &str) -> i64 {
    let flags = match how {
        "to anywhere" => libc::MREMAP_MAYMOVE,
        "to a place" => libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
        "and keep" => libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP,
        _ => panic!("no flags named {how}"),
    };
    // SAFETY: nobody else knows the pages.
    unsafe { libc::syscall(libc::SYS_mremap, pages(), PAGE, PAGE, flags, pages()) }
}

/// # Safety
/// As [`call`].
unsafe fn madvise(what: &str) -> i64 {
    let advice = match what {
        "not needed" => libc::MADV_DONTNEED,
        "free" => libc::MADV_FREE,
        "not for children" => libc::MADV_DONTFORK,
        "for a dump" => libc::MADV_DODUMP,
        "empty in children" => libc::MADV_WIPEONFORK,
        "mergeable" => libc::MADV_MERGEABLE,
        "broken" => libc::MADV_HWPOISON,
        "populate" => libc::MADV_POPULATE_WRITE,
        "page out" => libc::MADV_PAGEOUT,
        "collapse" => MADV_COLLAPSE,
        _ => panic!("no advice named {what}"),
    };
    // SAFETY: nobody else knows the pages.
    unsafe { libc::syscall(libc::SYS_madvise, pages(), PAGE, advice) }
}

/// # Safety
/// As [`call`].
unsafe fn send(how: &str) -> i64 {
    let flags = match how {
        "a byte" | "to an address" => libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        "out of band" => libc::MSG_DONTWAIT | libc::MSG_OOB,
        "more" => libc::MSG_DONTWAIT | libc::MSG_MORE,
        _ => panic!("no flags named {how}"),
    };
    let address = libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: [0; 108] };
    let to = if how == "to an address" { &raw const address } else { null() };
    // SAFETY: the byte and the address live until the call returns.
    unsafe { libc::syscall(libc::SYS_sendto, SOCKET, [0u8].as_ptr(), 1, flags, to, 2) }
}

/// # Safety
/// As [`call`].
unsafe fn receive(how: &str) -> i64 {
    let flags = match how {
        "a byte" | "with an address" => libc::MSG_DONTWAIT,
        "out of band" => libc::MSG_DONTWAIT | libc::MSG_OOB,
        "twice" => libc::MSG_DONTWAIT | libc::MSG_PEEK,
        _ => panic!("no flags named {how}"),
    };
    let (mut byte, mut from, mut length) = ([0u8], [0u8; 128], 128);
    let from = if how == "with an address" { from.as_mut_ptr() } else { null_mut() };
    let byte = byte.as_mut_ptr();
    // SAFETY: all three live until the call returns.
    unsafe { libc::syscall(libc::SYS_recvfrom, SOCKET, byte, 1, flags, from, &raw mut length) }
}

/// # Safety
/// As [`call`].
unsafe fn futex(operation: &str) -> i64 {
    let private = libc::FUTEX_PRIVATE_FLAG;
    let operation = match operation {
        "wake" => libc::FUTEX_WAKE | private,
        "wake a bit" => libc::FUTEX_WAKE_BITSET | private,
        "wait for another value" => libc::FUTEX_WAIT,
        "wait for another bit" => libc::FUTEX_WAIT_BITSET | private | libc::FUTEX_CLOCK_REALTIME,
        "lock pi" => libc::FUTEX_LOCK_PI | private,
        "lock pi2" => FUTEX_LOCK_PI2 | private,
        "trylock pi" => libc::FUTEX_TRYLOCK_PI,
        "unlock pi" => libc::FUTEX_UNLOCK_PI | private,
        "wait requeue pi" => libc::FUTEX_WAIT_REQUEUE_PI,
        "requeue pi" => libc::FUTEX_CMP_REQUEUE_PI | private,
        "descriptor" => libc::FUTEX_FD,
        _ => panic!("no operation named {operation}"),
    };
    let (word, none) = ([0u32; 2], null::<libc::timespec>());
    let (first, second) = (&raw const word[0], &raw const word[1]);
    // SAFETY: both words live until the call returns.
    unsafe { libc::syscall(libc::SYS_futex, first, operation, 1, none, second, 1) }
}

/// # Safety
/// As [`call`].
unsafe fn clock(what: &str) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let time = &raw mut time;
    // SAFETY: the time lives until the call returns.
    unsafe {
        match what {
            "monotonic" => libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_MONOTONIC, time),
            "own cpu" => {
                libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_PROCESS_CPUTIME_ID, time)
            }
            "cpu of another" => libc::syscall(libc::SYS_clock_gettime, CLOCK_OF_ANOTHER, time),
            "resolution of another" => {
                libc::syscall(libc::SYS_clock_getres, CLOCK_OF_ANOTHER, time)
            }
            "sleep" => {
                let clock = libc::CLOCK_MONOTONIC;
                libc::syscall(libc::SYS_clock_nanosleep, clock, 0, time, null::<u8>())
            }
            "sleep of cpu" => {
                let clock = libc::CLOCK_PROCESS_CPUTIME_ID;
                libc::syscall(libc::SYS_clock_nanosleep, clock, 0, time, null::<u8>())
            }
            _ => panic!("no clock named {what}"),
        }
    }
}

#[track_caller]
fn allowed_and_refused(allowed: &[&str], refused: &[&str]) {
    for name in allowed {
        assert_eq!(errno(name), SUCCEEDED, "{name}");
    }
    for name in refused {
        assert_eq!(errno(name), libc::EPERM, "{name}");
    }
}

#[test]
fn memory_is_private_anonymous_and_no_stack() {
    allowed_and_refused(
        &["mmap private", "mmap without reserve", "mmap for a stack"],
        &[
            "mmap shared",
            "mmap growing downwards",
            "mmap of huge pages",
            "mmap locked",
            "mmap with its pages",
            "mmap of a file",
        ],
    );
}

#[test]
fn protection_is_that_of_the_given_range() {
    allowed_and_refused(&["mprotect to code"], &["mprotect down to the start"]);
}

#[test]
fn a_mapping_is_moved_as_realloc_does_it() {
    allowed_and_refused(&["mremap to anywhere"], &["mremap to a place", "mremap and keep"]);
}

#[test]
fn advice_about_memory_is_what_v8_gives() {
    allowed_and_refused(
        &[
            "madvise not needed",
            "madvise free",
            "madvise not for children",
            "madvise for a dump",
            "madvise empty in children",
        ],
        &[
            "madvise mergeable",
            "madvise broken",
            "madvise populate",
            "madvise page out",
            "madvise collapse",
        ],
    );
}

#[test]
fn bytes_on_the_socket_are_in_order_and_without_an_address() {
    // The other end was closed by the seal, with all that is not a worker's.
    assert_eq!(errno("send a byte"), libc::EPIPE);
    allowed_and_refused(
        &["receive a byte"],
        &[
            "send out of band",
            "send more",
            "send to an address",
            "receive out of band",
            "receive twice",
            "receive with an address",
        ],
    );
}

#[test]
fn futexes_do_not_inherit_priorities() {
    for name in ["futex wait for another value", "futex wait for another bit"] {
        assert_eq!(errno(name), libc::EAGAIN, "{name}");
    }
    allowed_and_refused(
        &["futex wake", "futex wake a bit"],
        &[
            "futex lock pi",
            "futex lock pi2",
            "futex trylock pi",
            "futex unlock pi",
            "futex wait requeue pi",
            "futex requeue pi",
            "futex descriptor",
        ],
    );
}

#[test]
fn clocks_are_the_machine_s_and_its_own() {
    allowed_and_refused(
        &["clock monotonic", "clock own cpu", "clock sleep"],
        &["clock cpu of another", "clock resolution of another", "clock sleep of cpu"],
    );
}
