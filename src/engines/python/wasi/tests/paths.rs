use super::*;
use crate::engines::python::wasi::tests::world::failure;
use crate::protocol::Failure;

/// Names and cookies of a directory, with a buffer of `room` bytes from a cookie on.
fn list(guest: &mut Guest, fd: u64, room: u32, cookie: u64) -> (Vec<(String, u64)>, u32) {
    let given = [fd, BUFFER.into(), room.into(), cookie, RESULT.into()];
    guest.succeeds(Import::FdReaddir, &given);
    let used = guest.u32(RESULT);
    let (mut at, mut found) = (BUFFER, Vec::new());
    while at + 24 <= BUFFER + used {
        let length = guest.u32(at + 16);
        if at + 24 + length > BUFFER + used {
            break;
        }
        assert_ne!(guest.u64(at + 8), 0, "wasi-libc would ask for each");
        let name = String::from_utf8(guest.bytes(at + 24, length).to_vec()).expect("UTF-8");
        found.push((name, guest.u64(at)));
        at += 24 + length;
    }
    (found, used)
}

fn names(guest: &mut Guest, fd: u64) -> Vec<String> {
    list(guest, fd, 4096, 0).0.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_directory_is_listed() {
    let mut guest = Guest::new(&[("/ws/a", ""), ("/ws/b", "")]);
    let fd = guest.open("ws", DIRECTORY, READ);
    assert_eq!(names(&mut guest, fd), [".", "..", "a", "b"]);
}

#[test]
fn a_cookie_goes_on_where_it_was_whatever_becomes_of_the_directory() {
    let mut guest = Guest::new(&[("/ws/a", ""), ("/ws/b", ""), ("/ws/c", "")]);
    let fd = guest.open("ws", DIRECTORY, READ);
    let (found, used) = list(&mut guest, fd, 80, 0);
    assert_eq!((found.len(), used), (3, 80), "the fourth is cut");
    guest.world.files.borrow_mut().remove("/ws/a");
    let (found, _) = list(&mut guest, fd, 4096, found[2].1);
    assert_eq!(found, [("b".to_owned(), 4), ("c".to_owned(), 5)]);
    assert_eq!(list(&mut guest, fd, 4096, 5).1, 0);
    assert_eq!(list(&mut guest, fd, 4096, u64::MAX).1, 0);
    assert_eq!(names(&mut guest, fd), [".", "..", "b", "c"]);
}

#[test]
fn the_image_has_its_directories() {
    let mut guest = Guest::new(&[]);
    let fd = guest.open("usr/local/lib", DIRECTORY, READ);
    assert_eq!(names(&mut guest, fd), [".", "..", "python315.zip"]);
    let data = guest.open("usr/local/lib/python315.zip/matplotlib/mpl-data", 0, READ);
    assert_eq!(names(&mut guest, data), [".", "..", "m.txt"]);
    assert_eq!(guest.world.take_asked(), [""; 0]);
}

#[test]
fn the_library_is_a_file_although_something_is_below_it() {
    let mut guest = Guest::new(&[]);
    assert_eq!(guest.stat("usr/local/lib/python315.zip"), Ok(4));
    assert_eq!(guest.stat("usr/local/lib/python315.zip/matplotlib"), Err(Errno::Noent as u32));
    assert_eq!(guest.stat("usr/local/lib/python315.zip/matplotlib/mpl-data"), Ok(3));
    assert_eq!(guest.stat("usr/local/lib/python315.zip/"), Err(Errno::Notdir as u32));
}

#[test]
fn what_is_below_the_library_directory_is_the_images_alone() {
    let mut guest = Guest::new(&[("/usr/local/lib/secret", "abc")]);
    assert_eq!(guest.stat("usr/local/lib/secret"), Err(Errno::Noent as u32));
    let name = "usr/local/lib/python315.zip";
    assert_eq!(guest.path_open(name, 0, WRITE, 0), Err(Errno::Rofs as u32));
    assert_eq!(guest.path_open(name, CREATE | EXCLUSIVE, WRITE, 0), Err(Errno::Exist as u32));
    assert_eq!(guest.path_open("usr/local/lib/x", CREATE, WRITE, 0), Err(Errno::Rofs as u32));
    assert_eq!(guest.at(Import::PathUnlinkFile, name), Errno::Rofs as u32);
    assert_eq!(guest.at(Import::PathCreateDirectory, "usr/local/lib/x"), Errno::Rofs as u32);
    assert_eq!(guest.world.take_asked(), [""; 0]);
}

#[test]
fn directories_above_the_workspace_are_there_without_a_question() {
    let mut guest = Guest::new(&[]);
    for name in [".", "srv", "usr", "usr/local"] {
        assert_eq!(guest.stat(name), Ok(3), "{name}");
    }
    assert_eq!(guest.at(Import::PathCreateDirectory, "srv"), Errno::Exist as u32);
    assert_eq!(guest.world.take_asked(), [""; 0]);
    assert_eq!(guest.stat("srvx"), Err(Errno::Noent as u32));
    assert_eq!(guest.world.take_asked(), ["stat"]);
}

#[test]
fn the_workspace_is_entered_without_a_question_and_looked_at_with_one() {
    let mut guest = Guest::new(&[]);
    assert_eq!(guest.stat("srv/ws"), Ok(3));
    assert_eq!(guest.world.take_asked(), [""; 0]);
    assert_eq!(guest.stat("srv/ws"), Err(Errno::Noent as u32));
    assert_eq!(guest.world.take_asked(), ["stat"]);
}

#[test]
fn a_workspace_below_the_images_directory_is_the_worlds() {
    let mut guest = Guest::new(&[("/usr/local/lib/app/ws/a", "abc"), ("/usr/local/lib/b", "")]);
    guest.wasi.set_workspace("/usr/local/lib/app/ws");
    assert_eq!(guest.stat("usr/local/lib/app/ws/a"), Ok(4));
    assert_eq!(guest.stat("usr/local/lib/app"), Ok(3));
    assert_eq!(guest.stat("usr/local/lib"), Ok(3));
    assert_eq!(guest.stat("usr/local/lib/b"), Err(Errno::Noent as u32));
    assert_eq!(guest.stat("usr/local/lib/python315.zip"), Ok(4));
    guest.wasi.set_workspace("/usr");
    assert_eq!(guest.stat("usr/local/lib/python315.zip"), Ok(4));
}

#[test]
fn dots_are_for_the_broker_to_resolve() {
    let mut guest = Guest::new(&[("/ws/../etc/passwd", "abc"), ("/ws/a", "")]);
    let fd = guest.open("ws/../etc/passwd", 0, READ);
    assert_eq!(guest.read(fd, 3), "abc");
    assert_eq!(guest.stat("./ws//./a"), Ok(4));
    assert_eq!(guest.stat("usr/local/lib/../../../ws/x"), Err(Errno::Noent as u32));
}

#[test]
fn a_slash_at_the_end_is_that_of_a_directory() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    assert_eq!(guest.stat("ws/"), Ok(3));
    assert_eq!(guest.stat("ws/a/"), Err(Errno::Notdir as u32));
    assert_eq!(guest.path_open("ws/a/", 0, READ, 0), Err(Errno::Notdir as u32));
    assert_eq!(guest.path_open("ws/", CREATE, WRITE, 0), Err(Errno::Isdir as u32));
}

