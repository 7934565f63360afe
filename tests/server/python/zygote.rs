//! The process that has Python loaded: there when it is needed, and started again when it
//! dies. This has a server of its own, whose zygotes it kills.

use serde_json::json;

use super::{TOOL, run};
use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::processes::{Family, memory, send};
use crate::support::python::{install_directory, loaded};
use crate::support::waiting::eventually;
use nix::sys::signal::Signal;

/// The most that a zygote may hold; of the bars.
const ZYGOTE: u64 = 320 << 20;

/// The children of a server, its zygotes.
fn zygotes(server: &Server) -> Vec<u32> {
    Family::of(server.pid()).children_of(server.pid())
}

#[test]
fn a_zygote_is_loaded_when_it_is_needed_and_again_when_it_has_died() {
    let Some(directory) = install_directory() else { return };
    let directory = directory.to_string_lossy();
    let mut server = Server::at(Home::empty(), &[("MCP_CONDUCTOR_INSTALL_DIR", &*directory)]);
    assert_eq!(server.value("6 * 7"), 42);
    let before = zygotes(&server);
    let is_loaded = |server: &mut Server| {
        loaded(|| {
            let execution = run(server, "1 + 1");
            if execution["returnValue"] == 2 { Ok(()) } else { Err(execution.to_string()) }
        });
    };
    is_loaded(&mut server);
    let further = |server: &Server| {
        zygotes(server).into_iter().filter(|pid| !before.contains(pid)).collect::<Vec<_>>()
    };
    let [zygote] = further(&server)[..] else { panic!("{:?}", further(&server)) };
    let resident = memory(zygote, "RssAnon");
    assert!(resident <= ZYGOTE, "{} MiB", resident >> 20);

    send(zygote, Signal::SIGKILL).expect("it lives");
    assert!(eventually(|| !further(&server).contains(&zygote)));
    // The other engine is not touched by it.
    assert_eq!(server.value("6 * 7"), 42);
    is_loaded(&mut server);
    assert_eq!(run(&mut server, "sum(range(10))")["returnValue"], 45);

    let family = Family::of(server.pid());
    server.close();
    assert!(eventually(|| family.is_gone()));
}

#[test]
fn first_callers_wait_for_one_zygote_and_hear_of_it_while_no_timeout_runs() {
    let Some(directory) = install_directory() else { return };
    let directory = directory.to_string_lossy();
    let mut server = Server::at(Home::empty(), &[("MCP_CONDUCTOR_INSTALL_DIR", &*directory)]);
    assert_eq!(server.value("6 * 7"), 42);
    let before = zygotes(&server).len();
    let tokens = ["first", "second", "third"];
    let calls = tokens.map(|token| {
        // Less than a load takes.
        let arguments = json!({ "code": "6 * 7", "timeout": 4000 });
        let call =
            json!({ "name": TOOL, "arguments": arguments, "_meta": { "progressToken": token } });
        server.request("tools/call", call)
    });
    for token in tokens {
        let told = "Python is being loaded, which takes 5 to 10 s once. The timeout begins with the \
                    program";
        server.hears_of(&json!(token), told);
    }
    for call in calls {
        let execution = &server.answer(call)["result"]["structuredContent"];
        assert_eq!(execution["returnValue"], 42, "{execution}");
    }
    assert_eq!(zygotes(&server).len(), before + 1);
}

#[test]
fn a_server_that_loads_python_at_its_start_does_not_wait_for_it() {
    let Some(directory) = install_directory() else { return };
    let environment = [
        ("MCP_CONDUCTOR_INSTALL_DIR", &*directory.to_string_lossy()),
        ("MCP_CONDUCTOR_PYTHON", "start"),
    ];
    let mut server = Server::at(Home::empty(), &environment);
    assert_eq!(server.value("6 * 7"), 42);
    // Nobody has called: what comes to be there is begun by the start.
    assert!(eventually(|| zygotes(&server).len() == 2));
}

#[test]
fn a_server_that_has_python_off_has_no_process_of_it() {
    let Some(directory) = install_directory() else { return };
    let directory = directory.to_string_lossy();
    let count = |python: &str| {
        let environment =
            [("MCP_CONDUCTOR_INSTALL_DIR", &*directory), ("MCP_CONDUCTOR_PYTHON", python)];
        let mut server = Server::at(Home::empty(), &environment);
        assert_eq!(server.value("1 + 1"), 2);
        zygotes(&server).len()
    };
    // That of TypeScript.
    assert_eq!((count("off"), count("lazy")), (1, 1));
}
