use super::*;
use crate::engines::python::wasi::tests::world::failure;

#[test]
fn a_file_is_written_and_read_back() {
    let mut guest = Guest::new(&[]);
    let fd = guest.open("ws/a.txt", CREATE | TRUNCATE, READ | WRITE);
    guest.write(fd, "hello world");
    assert_eq!(guest.seek(fd, 6, 0), 6);
    assert_eq!(guest.read(fd, 100), "world");
    assert_eq!(guest.read(fd, 100), "");
    guest.succeeds(Import::FdClose, &[fd]);
    assert_eq!(guest.world.text("/ws/a.txt"), "hello world");
    assert!(guest.world.open.borrow().is_empty());
}

#[test]
fn pread_and_pwrite_move_nothing() {
    let mut guest = Guest::new(&[("/ws/a", "0123456789")]);
    let fd = guest.open("ws/a", 0, READ | WRITE);
    assert_eq!(guest.read(fd, 2), "01");
    assert_eq!(guest.pread(fd, 3, 7), "789");
    guest.pwrite(fd, "xx", 4);
    assert_eq!(guest.read(fd, 5), "23xx6");
    assert_eq!(guest.world.text("/ws/a"), "0123xx6789");
}

#[test]
fn reading_on_asks_for_no_position() {
    let mut guest = Guest::new(&[("/ws/a", "0123456789")]);
    let fd = guest.open("ws/a", 0, READ);
    guest.world.take_asked();
    guest.read(fd, 2);
    guest.read(fd, 2);
    assert_eq!(guest.world.take_asked(), ["read", "read"]);
}

#[test]
fn what_is_appended_goes_to_the_end_and_the_position_with_it() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let fd = guest.path_open("ws/a", 0, READ | WRITE, 1).expect("it opens");
    assert_eq!(guest.read(fd, 1), "a");
    guest.write(fd, "def");
    assert_eq!(guest.seek(fd, 0, 1), 6);
    guest.pwrite(fd, "ghi", 0);
    assert_eq!(guest.seek(fd, 0, 1), 6);
    assert_eq!(guest.world.text("/ws/a"), "abcdefghi");
    assert_eq!(guest.read(fd, 10), "ghi");
}

#[test]
fn a_descriptor_can_begin_to_append() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let fd = guest.open("ws/a", 0, WRITE);
    guest.succeeds(Import::FdFdstatSetFlags, &[fd, 1]);
    guest.write(fd, "def");
    assert_eq!(guest.world.text("/ws/a"), "abcdef");
    assert_eq!(guest.seek(fd, 0, 1), 6);
    let other = guest.path_open("ws/a", 0, WRITE, 1).expect("it opens");
    guest.fails(Import::FdFdstatSetFlags, &[other, 0], Errno::Notsup);
}

#[test]
fn parts_are_read_and_written_in_order() {
    let mut guest = Guest::new(&[("/ws/a", "0123456789")]);
    let fd = guest.open("ws/a", 0, READ);
    let (at, count) = guest.iovecs(&[(BUFFER, 3), (BUFFER + 100, 0), (BUFFER + 200, 20)]);
    guest.succeeds(Import::FdRead, &[fd, at, count, RESULT.into()]);
    assert_eq!(guest.u32(RESULT), 10);
    assert_eq!(guest.bytes(BUFFER, 3), b"012");
    assert_eq!(guest.bytes(BUFFER + 200, 7), b"3456789");
}

#[test]
fn what_was_done_before_an_error_counts() {
    let mut guest = Guest::new(&[]);
    let fd = guest.open("ws/a", CREATE, WRITE);
    guest.put(BUFFER, b"abc");
    let (at, count) = guest.iovecs(&[(BUFFER, 3), (BUFFER, 3)]);
    guest.world.fails.replace(Some(("write", failure("Error", Some("ENOSPC")))));
    guest.fails(Import::FdWrite, &[fd, at, count, RESULT.into()], Errno::Nospc);
    guest.succeeds(Import::FdWrite, &[fd, at, count, RESULT.into()]);
    assert_eq!(guest.u32(RESULT), 6);
    assert_eq!(guest.world.text("/ws/a"), "abcabc");
}