#[test]
fn a_directory_is_opened_as_one_without_being_asked_for() {
    let mut guest = Guest::new(&[("/ws/a", "")]);
    let fd = guest.open("ws", 0, READ);
    assert_eq!(names(&mut guest, fd), [".", "..", "a"]);
    assert!(guest.world.open.borrow().is_empty());
    let (at, count) = guest.iovecs(&[(BUFFER, 3)]);
    guest.fails(Import::FdRead, &[fd, at, count, RESULT.into()], Errno::Isdir);
}

#[test]
fn a_path_is_relative_to_its_directory() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let fd = guest.open("ws", DIRECTORY, READ);
    let (at, length) = guest.name(NAME, "a");
    guest.succeeds(Import::PathFilestatGet, &[fd, 1, at, length, BUFFER.into()]);
    assert_eq!(guest.u64(BUFFER + 32), 3);
    let file = guest.open("ws/a", 0, READ);
    guest.fails(Import::PathFilestatGet, &[file, 1, at, length, BUFFER.into()], Errno::Notdir);
}

#[test]
fn files_and_directories_are_removed_by_their_own_calls() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    assert_eq!(guest.at(Import::PathCreateDirectory, "ws/sub"), 0);
    assert_eq!(guest.at(Import::PathUnlinkFile, "ws/sub"), Errno::Isdir as u32);
    assert_eq!(guest.at(Import::PathRemoveDirectory, "ws/a"), Errno::Notdir as u32);
    assert_eq!(guest.at(Import::PathRemoveDirectory, "ws/sub"), 0);
    assert_eq!(guest.at(Import::PathUnlinkFile, "ws/a"), 0);
    assert_eq!(guest.at(Import::PathUnlinkFile, "ws/a"), Errno::Noent as u32);
}

