use std::time::Duration;

use super::*;

/// A subscription to a clock.
fn clock(id: u32, timeout: u64, flags: u16) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes[..8].copy_from_slice(&99_u64.to_le_bytes());
    bytes[16..20].copy_from_slice(&id.to_le_bytes());
    bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
    bytes[40..42].copy_from_slice(&flags.to_le_bytes());
    bytes
}

/// A subscription to a descriptor.
fn readable(fd: u32) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes[8] = 1;
    bytes[16..20].copy_from_slice(&fd.to_le_bytes());
    bytes
}

fn poll(guest: &mut Guest, subscriptions: &[Vec<u8>]) -> u32 {
    guest.put(BUFFER, &subscriptions.concat());
    let given = [BUFFER.into(), 32_768, subscriptions.len() as u64, RESULT.into()];
    guest.call(Import::PollOneoff, &given)
}

#[test]
fn the_shortest_time_is_waited_for() {
    let mut guest = Guest::new(&[]);
    assert_eq!(poll(&mut guest, &[clock(1, 5_000_000, 0), clock(0, 2_000_000, 0)]), 0);
    assert_eq!(guest.world.slept.get(), Duration::from_millis(2));
    assert_eq!((guest.u32(RESULT), guest.u64(32_768)), (1, 99));
}

#[test]
fn a_time_that_has_passed_is_not_waited_for() {
    let mut guest = Guest::new(&[]);
    assert_eq!(poll(&mut guest, &[clock(0, 1, 1)]), 0);
    assert_eq!((guest.world.slept.get(), guest.u32(RESULT)), (Duration::ZERO, 1));
}

#[test]
fn what_is_open_is_ready_at_once() {
    let mut guest = Guest::new(&[]);
    assert_eq!(poll(&mut guest, &[clock(1, u64::MAX, 0), readable(0), readable(77)]), 0);
    assert_eq!((guest.world.slept.get(), guest.u32(RESULT)), (Duration::ZERO, 2));
    assert_eq!(guest.u32(32_768 + 32 + 8) & 0xffff, Errno::Badf as u32);
}

#[test]
fn nothing_and_too_much_is_not_waited_for() {
    let mut guest = Guest::new(&[]);
    let given = [0, 0, 0, RESULT.into()];
    guest.fails(Import::PollOneoff, &given, Errno::Inval);
    let given = [0, 0, 1025, RESULT.into()];
    guest.fails(Import::PollOneoff, &given, Errno::Inval);
    let given = [0, 0, u32::MAX.into(), RESULT.into()];
    guest.fails(Import::PollOneoff, &given, Errno::Inval);
    let given = [0, u64::from(MEMORY) - 32, 2, RESULT.into()];
    guest.fails(Import::PollOneoff, &given, Errno::Fault);
}

#[test]
fn monotonic_time_does_not_tell_since_when_the_machine_runs() {
    let mut guest = Guest::new(&[]);
    guest.succeeds(Import::ClockTimeGet, &[1, 0, RESULT.into()]);
    assert!(guest.u64(RESULT) < 60_000_000_000);
    guest.succeeds(Import::ClockTimeGet, &[0, 0, RESULT.into()]);
    assert!(guest.u64(RESULT) > 1_700_000_000_000_000_000);
    guest.fails(Import::ClockTimeGet, &[4, 0, RESULT.into()], Errno::Inval);
}

#[test]
fn random_bytes_differ() {
    let mut guest = Guest::new(&[]);
    guest.succeeds(Import::RandomGet, &[BUFFER.into(), 16]);
    guest.succeeds(Import::RandomGet, &[u64::from(BUFFER) + 16, 16]);
    assert_ne!(guest.bytes(BUFFER, 16), guest.bytes(BUFFER + 16, 16));
    assert_ne!(guest.bytes(BUFFER, 16), [0; 16]);
}

#[test]
fn variables_and_arguments_are_the_interpreters_own() {
    let mut guest = Guest::new(&[]);
    guest.succeeds(Import::EnvironSizesGet, &[RESULT.into(), u64::from(RESULT) + 4]);
    assert_eq!((guest.u32(RESULT), guest.u32(RESULT + 4)), (2, 16));
    guest.succeeds(Import::EnvironGet, &[RESULT.into(), BUFFER.into()]);
    assert_eq!(guest.bytes(BUFFER, 16), b"TMPDIR=/tmp\0A=b\0");
    assert_eq!((guest.u32(RESULT), guest.u32(RESULT + 4)), (BUFFER, BUFFER + 12));
    guest.succeeds(Import::ArgsSizesGet, &[RESULT.into(), u64::from(RESULT) + 4]);
    assert_eq!((guest.u32(RESULT), guest.u32(RESULT + 4)), (1, 7));
}

#[test]
fn the_preopened_directories_have_names() {
    let mut guest = Guest::new(&[]);
    for (fd, name) in [(3, "/usr/local/lib"), (4, "/")] {
        guest.succeeds(Import::FdPrestatGet, &[fd, RESULT.into()]);
        assert_eq!((guest.u32(RESULT), guest.u32(RESULT + 4) as usize), (0, name.len()));
        guest.succeeds(Import::FdPrestatDirName, &[fd, BUFFER.into(), name.len() as u64]);
        assert_eq!(guest.bytes(BUFFER, name.len() as u32), name.as_bytes());
    }
    guest.fails(Import::FdPrestatGet, &[5, RESULT.into()], Errno::Badf);
    guest.fails(Import::FdPrestatDirName, &[3, BUFFER.into(), 3], Errno::Nametoolong);
}

#[test]
fn an_exit_ends_the_guest_with_its_code() {
    let mut guest = Guest::new(&[]);
    assert_eq!(guest.end(Import::ProcExit, &[3]), Err(End::Exit(3)));
}

#[test]
fn a_run_that_is_to_stop_waits_for_nothing() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let fd = guest.open("ws/a", 0, READ);
    guest.world.stopped.set(true);
    let (at, count) = guest.iovecs(&[(BUFFER, 3)]);
    let given = [fd, at, count, RESULT.into()];
    assert_eq!(guest.end(Import::FdRead, &given), Err(End::Stopped));
    assert_eq!(guest.end(Import::RandomGet, &[BUFFER.into(), 16]), Err(End::Stopped));
    guest.put(BUFFER, &clock(1, 5, 0));
    let given = [BUFFER.into(), 32_768, 1, RESULT.into()];
    assert_eq!(guest.end(Import::PollOneoff, &given), Err(End::Stopped));
}

#[test]
fn there_are_no_sockets() {
    let mut guest = Guest::new(&[]);
    guest.fails(Import::SockShutdown, &[1, 0], Errno::Notsock);
    guest.fails(Import::SockAccept, &[77, 0, 0], Errno::Badf);
}

#[test]
fn every_import_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> =
        Import::ALL.iter().map(|import| import.name()).collect();
    assert_eq!((names.len(), Import::ALL.len()), (42, 42));
}

#[test]
fn an_import_has_as_many_parameters_as_there_are_arguments() {
    let most = Import::ALL.iter().map(|import| import.parameters().len()).max();
    assert_eq!(most, Some(Arguments::default().len()));
}
