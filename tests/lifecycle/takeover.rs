//! Workers that were taken over: native code of the test's own in the place of a program,
//! put there by ptrace, and what the server makes of it.

use std::arch::global_asm;
use std::fmt::Debug;
use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use mcp_conductor::{ErrorKind, ExecuteRequest, Execution, Runtime};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio::task::JoinHandle;

use crate::death::{SLEEP, begun, config};
use crate::processes::{alone, until, workers};

const MIB: u64 = 1 << 20;

/// Times that a measurement is taken which a machine without time for it spoils.
const ATTEMPTS: usize = 5;

// Each is called with nothing and does not return.
global_asm!(
    // 256 GiB of empty, readable memory, looked at every 2 MiB: a page table for each
    // look, 512 MiB in all, and no page.
    "native_page_tables:",
    "  mov eax, 9", // mmap
    "  xor edi, edi",
    "  mov rsi, 0x4000000000",
    "  mov edx, 1",       // PROT_READ
    "  mov r10d, 0x4022", // private, anonymous, without reserve
    "  mov r8, -1",
    "  xor r9d, r9d",
    "  syscall",
    "  mov ecx, 131072",
    "2: mov dl, [rax]",
    "  add rax, 0x200000",
    "  dec ecx",
    "  jnz 2b",
    "3: jmp 3b",
    // Says that the program has ended with Deno.exit(0), and goes on.
    "native_outcome:",
    "  mov eax, 1", // write
    "  mov edi, 3",
    "  lea rsi, [rip + 4f]",
    "  mov edx, 7",
    "  syscall",
    "3: jmp 3b",
    "4: .byte 3, 0, 0, 0, 10, 2, 0",
    // One thread, with the flags of pthread_create, that goes on alone: its process has
    // its memory still, and no main thread.
    "native_leader:",
    "  mov eax, 56", // clone
    "  mov edi, 0x3d0f00",
    "  lea rsi, [rsp - 0x2000]",
    "  lea rdx, [rsp - 0x100]",
    "  lea r10, [rsp - 0x108]",
    "  xor r8d, r8d",
    "  syscall",
    "  test eax, eax",
    "  jz native_growth",
    "  mov eax, 60", // exit
    "  xor edi, edi",
    "  syscall",
    // 50 times 8 MiB, written to and made read-only, so that RLIMIT_DATA does not count
    // them any more, with pauses of 5 ms.
    "native_growth:",
    "  mov ebx, 50",
    "2: mov eax, 9",
    "  xor edi, edi",
    "  mov esi, 0x800000",
    "  mov edx, 3", // PROT_READ, PROT_WRITE
    "  mov r10d, 0x22",
    "  mov r8, -1",
    "  xor r9d, r9d",
    "  syscall",
    "  mov rdi, rax",
    "  mov ecx, 2048",
    "5: mov byte ptr [rax], 1",
    "  add rax, 4096",
    "  dec ecx",
    "  jnz 5b",
    "  mov eax, 10", // mprotect
    "  mov esi, 0x800000",
    "  mov edx, 1",
    "  syscall",
    "  mov eax, 35", // nanosleep
    "  lea rdi, [rip + 6f]",
    "  xor esi, esi",
    "  syscall",
    "  dec ebx",
    "  jnz 2b",
    "3: jmp 3b",
    "6: .quad 0, 5000000",
    // Three threads, with the flags of pthread_create, that do nothing.
    "native_threads:",
    "  mov ebx, 3",
    "2: mov eax, 56", // clone
    "  mov edi, 0x3d0f00",
    "  lea rsi, [rsp - 0x2000]",
    "  lea rdx, [rsp - 0x100]",
    "  lea r10, [rsp - 0x108]",
    "  xor r8d, r8d",
    "  syscall",
    "  test eax, eax",
    "  jz 3f",
    "  dec ebx",
    "  jnz 2b",
    "3: jmp 3b",
    "native_end: nop",
);

unsafe extern "C" {
    static native_page_tables: u8;
    static native_outcome: u8;
    static native_leader: u8;
    static native_growth: u8;
    static native_threads: u8;
    static native_end: u8;
}

/// The code between two labels.
fn code(from: *const u8, to: *const u8) -> &'static [u8] {
    // SAFETY: both are labels in this executable's text, in this order.
    unsafe { std::slice::from_raw_parts(from, to.offset_from_unsigned(from)) }
}

fn ptrace(request: libc::c_uint, pid: Pid, data: *mut libc::user_regs_struct) -> Result<(), Errno> {
    let address = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the requests made here write and read one set of registers, or nothing.
    Errno::result(unsafe { libc::ptrace(request, pid.as_raw(), address, data) }).map(drop)
}