#[test]
fn who_may_write_and_not_read_can_remove() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let refused = Failure { refused: true, ..failure("NotCapable", None) };
    guest.world.fails.replace(Some(("stat", refused)));
    assert_eq!(guest.at(Import::PathUnlinkFile, "ws/a"), 0);
    assert!(!guest.world.files.borrow().contains_key("/ws/a"));
}

#[test]
fn a_file_is_renamed() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let (from, from_length) = guest.name(NAME, "ws/a");
    let (to, to_length) = guest.name(OTHER_NAME, "ws/b");
    let given = [SLASH, from, from_length, SLASH, to, to_length];
    guest.succeeds(Import::PathRename, &given);
    assert_eq!(guest.world.text("/ws/b"), "abc");
}

#[test]
fn a_link_is_made_read_and_not_followed_if_the_guest_says_so() {
    let mut guest = Guest::new(&[]);
    let (target, target_length) = guest.name(OTHER_NAME, "a");
    let (at, length) = guest.name(NAME, "ws/l");
    guest.succeeds(Import::PathSymlink, &[target, target_length, SLASH, at, length]);
    let given = [SLASH, at, length, BUFFER.into(), 100, RESULT.into()];
    guest.succeeds(Import::PathReadlink, &given);
    assert_eq!((guest.u32(RESULT), guest.bytes(BUFFER, 1)), (1, &b"a"[..]));
    let given = [SLASH, 0, at, length, 0, READ, 0, 0, RESULT.into()];
    guest.fails(Import::PathOpen, &given, Errno::Loop);
    guest.succeeds(Import::PathFilestatGet, &[SLASH, 0, at, length, BUFFER.into()]);
    assert_eq!(guest.memory[BUFFER as usize + 16], 7);
}

#[test]
fn a_new_file_is_not_there_yet() {
    let mut guest = Guest::new(&[("/ws/a", "abc")]);
    let exclusive = CREATE | EXCLUSIVE;
    assert_eq!(guest.path_open("ws/a", exclusive, WRITE, 0), Err(Errno::Exist as u32));
    guest.open("ws/b", exclusive, WRITE);
    assert_eq!(guest.path_open("ws/c", 0, READ, 0), Err(Errno::Noent as u32));
}