#[test]
fn who_may_only_read_does_not_write_and_the_other_way_round() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let (reader, writer) = (guest.open("ws/a", 0, READ), guest.open("ws/a", 0, WRITE));
    let (at, count) = guest.iovecs(&[(BUFFER, 3)]);
    guest.fails(Import::FdWrite, &[reader, at, count, RESULT.into()], Errno::Badf);
    guest.fails(Import::FdRead, &[writer, at, count, RESULT.into()], Errno::Badf);
    guest.fails(Import::FdFilestatSetSize, &[reader, 0], Errno::Inval);
    guest.succeeds(Import::FdFilestatSetSize, &[writer, 1]);
    assert_eq!(guest.world.text("/ws/a"), "a");
}

#[test]
fn a_seek_before_the_beginning_or_beyond_every_file_is_invalid() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let fd = guest.open("ws/a", 0, READ);
    let negative = (-1_i64).cast_unsigned();
    guest.fails(Import::FdSeek, &[fd, negative, 0, RESULT.into()], Errno::Inval);
    guest.fails(Import::FdSeek, &[fd, negative, 1, RESULT.into()], Errno::Inval);
    guest.fails(Import::FdSeek, &[fd, 0, 3, RESULT.into()], Errno::Inval);
    assert_eq!(guest.seek(fd, i64::MAX, 0), i64::MAX.cast_unsigned());
    guest.fails(Import::FdSeek, &[fd, 1, 1, RESULT.into()], Errno::Inval);
    assert_eq!(guest.seek(fd, 1000, 0), 1000);
    assert_eq!(guest.read(fd, 5), "");
    assert_eq!(guest.seek(fd, -1, 2), 2);
    assert_eq!(guest.read(fd, 5), "c");
    let (at, count) = guest.iovecs(&[(BUFFER, 3)]);
    guest.fails(Import::FdPread, &[fd, at, count, u64::MAX, RESULT.into()], Errno::Inval);
}

#[test]
fn the_status_of_what_was_just_opened_is_not_asked_for_twice() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let fd = guest.open("ws/a", 0, READ);
    guest.world.take_asked();
    guest.succeeds(Import::FdFilestatGet, &[fd, BUFFER.into()]);
    assert_eq!(guest.world.take_asked(), [""; 0]);
    assert_eq!((guest.u64(BUFFER + 32), guest.u64(BUFFER + 48)), (3, 1_500_000_000));
    guest.succeeds(Import::FdFilestatGet, &[fd, BUFFER.into()]);
    assert_eq!(guest.world.take_asked(), ["fileStat"]);
}

#[test]
fn the_status_is_asked_for_again_when_anything_came_between() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let fd = guest.open("ws/a", 0, READ);
    guest.succeeds(Import::SchedYield, &[]);
    guest.world.take_asked();
    guest.succeeds(Import::FdFilestatGet, &[fd, BUFFER.into()]);
    assert_eq!(guest.world.take_asked(), ["fileStat"]);
}

#[test]
fn output_goes_to_its_stream_and_is_no_terminal() {
    let mut guest = Guest::new(&[]);
    guest.write(1, "out");
    guest.write(2, "err");
    let printed = guest.world.printed.take();
    assert_eq!(printed.len(), 2);
    assert_eq!((printed[0].1.as_slice(), printed[1].1.as_slice()), (&b"out"[..], &b"err"[..]));
    guest.succeeds(Import::FdFdstatGet, &[1, BUFFER.into()]);
    assert_eq!(guest.memory[BUFFER as usize], 0);
    assert_eq!(guest.u64(BUFFER + 8) & (READ | 1 << 2 | 1 << 5), 0);
    guest.fails(Import::FdSeek, &[1, 0, 0, RESULT.into()], Errno::Spipe);
}

#[test]
fn stdin_is_empty() {
    let mut guest = Guest::new(&[]);
    assert_eq!(guest.read(0, 10), "");
}

#[test]
fn the_lowest_number_is_used_again() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let (first, second) = (guest.open("ws/a", 0, READ), guest.open("ws/a", 0, READ));
    assert_eq!((first, second), (5, 6));
    guest.succeeds(Import::FdClose, &[first]);
    assert_eq!(guest.open("ws/a", 0, READ), 5);
    guest.succeeds(Import::FdClose, &[1]);
    assert_eq!(guest.open("ws/a", 0, READ), 1);
}