/// Puts code in the place of what a process runs. Without the right to (root's, and
/// not in every container) it says so and the test is skipped.
fn take_over(pid: i32, code: &[u8]) -> bool {
    let (process, none) = (Pid::from_raw(pid), std::ptr::null_mut());
    if let Err(error) = ptrace(libc::PTRACE_ATTACH, process, none) {
        eprintln!("skipped: a worker cannot be traced here: {error}");
        return false;
    }
    waitpid(process, Some(WaitPidFlag::__WALL)).unwrap();
    let maps = read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let text = maps.lines().find(|line| line.contains(" r-xp ") && line.contains('/')).unwrap();
    let start = u64::from_str_radix(text.split_once('-').unwrap().0, 16).unwrap();
    let memory = File::options().write(true).open(format!("/proc/{pid}/mem")).unwrap();
    memory.write_all_at(code, start).unwrap();
    // SAFETY: an all-zero set of registers is a valid value.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    ptrace(libc::PTRACE_GETREGS, process, &raw mut registers).unwrap();
    registers.rip = start;
    // It waits in a call, which is not to be made again.
    registers.orig_rax = u64::MAX;
    ptrace(libc::PTRACE_SETREGS, process, &raw mut registers).unwrap();
    ptrace(libc::PTRACE_DETACH, process, none).unwrap();
    true
}

/// A run with 64 MiB of memory whose worker runs native code, and that worker.
async fn taken_over(code: &[u8]) -> Option<(Runtime, JoinHandle<Execution>, i32)> {
    let runtime = Runtime::new(config().with_max_memory(64 * MIB)).await.unwrap();
    let run = begun(&runtime, ExecuteRequest::new(SLEEP)).await;
    let worker = workers()[0];
    take_over(worker, code).then_some((runtime, run, worker))
}

/// A size in MiB that a process has at most while it is there.
async fn largest(pid: i32, key: &str) -> u64 {
    let mut largest = 0;
    while let Ok(status) = read_to_string(format!("/proc/{pid}/status")) {
        let Some(line) = status.lines().find_map(|line| line.strip_prefix(key)) else { break };
        let kib = line.split_whitespace().next().unwrap().parse::<u64>().unwrap();
        largest = largest.max(kib >> 10);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    largest
}

/// Processor time that a process was given until it ended.
async fn processor_time(pid: i32) -> Duration {
    let mut ticks = 0;
    while let Ok(stat) = read_to_string(format!("/proc/{pid}/stat")) {
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        if fields[0] == "Z" {
            break;
        }
        ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // USER_HZ is 100 on every architecture that is still made.
    Duration::from_millis(10 * ticks)
}

#[tokio::test]
async fn page_tables_count_in_the_memory_limit() {
    let _turn = alone();
    let code = code(&raw const native_page_tables, &raw const native_outcome);
    let Some((_runtime, run, _)) = taken_over(code).await else { return };
    let error = run.await.unwrap().error.expect("it has no end");
    assert_eq!(error.kind, ErrorKind::Memory, "{}", error.message);
}

/// Measures workers that run native code until one has no more than it may. Nothing is
/// measured where none can be taken over.
async fn at_most<T: PartialOrd + Debug>(
    limit: T,
    code: &[u8],
    measured: impl AsyncFn(JoinHandle<Execution>, i32) -> T,
) {
    for attempt in 1.. {
        let Some((_runtime, run, worker)) = taken_over(code).await else { return };
        let most = measured(run, worker).await;
        if most < limit {
            return;
        }
        assert!(attempt < ATTEMPTS, "{most:?}");
        until("the worker is gone", || workers().is_empty()).await;
    }
}

#[tokio::test]
async fn a_worker_does_nothing_after_its_outcome() {
    let _turn = alone();
    let code = code(&raw const native_outcome, &raw const native_leader);
    // Its whole life, with what it took to get so far.
    at_most(Duration::from_millis(150), code, async |run, worker| {
        let used = tokio::spawn(processor_time(worker));
        assert_eq!(run.await.unwrap().error, None);
        used.await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn memory_is_limited_while_a_worker_is_stopped() {
    let _turn = alone();
    let code = code(&raw const native_growth, &raw const native_threads);
    // The limit, what a worker that is stopped may have, and some looks: 134 MiB. One
    // that is waited for until its grace is over has 256.
    at_most(200, code, async |run, worker| {
        let most = tokio::spawn(largest(worker, "RssAnon:"));
        let error = run.await.unwrap().error.expect("it has no end");
        assert_eq!(error.kind, ErrorKind::Memory, "{}", error.message);
        most.await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_makes_more_threads_than_crypto_needs_is_ended() {
    let _turn = alone();
    let code = code(&raw const native_threads, &raw const native_end);
    let Some((_runtime, run, _)) = taken_over(code).await else { return };
    let error = run.await.unwrap().error.expect("it has no end");
    assert_eq!(error.kind, ErrorKind::Crash, "{}", error.message);
}

#[tokio::test]
async fn a_worker_whose_main_thread_ends_alone_is_ended() {
    let _turn = alone();
    let code = code(&raw const native_leader, &raw const native_threads);
    let Some((_runtime, run, _)) = taken_over(code).await else { return };
    let error = run.await.unwrap().error.expect("it has no end");
    assert_eq!(error.kind, ErrorKind::Crash, "{}", error.message);
    until("the worker is gone", || workers().is_empty()).await;
}
