//! Standard error that nobody reads: no run, no call and no end waits for it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::support::command::binary;
use crate::support::directory::TemporaryFile;
use crate::support::pipes::Server;
use crate::support::processes::descendants;

/// For what takes a moment on a machine that has time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pipe's least room (pipe(7)).
const PAGE: i32 = 4096;

/// A server whose standard error is a pipe that is not read, and that pipe.
fn unread() -> (Server, File) {
    let (errors, written) = pipe();
    let mut command = binary(&["stdio"]);
    let mut server = Server::of(command.env("MCP_CONDUCTOR_STANDBY", "1").stderr(written));
    server.initialize("2025-06-18");
    (server, errors)
}

fn end(server: &mut Server) -> ExitStatus {
    server.close_stdin();
    server.wait(PATIENCE)
}

/// A small one.
fn pipe() -> (File, File) {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PAGE)).expect("a size");
    (File::from(reader), File::from(writer))
}

fn ended(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Each writes its refusals to the log: 300 KiB and more.
const REFUSED: &str = "
    for (let i = 0; i < 900; i++) {
      try { Deno.readTextFileSync(`/nowhere/${'x'.repeat(100)}/${i}`); } catch { /* goes on */ }
    }
    42";

#[test]
fn runs_go_on_while_nobody_reads_the_log_and_what_is_lost_is_told() {
    let (mut server, mut errors) = unread();
    // The queue has room for a mebibyte.
    for _ in 0..6 {
        let result = server.run(REFUSED);
        assert_eq!(result["returnValue"], 42, "{result:#}");
    }
    // Now somebody reads.
    let (mut log, mut piece) = (String::new(), [0; 1 << 16]);
    while !log.contains("log lines were lost") {
        let read = errors.read(&mut piece).expect("the log");
        log.push_str(std::str::from_utf8(&piece[..read]).expect("ASCII"));
        assert!(read > 0, "{log}");
    }
    assert!(log.lines().any(|line| line.contains("\"kind\":\"refusal\"")), "{log}");
    assert_eq!(server.run("20 + 22")["returnValue"], 42);
    assert!(end(&mut server).success());
}

#[test]
fn a_server_ends_while_nobody_reads_the_log() {
    let (mut server, _errors) = unread();
    for _ in 0..2 {
        server.run(REFUSED);
    }
    assert!(end(&mut server).success());
}

#[test]
fn a_start_that_fails_ends_though_its_standard_error_is_full() {
    let (_reader, mut writer) = pipe();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("flags");
    while writer.write(&[b'x'; 512]).is_ok() {}
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).expect("flags");
    let mut command = binary(&["stdio"]);
    command.env("MCP_CONDUCTOR_MAX_QUEUE", "many").stdin(Stdio::null()).stderr(writer);
    let mut child = command.spawn().expect("the binary starts");
    assert_eq!(ended(&mut child).code(), Some(3));
}

#[test]
fn a_program_of_the_command_line_ends_in_time_though_nobody_reads_what_it_prints() {
    let program = TemporaryFile::new(
        "for (let i = 0; i < 2000; i++) console.log(i);
         await new Promise((r) => setTimeout(r, 600_000))",
    );
    let (mut errors, written) = pipe();
    let mut child = binary(&["run", program.path(), "--timeout", "500"])
        .stdin(Stdio::null())
        .stderr(written)
        .spawn()
        .expect("the binary starts");
    let mut ready = [PollFd::new(errors.as_fd(), PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::NONE).expect("the program prints");
    // The zygote is two processes, and the worker is the third.
    let end = Instant::now() + PATIENCE;
    while descendants(child.id()) > 2 {
        assert!(Instant::now() < end, "the program goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
    // The command waits for its reader, who gets all of it.
    let mut text = String::new();
    errors.read_to_string(&mut text).expect("text");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines[0], lines[1999]), ("0", "1999"));
    assert_eq!(lines[2000], "error: Execution timed out after 500ms");
    assert_eq!(ended(&mut child).code(), Some(1));
}