#[test]
fn what_the_broker_says_has_a_number() {
    let refused = Failure { refused: true, ..failure("NotCapable", None) };
    let cases = [
        (refused, Errno::Acces),
        (failure("PermissionDenied", Some("EACCES")), Errno::Acces),
        (failure("Error", Some("ENOTEMPTY")), Errno::Notempty),
        (failure("NotADirectory", Some("ENOTDIR")), Errno::Notdir),
        (failure("NotADirectory", None), Errno::Notdir),
        (failure("FilesystemLoop", Some("ELOOP")), Errno::Loop),
        (failure("Error", Some("ESOMETHING")), Errno::Dquot),
        (failure("Error", None), Errno::Dquot),
    ];
    for (failure, errno) in cases {
        let mut guest = Guest::new(&[("/ws/a", "abc")]);
        guest.world.fails.replace(Some(("stat", failure.clone())));
        assert_eq!(guest.stat("ws/a"), Err(errno as u32), "{failure:?}");
    }
}

#[test]
fn a_database_is_locked_by_its_file_and_not_by_a_directory() {
    let mut guest = Guest::new(&[("/ws/t.db", "")]);
    guest.open("ws/t.db", CREATE, READ | WRITE);
    assert_eq!(guest.at(Import::PathCreateDirectory, "ws/t.db.lock"), 0);
    assert_eq!(guest.at(Import::PathCreateDirectory, "ws/t.db.lock"), Errno::Exist as u32);
    assert!(!guest.world.files.borrow().contains_key("/ws/t.db.lock"));
    assert_eq!(guest.stat("ws/t.db.lock"), Err(Errno::Noent as u32), "a hot journal is looked at");
    assert_eq!(guest.at(Import::PathRemoveDirectory, "ws/t.db.lock"), 0);
    assert!(guest.world.locked.borrow().is_empty());
    assert_eq!(guest.at(Import::PathRemoveDirectory, "ws/t.db.lock"), Errno::Noent as u32);
}

#[test]
fn a_database_that_another_run_has_locked_is_locked_here() {
    let mut guest = Guest::new(&[("/ws/t.db", "")]);
    guest.open("ws/t.db", CREATE, READ | WRITE);
    guest.world.locked.borrow_mut().insert("/ws/t.db".to_owned(), 1000);
    assert_eq!(guest.at(Import::PathCreateDirectory, "ws/t.db.lock"), Errno::Exist as u32);
    assert_eq!(guest.world.open.borrow().len(), 1, "the handle is closed");
    guest.world.locked.borrow_mut().clear();
    assert_eq!(guest.at(Import::PathCreateDirectory, "ws/t.db.lock"), 0);
}

#[test]
fn who_only_reads_a_database_shares_its_lock_and_makes_no_directory() {
    let mut guest = Guest::new(&[("/ws/t.db", "SQLite format 3\0")]);
    guest.open("ws/t.db", 0, READ);
    assert_eq!(guest.at(Import::PathCreateDirectory, "ws/t.db.lock"), 0);
    assert!(!guest.world.files.borrow().contains_key("/ws/t.db.lock"));
    assert_eq!(guest.stat("ws/t.db.lock"), Err(Errno::Noent as u32));
    assert_eq!(guest.at(Import::PathRemoveDirectory, "ws/t.db.lock"), 0);
    guest.open("ws/t.db", 0, READ | WRITE);
    assert_eq!(guest.at(Import::PathCreateDirectory, "ws/t.db.lock"), 0);
    assert_eq!(*guest.world.shared.borrow(), [true, false]);
}

#[test]
fn directories_that_end_so_are_directories() {
    let mut guest = Guest::new(&[("/ws/a", "text"), ("/ws/gone", "")]);
    guest.open("ws/a", 0, READ | WRITE);
    guest.open("ws/gone", 0, READ | WRITE);
    assert_eq!(guest.at(Import::PathUnlinkFile, "ws/gone"), 0);
    for name in ["ws/a.lock", "ws/b.lock", "ws/gone.lock"] {
        assert_eq!(guest.at(Import::PathCreateDirectory, name), 0);
        assert_eq!(guest.stat(name), Ok(3));
        assert_eq!(guest.at(Import::PathRemoveDirectory, name), 0);
    }
}