#[test]
fn the_image_is_read_without_the_world() {
    let mut guest = Guest::new(&[]);
    let fd = guest.open("usr/local/lib/python315.zip/matplotlib/mpl-data/m.txt", 0, READ);
    assert_eq!(guest.read(fd, 2), "da");
    assert_eq!(guest.pread(fd, 10, 1), "ata");
    assert_eq!(guest.read(fd, 10), "ta");
    assert_eq!(guest.seek(fd, -1, 2), 3);
    assert_eq!(guest.seek(fd, 100, 0), 100);
    assert_eq!(guest.read(fd, 10), "");
    assert_eq!(guest.pread(fd, 10, u64::MAX), "");
    guest.succeeds(Import::FdFilestatGet, &[fd, BUFFER.into()]);
    assert_eq!((guest.memory[BUFFER as usize + 16], guest.u64(BUFFER + 32)), (4, 4));
    assert_eq!(guest.world.take_asked(), [""; 0]);
}

/// Reads of a file in small pieces to its end, and how often the broker was asked.
fn read_all(guest: &mut Guest, fd: u64) -> (String, usize) {
    guest.world.take_asked();
    let mut text = String::new();
    loop {
        let piece = guest.read(fd, 1000);
        if piece.is_empty() {
            return (text, guest.world.take_asked().len());
        }
        text.push_str(&piece);
    }
}

fn numbers() -> String {
    (0..20_000).map(|number| format!("{number}\n")).collect()
}

#[test]
fn a_file_that_is_read_on_and_on_is_read_ahead() {
    let text = numbers();
    let mut guest = Guest::new(&[("/ws/a", &text)]);
    let fd = guest.open("ws/a", 0, READ);
    let (read, asked) = read_all(&mut guest, fd);
    assert!(read == text);
    assert!(asked < 6, "{} bytes, {asked} questions", text.len());
    assert_eq!(guest.seek(fd, 0, 1), text.len() as u64);
}

#[test]
fn what_is_written_meanwhile_is_read() {
    let text = numbers();
    let mut guest = Guest::new(&[("/ws/a", &text)]);
    let (reader, writer) = (guest.open("ws/a", 0, READ), guest.open("ws/a", 0, WRITE));
    guest.read(reader, 1000);
    guest.read(reader, 1000);
    guest.pwrite(writer, "abc", 2000);
    assert_eq!(guest.read(reader, 3), "abc");
    guest.read(reader, 1000);
    guest.world.files.borrow_mut().insert("/ws/a".into(), Some(vec![b'x'; 10_000]));
    assert_ne!(guest.read(reader, 3), "xxx", "nothing has told the guest");
    guest.wasi.forget();
    assert_eq!(guest.read(reader, 3), "xxx", "another operation may have");
}

#[test]
fn what_is_read_ahead_is_forgotten_with_every_look_at_the_world() {
    let text = numbers();
    let mut guest = Guest::new(&[("/ws/a", &text), ("/ws/b", "")]);
    let fd = guest.open("ws/a", 0, READ);
    guest.read(fd, 1000);
    guest.read(fd, 1000);
    assert_eq!(guest.stat("ws/b"), Ok(4));
    guest.world.take_asked();
    guest.read(fd, 1000);
    assert_eq!(guest.world.take_asked(), ["seek", "read"]);
}

#[test]
fn positions_are_the_guests_however_far_the_broker_is() {
    let text = numbers();
    let mut guest = Guest::new(&[("/ws/a", &text)]);
    let fd = guest.open("ws/a", 0, READ | WRITE);
    guest.read(fd, 1000);
    guest.read(fd, 1000);
    assert_eq!(guest.seek(fd, 0, 1), 2000);
    assert_eq!(guest.seek(fd, -500, 1), 1500);
    assert_eq!(guest.read(fd, 1000), text[1500..2500]);
    assert_eq!(guest.pread(fd, 10, 70_000), text[70_000..70_010]);
    assert_eq!(guest.read(fd, 10), text[2500..2510]);
    guest.write(fd, "abc");
    assert_eq!(guest.read(fd, 10), text[2513..2523]);
    assert_eq!(
        guest.world.text("/ws/a")[2505..2515],
        [&text[2505..2510], "abc", &text[2513..2515]].concat()
    );
}

#[test]
fn a_number_that_is_used_again_has_nothing_of_the_file_before() {
    let text = numbers();
    let mut guest = Guest::new(&[("/ws/a", &text), ("/ws/b", &"x".repeat(5000))]);
    let fd = guest.open("ws/a", 0, READ);
    guest.read(fd, 1000);
    guest.read(fd, 1000);
    guest.succeeds(Import::FdClose, &[fd]);
    assert_eq!(guest.open("ws/b", 0, READ), fd);
    guest.seek(fd, 2000, 0);
    assert_eq!(guest.read(fd, 3), "xxx");
}
