//! What a started command cannot do: leave the run's own grants, flood the server,
//! or outlive the run. Skipped, like all commands, where there is no Landlock.

use std::path::Path;
use std::time::{Duration, Instant};

use mcp_conductor::{ErrorKind, ExecuteRequest};
use serde_json::json;

use crate::commands::{SHELL, host, nothing_is_left};
use crate::support::waiting::eventually;
use crate::{EVENT_LOOP, Host, WORKSPACE, landlock};

/// `true` for a script that fails, says that it may not, and prints nothing.
const FAILS: &str = r#"
    const fails = async (script: string) => {
      const [code, out, error] = await sh(script);
      const told = /denied|not permitted|cannot|failed/i.test(error as string);
      return code !== 0 && out === "" && told || [code, out, error];
    };"#;

#[test]
fn the_runs_grants_hold_for_what_it_starts() {
    let Some(host) = host("") else { return };
    host.gives(
        &format!(
            r#"{SHELL}{FAILS}
        return {{
          "sh cat hello.txt": await sh("cat hello.txt"),
          "sh echo new > made && cat made && mkdir d && rm -r d made": await sh("echo new > made && cat made && mkdir d && rm -r d made"),
          "fails cat ../outside/canary.txt": await fails("cat ../outside/canary.txt"),
          "fails cat linkdir_out/canary.txt": await fails("cat linkdir_out/canary.txt"),
          "fails cat link_out": await fails("cat link_out"),
          "fails ls /outside": await fails("ls @ROOT@/outside"),
          "fails cat /etc/shadow": await fails("cat /etc/shadow"),
          "fails cat /proc/1/environ": await fails("cat /proc/1/environ"),
          "fails cat /proc/$PPID/environ": await fails("cat /proc/$PPID/environ"),
          "fails echo x > ../outside/victim.txt": await fails("echo x > ../outside/victim.txt"),
          "fails echo x > /dev/shm/sbx": await fails("echo x > /dev/shm/sbx"),
          "fails echo x > /sbx": await fails("echo x > @ROOT@/sbx"),
          "fails ln hello.txt ../outside/h": await fails("ln hello.txt ../outside/h"),
          "fails mv tool.sh ../outside/h": await fails("mv tool.sh ../outside/h"),
          "fails rm ../outside/victim.txt": await fails("rm ../outside/victim.txt"),
          "fails ./tool.sh": await fails("./tool.sh"),
          "fails cp /bin/true mine && ./mine": await fails("cp /bin/true mine && ./mine"),
          "fails mkfifo pipe": await fails("mkfifo pipe"),
          "fails ls @ROOT@": await fails("ls @ROOT@"),
        }};"#
        ),
        r#"{
            "sh cat hello.txt": [0, "hello", ""],
            "sh echo new > made && cat made && mkdir d && rm -r d made": [0, "new\n", ""],
            "fails cat ../outside/canary.txt": true,
            "fails cat linkdir_out/canary.txt": true,
            "fails cat link_out": true,
            "fails ls /outside": true,
            "fails cat /etc/shadow": true,
            "fails cat /proc/1/environ": true,
            "fails cat /proc/$PPID/environ": true,
            "fails echo x > ../outside/victim.txt": true,
            "fails echo x > /dev/shm/sbx": true,
            "fails echo x > /sbx": true,
            "fails ln hello.txt ../outside/h": true,
            "fails mv tool.sh ../outside/h": true,
            "fails rm ../outside/victim.txt": true,
            "fails ./tool.sh": true,
            "fails cp /bin/true mine && ./mine": true,
            "fails mkfifo pipe": true,
            "fails ls @ROOT@": true
        }"#,
    );
}

#[test]
fn exceptions_hold_for_what_a_run_starts() {
    let denied = ",deny-read=@ROOT@/ws/secret,deny-write=@ROOT@/ws/x";
    let Some(host) = host(denied) else { return };
    host.gives(
        &format!(
            r#"{SHELL}{FAILS}
        return {{
          "sh cat hello.txt": await sh("cat hello.txt"),
          "sh echo new > swap/made && cat swap/made": await sh("echo new > swap/made && cat swap/made"),
          "fails cat secret/s.txt": await fails("cat secret/s.txt"),
          "fails cat x/../secret/s.txt": await fails("cat x/../secret/s.txt"),
          "fails ls secret": await fails("ls secret"),
          "fails echo x > x/f": await fails("echo x > x/f"),
          "fails cat ../outside/canary.txt": await fails("cat ../outside/canary.txt"),
        }};"#
        ),
        r#"{
            "sh cat hello.txt": [0, "hello", ""],
            "sh echo new > swap/made && cat swap/made": [0, "new\n", ""],
            "fails cat secret/s.txt": true,
            "fails cat x/../secret/s.txt": true,
            "fails ls secret": true,
            "fails echo x > x/f": true,
            "fails cat ../outside/canary.txt": true
        }"#,
    );
}

