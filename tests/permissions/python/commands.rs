//! Commands: subprocess over what is granted. Without Landlock none can be granted.

use serde_json::json;

use super::python;
use crate::landlock;
use crate::support::waiting::eventually;

/// Whether a command can be granted; if not, says so.
fn can_grant() -> bool {
    let can = landlock();
    if !can {
        eprintln!("skipped: a command that is granted needs Landlock");
    }
    can
}

#[test]
fn a_granted_command_runs_and_another_is_denied() {
    let Some(python) = python() else { return };
    if can_grant() {
        assert_eq!(
            python.value("r = subprocess.run(['echo', 'a b', 'é'], capture_output=True, text=True)\n[r.returncode, r.stdout, r.stderr]"),
            json!([0, "a b é\n", ""])
        );
    }
    python.denies("subprocess.run(['ls'])", &["PermissionError", "\"ls\"", "--allow-run"]);
}

#[test]
fn every_way_to_a_command_that_is_not_granted_is_denied() {
    let Some(python) = python() else { return };
    for source in [
        "subprocess.check_output(['ls'])",
        "subprocess.check_call(['ls'])",
        "subprocess.call(['ls'])",
        "subprocess.Popen(['ls'])",
        "subprocess.getoutput('ls')",
        "subprocess.run('ls', shell=True)",
        "subprocess.run('ls -l | cat', shell=True)",
        "os.popen('ls').read()",
        "await asyncio.create_subprocess_exec('ls')",
        "await asyncio.create_subprocess_shell('ls')",
    ] {
        python.denies(source, &["--allow-run"]);
    }
}

#[test]
fn a_shell_by_os_system_has_a_code_that_is_not_zero() {
    let Some(python) = python() else { return };
    let execution = python.run("os.system('echo hacked > x/pwned.txt')");
    let is_refused = execution.error.is_some() || execution.return_value != 0;
    assert!(is_refused && !python.0.files.path("ws/x/pwned.txt").exists(), "{execution:?}");
}

#[test]
fn codes_input_and_streams_are_those_of_subprocess() {
    let Some(python) = python() else { return };
    if !can_grant() {
        return;
    }
    assert_eq!(
        python.value(
            "r = [subprocess.run(['false']).returncode, subprocess.call(['true'])]\nr.append(subprocess.run(['cat'], input='in', capture_output=True, text=True).stdout)\ntry:\n    subprocess.run(['false'], check=True)\nexcept subprocess.CalledProcessError as e:\n    r.append(e.returncode)\np = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\nr.append(p.communicate(b'piped')[0].decode())\nr.append(subprocess.check_output(['pwd'], cwd='x', text=True).strip() == os.path.realpath('x'))\nr.append(subprocess.getoutput)\nr[:-1]"
        ),
        json!([1, 0, "in", 1, "piped", true])
    );
}

#[test]
fn a_command_sees_the_variables_that_are_granted_and_of_these_those_that_it_is_given() {
    let Some(python) = python() else { return };
    if !can_grant() {
        return;
    }
    let source = "a = subprocess.run(['env'], capture_output=True, text=True).stdout\nb = subprocess.run(['env'], env={'FOO': 'v'}, capture_output=True, text=True).stdout\n['FOO=foo-value' in a, 'CANARY' in a, 'FOO=v' in b, 'CANARY' in b]";
    assert_eq!(python.value(source), json!([true, false, true, false]));
}

#[test]
fn a_command_reads_what_the_program_may_read_and_nothing_else() {
    let Some(python) = python() else { return };
    if !can_grant() {
        return;
    }
    let source = "def cat(p):\n    r = subprocess.run(['cat', p], capture_output=True, text=True)\n    return [r.returncode, r.stdout]\n[cat('hello.txt'), cat('@ROOT@/outside/canary.txt'), cat('secret/s.txt')]";
    assert_eq!(python.value(source), json!([[0, "hello"], [1, ""], [1, ""]]));
}

#[test]
fn a_command_is_gone_when_its_run_is() {
    let Some(python) = python() else { return };
    if !can_grant() {
        return;
    }
    python.value("p = subprocess.Popen(['sleep', '38'])\np.poll()");
    assert!(eventually(|| python.0.files.strays().is_empty()), "{:?}", python.0.files.strays());
}

#[test]
fn a_timeout_ends_a_command_and_is_the_programs_error() {
    let Some(python) = python() else { return };
    if !can_grant() {
        return;
    }
    let source = "try:\n    subprocess.run(['sleep', '38'], timeout=0.3)\nexcept subprocess.TimeoutExpired:\n    r = 'ended'\nr";
    assert_eq!(python.value(source), "ended");
}

#[test]
fn a_command_that_does_not_exist_is_not_found() {
    let Some(python) = python() else { return };
    let (_, message) = python.error("subprocess.run(['no-such-command-here'])");
    assert!(message.contains("no-such-command-here"), "{message}");
}

#[test]
fn pip_says_who_installs_packages() {
    let Some(python) = python() else { return };
    let source = "import sys\nr = told(lambda: subprocess.run([sys.executable or 'python', '-m', 'pip', 'install', 'tabulate'], check=True))\nstr(r)";
    let told = python.value(source).to_string();
    assert!(told.contains("MCP_CONDUCTOR_ALLOWED_PACKAGES"), "{told}");
}
