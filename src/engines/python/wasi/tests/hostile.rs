use super::*;

const LAST: u64 = MEMORY as u64 - 1;
const HUGE: u64 = u32::MAX as u64;

/// Numbers that are likely to be wrong, where a pointer, a length or a descriptor is expected.
const NUMBERS: &[u64] = &[0, 1, 3, 4, 5, 255, 256, LAST, MEMORY as u64, HUGE - 1, HUGE];

/// A generator whose numbers are the same each time (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn no_arguments_whatever_bring_a_call_down() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    for round in 0..200_000_u64 {
        if round % 1000 == 0 {
            guest = Guest::new(&[("/ws/a", "abc")]);
            guest.open("ws/a", 0, READ | WRITE);
            guest.open("ws", DIRECTORY, READ);
        }
        let import = Import::ALL[numbers.next() as usize % Import::ALL.len()];
        let mut arguments = Arguments::default();
        for argument in &mut arguments {
            let number = numbers.next();
            *argument = match number % 4 {
                0 => NUMBERS[(number >> 8) as usize % NUMBERS.len()],
                1 => number >> 56,
                2 => (number >> 40) % u64::from(MEMORY),
                _ => number,
            };
        }
        if matches!(import, Import::FdFilestatSetSize | Import::FdPwrite | Import::FdSeek)
            || is_of_the_world_only(import)
        {
            // The world of these tests grows its files in memory, and has not all operations.
            continue;
        }
        let at = numbers.next() as usize % MEMORY as usize;
        guest.memory[at] = numbers.next() as u8;
        let _ = guest.wasi.call(&mut guest.memory, import, &arguments, &guest.world);
    }
}

fn is_of_the_world_only(import: Import) -> bool {
    matches!(import, Import::PathLink | Import::PathFilestatSetTimes | Import::FdFilestatSetTimes)
}

#[test]
fn parts_outside_of_the_memory_are_a_fault() {
    let mut guest = Guest::new(&[]);
    for part in [(MEMORY, 1), (MEMORY - 1, 2), (u32::MAX, 1), (0, u32::MAX), (u32::MAX, u32::MAX)] {
        let (at, count) = guest.iovecs(&[part]);
        guest.fails(Import::FdWrite, &[1, at, count, RESULT.into()], Errno::Fault);
        guest.fails(Import::FdRead, &[0, at, count, RESULT.into()], Errno::Fault);
    }
    assert!(guest.world.printed.borrow().is_empty());
}

#[test]
fn a_list_of_parts_outside_of_the_memory_is_a_fault() {
    let mut guest = Guest::new(&[]);
    guest.fails(Import::FdWrite, &[1, LAST, 1, RESULT.into()], Errno::Fault);
    guest.fails(Import::FdWrite, &[1, HUGE, 1, RESULT.into()], Errno::Fault);
    guest.fails(Import::FdWrite, &[1, 0, 1025, RESULT.into()], Errno::Inval);
    guest.fails(Import::FdWrite, &[1, 0, HUGE, RESULT.into()], Errno::Inval);
}

#[test]
fn a_result_outside_of_the_memory_is_a_fault_before_anything_is_done() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let (at, count) = guest.iovecs(&[(BUFFER, 3)]);
    guest.fails(Import::FdWrite, &[1, at, count, LAST], Errno::Fault);
    assert!(guest.world.printed.borrow().is_empty());
    let (name, length) = guest.name(NAME, "ws/a");
    let given = [SLASH, 1, name, length, 0, READ, 0, 0, HUGE];
    guest.fails(Import::PathOpen, &given, Errno::Fault);
    assert!(guest.world.open.borrow().is_empty());
    guest.fails(Import::PathFilestatGet, &[SLASH, 1, name, length, LAST], Errno::Fault);
}

#[test]
fn parts_that_overlap_are_read_one_after_the_other() {
    let mut guest = Guest::new(&[("/ws/a", "0123456789")]);
    let fd = guest.open("ws/a", 0, READ);
    let (at, count) = guest.iovecs(&[(BUFFER, 4), (BUFFER + 2, 4), (IOVECS, 2)]);
    guest.succeeds(Import::FdRead, &[fd, at, count, RESULT.into()]);
    assert_eq!(guest.bytes(BUFFER, 6), b"014567");
    assert_eq!(guest.bytes(IOVECS, 2), b"89");
}

#[test]
fn parts_that_are_together_longer_than_a_result_can_say_are_invalid() {
    let mut guest = Guest::new(&[]);
    guest.memory.resize(1 << 20, 0);
    let part = (0, 1 << 20);
    let list: Vec<(u32, u32)> = vec![part; 1024];
    let total: u64 = list.iter().map(|(_, length)| u64::from(*length)).sum();
    assert!(total < HUGE);
    let (at, count) = guest.iovecs(&list);
    assert_eq!(guest.call(Import::FdRead, &[0, at, count, RESULT.into()]), 0);
    guest.memory.resize(8 << 20, 0);
    let list: Vec<(u32, u32)> = vec![(0, 8 << 20); 1024];
    let (at, count) = guest.iovecs(&list);
    guest.fails(Import::FdRead, &[0, at, count, RESULT.into()], Errno::Inval);
}