#[test]
fn a_command_has_the_standard_streams_and_nothing_more() {
    let Some(host) = host("") else { return };
    host.gives(
        r#"
        const open = async (options: any) => {
          const o = await new Deno.Command("ls", { args: ["/proc/self/fd"], ...options }).output();
          return text(o.stdout).trim().split("\n");
        };
        const input = await new Deno.Command("cat", { stdin: "inherit" }).output();
        // 3 is the directory that ls reads.
        return [await open({}), await open({ stdin: "inherit" }), text(input.stdout), input.code];"#,
        r#"[["0", "1", "2", "3"], ["0", "1", "2", "3"], "", 0]"#,
    );
}

/// A connection through bash, which has the device /dev/tcp of its own.
fn connects(grants: &str) -> Option<usize> {
    if !landlock() || !Path::new("/bin/bash").exists() {
        eprintln!("skipped: there is no /bin/bash");
        return None;
    }
    let grants = format!("{WORKSPACE},allow-run=/bin/bash{grants}");
    let (host, own) = Host::with_server(&grants);
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{} && echo connected", own.port);
    let program =
        "const o = await new Deno.Command('/bin/bash', { args: ['-c', SCRIPT] }).output();
        [o.success, new TextDecoder().decode(o.stdout)]";
    let value = host.value(&program.replace("SCRIPT", &json!(script).to_string()));
    let reached = own.connections();
    let told = json!([reached == 1, if reached == 1 { "connected\n" } else { "" }]);
    assert_eq!(value, told, "{reached} connections with {grants}");
    Some(reached)
}

#[test]
fn a_command_reaches_the_network_only_where_all_of_it_is_granted() {
    for (grants, expected) in
        [("", 0), (",allow-net=127.0.0.1", 0), (",allow-net=example.com", 0), (",allow-net", 1)]
    {
        if let Some(reached) = connects(grants) {
            assert_eq!(reached, expected, "{grants}");
        }
    }
}

#[test]
fn a_flood_of_output_is_bounded_and_its_command_ends() {
    let Some(host) = host("") else { return };
    let start = Instant::now();
    for program in [
        "await new Deno.Command('yes').output()",
        "new Deno.Command('yes').outputSync()",
        "await new Deno.Command('yes', { stdout: 'piped' }).spawn().output()",
    ] {
        let error = host.run(program).error.expect("it has no end");
        assert_eq!(error.kind, ErrorKind::Runtime, "{error:#?}");
        assert!(error.message.contains("MCP_CONDUCTOR_MAX_COMMAND_OUTPUT"), "{error:#?}");
        assert!(nothing_is_left(&host), "{:?}", host.files.strays());
    }
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    let some = "
        const child = new Deno.Command('yes', { stdout: 'piped' }).spawn();
        const reader = child.stdout.getReader();
        const first = (await reader.read()).value!.length > 0;
        await new Promise((done) => setTimeout(done, 300));
        await reader.cancel();
        // It may have noticed that nobody reads.
        try { child.kill('SIGKILL') } catch (e) { if (!(e instanceof TypeError)) throw e }
        [first, (await child.status).success]";
    assert_eq!(host.value(some), json!([true, false]));
}

#[test]
fn inherited_output_is_read_to_the_limit_of_a_command() {
    let Some(host) = host("") else { return };
    for stream in ["stdout", "stderr"] {
        let script = if stream == "stdout" { "yes" } else { "yes >&2" };
        let error = host.run(&format!(
            "const args = ['-c', '{script}'];
            await new Deno.Command('sh', {{ args, {stream}: 'inherit' }}).spawn().status"
        ));
        let error = error.error.expect("it has no end");
        assert_eq!(error.kind, ErrorKind::Runtime, "{error:#?}");
        assert!(error.message.contains("MCP_CONDUCTOR_MAX_COMMAND_OUTPUT"), "{error:#?}");
        assert!(nothing_is_left(&host), "{:?}", host.files.strays());
    }
}

#[test]
fn a_run_whose_commands_are_too_many_loses_them_and_others_do_not() {
    let Some(host) = host("") else { return };
    let Some(other) = crate::commands::host_of_the_same_turn(&host) else { return };
    let crowd = r"
        const args = ['-c', 'i=0; while [ $i -lt 700 ]; do sleep 1000 & i=$((i+1)); done; wait'];
        const child = new Deno.Command('sh', { args }).spawn();
        const status = child.status.then(() => 'ended', (error) => `${error}`);
        const quiet = 'i=0; while [ $i -lt 60 ]; do sleep 1000 >/dev/null 2>&1 & i=$((i+1)); done';
        const few = ['-c', `${quiet}; exit 3`];
        [await status, (await new Deno.Command('sh', { args: few }).output()).code]";
    let few = r"
        const args = ['-c', 'i=0; while [ $i -lt 60 ]; do sleep 0.1 & i=$((i+1)); done; wait'];
        (await new Deno.Command('sh', { args }).output()).code";
    let beside = std::thread::scope(|scope| {
        let beside = scope.spawn(|| other.value(few));
        let value = host.value(crowd);
        let told = value[0].as_str().unwrap_or_default();
        assert!(told.contains("256 processes and threads"), "{value}");
        assert_eq!(value[1], 3);
        beside.join().expect("it does not panic")
    });
    assert_eq!(beside, 0);
    assert!(nothing_is_left(&host), "{:?}", host.files.strays());
}