#[test]
fn an_unknown_descriptor_is_bad_for_every_call() {
    let mut guest = Guest::new(&[]);
    let (at, count) = guest.iovecs(&[(BUFFER, 3)]);
    let (name, length) = guest.name(NAME, "a");
    for fd in [5, 255, 256, HUGE] {
        let result = u64::from(RESULT);
        guest.fails(Import::FdRead, &[fd, at, count, result], Errno::Badf);
        guest.fails(Import::FdWrite, &[fd, at, count, result], Errno::Badf);
        guest.fails(Import::FdSeek, &[fd, 0, 0, result], Errno::Badf);
        guest.fails(Import::FdClose, &[fd], Errno::Badf);
        guest.fails(Import::FdSync, &[fd], Errno::Badf);
        guest.fails(Import::FdAdvise, &[fd, 0, 0, 0], Errno::Badf);
        guest.fails(Import::FdFdstatGet, &[fd, result], Errno::Badf);
        guest.fails(Import::FdFilestatGet, &[fd, result], Errno::Badf);
        guest.fails(Import::FdReaddir, &[fd, 0, 0, 0, result], Errno::Badf);
        guest.fails(Import::PathUnlinkFile, &[fd, name, length], Errno::Badf);
    }
}

#[test]
fn a_closed_descriptor_is_bad_and_preopened_ones_stay() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let fd = guest.open("ws/a", 0, READ);
    guest.succeeds(Import::FdClose, &[fd]);
    guest.fails(Import::FdClose, &[fd], Errno::Badf);
    guest.fails(Import::FdClose, &[3], Errno::Notsup);
    guest.fails(Import::FdClose, &[4], Errno::Notsup);
    assert_eq!(guest.stat("ws/a"), Ok(4));
}

#[test]
fn there_are_so_many_descriptors_and_no_more() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let opened = (0..300).map_while(|_| guest.path_open("ws/a", 0, READ, 0).ok()).count();
    assert_eq!(opened, 256 - 5);
    assert_eq!(guest.path_open("ws/a", 0, READ, 0), Err(Errno::Mfile as u32));
    assert_eq!(guest.path_open("ws", DIRECTORY, READ, 0), Err(Errno::Mfile as u32));
    assert_eq!(guest.world.open.borrow().len(), opened, "nothing is opened that has no number");
    guest.succeeds(Import::FdClose, &[100]);
    assert_eq!(guest.open("ws/a", 0, READ), 100);
}

#[test]
fn a_path_has_a_length_and_is_text() {
    let mut guest = Guest::new(&[]);
    let stat = |guest: &mut Guest, at: u64, length: u64| {
        guest.call(Import::PathFilestatGet, &[SLASH, 1, at, length, BUFFER.into()])
    };
    assert_eq!(stat(&mut guest, 0, 4097), Errno::Nametoolong as u32);
    assert_eq!(stat(&mut guest, 0, HUGE), Errno::Nametoolong as u32);
    assert_eq!(stat(&mut guest, LAST, 2), Errno::Fault as u32);
    assert_eq!(stat(&mut guest, HUGE, 1), Errno::Fault as u32);
    assert_eq!(stat(&mut guest, 0, 0), Errno::Noent as u32);
    guest.put(NAME, b"a\0b");
    assert_eq!(stat(&mut guest, NAME.into(), 3), Errno::Inval as u32);
    guest.put(NAME, b"a\xff");
    assert_eq!(stat(&mut guest, NAME.into(), 2), Errno::Ilseq as u32);
    guest.put(NAME, b"/etc/passwd");
    assert_eq!(stat(&mut guest, NAME.into(), 11), Errno::Notcapable as u32);
    assert_eq!(guest.world.take_asked(), [""; 0]);
}

#[test]
fn a_link_has_a_target_that_is_text() {
    let mut guest = Guest::new(&[]);
    let (at, length) = guest.name(NAME, "ws/l");
    guest.put(OTHER_NAME, b"a\0b");
    guest.fails(Import::PathSymlink, &[OTHER_NAME.into(), 3, SLASH, at, length], Errno::Inval);
    guest.fails(Import::PathSymlink, &[LAST, 3, SLASH, at, length], Errno::Fault);
}

#[test]
fn random_bytes_outside_of_the_memory_are_a_fault() {
    let mut guest = Guest::new(&[]);
    guest.fails(Import::RandomGet, &[1, HUGE], Errno::Fault);
    guest.fails(Import::RandomGet, &[HUGE, 1], Errno::Fault);
    guest.succeeds(Import::RandomGet, &[0, MEMORY.into()]);
}

#[test]
fn arguments_outside_of_the_memory_are_a_fault() {
    let mut guest = Guest::new(&[]);
    for import in [Import::ArgsGet, Import::EnvironGet, Import::EnvironSizesGet] {
        guest.fails(import, &[HUGE, 0], Errno::Fault);
        guest.fails(import, &[0, HUGE], Errno::Fault);
        guest.fails(import, &[LAST, 0], Errno::Fault);
    }
    guest.fails(Import::FdPrestatGet, &[3, HUGE - 3], Errno::Fault);
    guest.fails(Import::FdPrestatDirName, &[3, LAST, 14], Errno::Fault);
}

#[test]
fn a_listing_outside_of_the_memory_is_a_fault() {
    let mut guest = Guest::new(&[]);
    let fd = guest.open("ws", DIRECTORY, READ);
    guest.fails(Import::FdReaddir, &[fd, LAST, 2, 0, RESULT.into()], Errno::Fault);
    guest.fails(Import::FdReaddir, &[fd, 0, HUGE, 0, RESULT.into()], Errno::Fault);
    guest.fails(Import::FdReaddir, &[fd, 0, 10, 0, LAST], Errno::Fault);
    guest.succeeds(Import::FdReaddir, &[fd, 0, 0, 0, RESULT.into()]);
}