#[test]
fn what_a_command_makes_has_no_special_bit_and_what_it_may_only_read_stays_as_it_is() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    if !Path::new("/usr/bin/perl").exists() || !landlock() {
        eprintln!("skipped: there is no perl, or no Landlock");
        return;
    }
    let host = Host::with_grants(&format!("{WORKSPACE},allow-run=/usr/bin/perl"));
    let granted = host.files.path("outside-suid");
    std::fs::write(&granted, "").unwrap();
    std::fs::set_permissions(&granted, std::fs::Permissions::from_mode(0o4755)).unwrap();
    // open, creat and mkdir are 2, 85 and 83; what is printed is their errno.
    let made = host.value(
        r#"
        const script = `
            umask 0;
            my ($file, $other, $directory, $copy, $plain) = ("su", "cr", "d", "copy", "plain");
            print syscall(2, $file, 0101, 06755) < 0 ? $! + 0 : "made", " ";
            print syscall(85, $other, 06755) < 0 ? $! + 0 : "made", " ";
            print syscall(83, $directory, 07777) < 0 ? $! + 0 : "made", " ";
            print syscall(83, $directory, 01777) < 0 ? $! + 0 : "made", " ";
            print syscall(83, $copy, 02755) < 0 ? $! + 0 : "made", " ";
            print syscall(85, $plain, 0755) < 0 ? $! + 0 : "made", " ";
            print chown(-1, -1, "@ROOT@/outside-suid"), " ", chmod(0777, "@ROOT@/outside-suid");`;
        const o = await new Deno.Command("/usr/bin/perl", { args: ["-e", script] }).output();
        new TextDecoder().decode(o.stdout)"#,
    );
    assert_eq!(made, json!("1 1 1 1 made made 1 1"));
    assert_eq!(std::fs::metadata(&granted).unwrap().mode() & 0o7777, 0o4755);
    assert_eq!(std::fs::metadata(host.files.path("ws/plain")).unwrap().mode() & 0o7777, 0o755);
    // The kernel makes no directory with it, but in one that has it.
    let inherited = std::fs::metadata(host.files.path("ws")).unwrap().mode() & 0o2000;
    let copy = std::fs::metadata(host.files.path("ws/copy")).unwrap().mode() & 0o7777;
    assert_eq!(copy & !inherited, 0o755);
}

#[test]
fn nothing_that_a_program_started_outlives_its_run() {
    let Some(host) = host("") else { return };
    let daemon = |script: &str| {
        format!("await new Deno.Command('sh', {{ args: ['-c', {script:?}] }}).output()")
    };
    for program in [
        // Its output is not the command's, or the command would never end.
        daemon("sleep 1000 >/dev/null 2>&1 &"),
        daemon("setsid sleep 1000 >/dev/null 2>&1 &"),
        daemon("nohup sh -c 'sleep 1000; true' >/dev/null 2>&1 &"),
        daemon("(trap '' TERM HUP INT; sleep 1000 & sleep 1000) >/dev/null 2>&1 &"),
        "new Deno.Command('sleep', { args: ['1000'] }).spawn().unref()".to_owned(),
        "new Deno.Command('sleep', { args: ['1000'] }).spawn(); Deno.exit(0)".to_owned(),
        "new Deno.Command('sleep', { args: ['1000'] }).spawn(); throw new Error('x')".to_owned(),
    ] {
        host.run(&program);
        assert!(nothing_is_left(&host), "{program}: {:?}", host.files.strays());
    }
}

#[test]
fn a_command_ends_with_a_run_that_times_out_or_is_dropped() {
    let Some(host) = host("") else { return };
    let source = "
        await new Deno.Command('sh', { args: ['-c', 'sleep 1000 & sleep 1000'] }).output()";
    let limited = ExecuteRequest::new(source).with_timeout(Duration::from_millis(700));
    let error = host.execute(limited).error.expect("it sleeps");
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(nothing_is_left(&host), "{:?}", host.files.strays());

    let runtime = host.runtime().clone();
    let run = EVENT_LOOP.spawn(async move { runtime.execute(ExecuteRequest::new(source)).await });
    let started = || !host.files.strays().is_empty();
    assert!(eventually(started), "it never started");
    run.abort();
    assert!(nothing_is_left(&host), "{:?}", host.files.strays());
}

#[test]
fn a_command_that_programs_may_replace_is_not_run() {
    if !landlock() {
        return;
    }
    let grants = format!("{WORKSPACE},allow-run=@ROOT@/ws/tool.sh");
    let host = Host::with_grants(&grants);
    let (kind, message) = host.error("await new Deno.Command('@ROOT@/ws/tool.sh').output()");
    assert_eq!(kind, ErrorKind::Permission, "{message}");
    let (kind, message) = host.error("Deno.writeTextFileSync('tool.sh', 'x')");
    assert_eq!(kind, ErrorKind::Permission, "{message}");
    assert!(message.starts_with("NotCapable: Requires write access to \"tool.sh\""), "{message}");
    assert_eq!(host.files.read("ws/tool.sh"), "#!/bin/sh\necho tool\n");
}
