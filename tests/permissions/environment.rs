//! `Deno.env`: exactly the variables that the administrator names, as the server
//! found them, and changes that stay in the run.

use mcp_conductor::ErrorKind;
use serde_json::json;

use crate::{Host, commands};

fn host(grants: &str) -> Host {
    let variables = [
        ("FOO", "foo-value"),
        ("AWS_A", "1"),
        ("AWS_B", "2"),
        ("AWSOME", "no"),
        ("SECRET", "ENV-CANARY"),
        ("EMPTY", ""),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Host::with(grants, |config| config.with_environment(variables.to_vec()))
}

#[test]
fn variables_that_are_named_are_read_set_and_deleted() {
    host("allow-env=FOO,AWS_*").gives(
        r#"
        return [
          await t(() => Deno.env.get("FOO")), await t(() => Deno.env.get("AWS_A")),
          await t(() => Deno.env.get("AWS_NONE")), await t(() => Deno.env.has("FOO")),
          await t(() => Deno.env.has("AWS_NONE")), await t(() => Deno.env.set("FOO", "x")),
          await t(() => Deno.env.get("FOO")), await t(() => Deno.env.delete("FOO")),
          await t(() => Deno.env.get("FOO")), await t(() => Deno.env.has("FOO")),
          await t(() => Deno.env.set("AWS_NEW", "n")), await t(() => Deno.env.get("AWS_NEW")),
        ];"#,
        r#"["foo-value", "1", "done", true, false, "done", "x", "done", "done", false, "done", "n"]"#,
    );
}

#[test]
fn other_variables_are_refused_by_name() {
    host("allow-env=FOO,AWS_*").gives(
        r#"
        return [
          await t(() => Deno.env.get("SECRET")), await t(() => Deno.env.has("SECRET")),
          await t(() => Deno.env.set("SECRET", "x")), await t(() => Deno.env.delete("SECRET")),
          await t(() => Deno.env.get("foo")), await t(() => Deno.env.get("AWSOME")),
          await t(() => Deno.env.get("HOME")), await t(() => Deno.env.get("NOT_THERE")),
          await t(() => Deno.env.get(5 as any)),
        ];"#,
        r#"[
            "NotCapable: Requires env access to \"SECRET\", run again with the --allow-env flag",
            "NotCapable: Requires env access to \"SECRET\", run again with the --allow-env flag",
            "NotCapable: Requires env access to \"SECRET\", run again with the --allow-env flag",
            "NotCapable: Requires env access to \"SECRET\", run again with the --allow-env flag",
            "NotCapable: Requires env access to \"foo\", run again with the --allow-env flag",
            "NotCapable: Requires env access to \"AWSOME\", run again with the --allow-env flag",
            "NotCapable: Requires env access to \"HOME\", run again with the --allow-env flag",
            "NotCapable: Requires env access to \"NOT_THERE\", run again with the --allow-env flag",
            "NotCapable: Requires env access to \"5\", run again with the --allow-env flag"
        ]"#,
    );
}

#[test]
fn all_of_them_are_those_that_are_allowed() {
    // Deno refuses this for a list; here it answers with what the list allows.
    assert_eq!(
        host("allow-env=FOO,AWS_*").value("Deno.env.toObject()"),
        json!({ "AWS_A": "1", "AWS_B": "2", "FOO": "foo-value" })
    );
    assert_eq!(
        host("allow-env,deny-env=SECRET,AWS_*").value("Deno.env.toObject()"),
        json!({ "AWSOME": "no", "EMPTY": "", "FOO": "foo-value" })
    );
}

#[test]
fn a_denied_variable_stays_denied_whatever_is_allowed() {
    for grants in ["allow-env,deny-env=SECRET", "allow-env=SECRET,FOO;deny-env=SEC*"] {
        let host = host(grants);
        let (kind, message) = host.error("Deno.env.get('SECRET')");
        let expected = "NotCapable: Requires env access to \"SECRET\", run again with the \
            --allow-env flag";
        assert_eq!((kind, message.as_str()), (ErrorKind::Permission, expected), "{grants}");
        assert_eq!(host.value("Deno.env.get('FOO')"), "foo-value", "{grants}");
        let all = "JSON.stringify(Deno.env.toObject()).includes('CANARY')";
        assert_eq!(host.value(all), false, "{grants}");
    }
}

#[test]
fn without_a_grant_nothing_is_learned() {
    let host = host("none");
    for program in [
        "Deno.env.get('FOO')",
        "Deno.env.has('FOO')",
        "Deno.env.set('FOO', 'x')",
        "Deno.env.delete('FOO')",
    ] {
        let (kind, message) = host.error(program);
        assert_eq!(kind, ErrorKind::Permission, "{program}");
        let expected = "NotCapable: Requires env access to \"FOO\", run again with the --allow-env \
            flag";
        assert_eq!(message, expected, "{program}");
    }
    let (kind, message) = host.error("Deno.env.toObject()");
    assert_eq!(kind, ErrorKind::Permission);
    assert_eq!(message, "NotCapable: Requires env access, run again with the --allow-env flag");
}

#[test]
fn what_one_run_sets_the_next_does_not_see() {
    let host = host("allow-env=FOO");
    assert_eq!(host.value("Deno.env.set('FOO', 'POLLUTED'); Deno.env.get('FOO')"), "POLLUTED");
    assert_eq!(host.value("Deno.env.get('FOO')"), "foo-value");
    assert_eq!(host.value("Deno.env.delete('FOO'); Deno.env.get('FOO') ?? null"), json!(null));
    assert_eq!(host.value("Deno.env.get('FOO')"), "foo-value");
}

#[test]
fn what_can_be_no_variable_is_an_error_in_denos_words() {
    host("allow-env").gives(
        r#"
        return [
          await t(() => Deno.env.get("a=b")), await t(() => Deno.env.set("a=b", "c")),
          await t(() => Deno.env.set("", "c")), await t(() => Deno.env.set("a", "c\0")),
          await t(() => Deno.env.get("a\0")), await t(() => Deno.env.get("EMPTY")),
          await t(() => Deno.env.set("a", "x".repeat(2_000_000))).then((s) => s !== "done"),
        ];"#,
        r#"[
            "TypeError: Key contains invalid characters: \"a=b\"",
            "TypeError: Key contains invalid characters: \"a=b\"",
            "TypeError: Key is an empty string.",
            "TypeError: Value contains invalid characters: \"c\\0\"",
            "TypeError: Key contains invalid characters: \"a\\0\"",
            "",
            true
        ]"#,
    );
}

/// ld.so(8): the library is loaded into whatever is started.
#[test]
fn a_variable_of_the_dynamic_linker_reaches_a_command_by_its_very_name_only() {
    const PROGRAM: &str = r#"
        for (const name of ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"]) {
          await t(() => Deno.env.set(name, "@ROOT@/ws/none.so"));
        }
        await t(() => Deno.env.set("FOO", "set"));
        const shown = (o: any) => text(o.stdout).split("\n").filter((l) => /^(LD_|FOO)/.test(l)).sort();
        const env = new Deno.Command("env"), child = new Deno.Command("env", { stdout: "piped" }).spawn();
        const given = new Deno.Command("env", { env: { LD_PRELOAD: "@ROOT@/ws/none.so" } });
        return [
          shown(await env.output()), shown(env.outputSync()), shown(await child.output()),
          await t(async () => shown(await given.output())).then((s: any) => typeof s === "string" ? s.split(":")[0] : s),
        ];"#;
    if let Some(host) = commands::host(",allow-env") {
        host.gives(PROGRAM, r#"[["FOO=set"], ["FOO=set"], ["FOO=set"], "NotCapable"]"#);
    }
    if let Some(host) = commands::host(",allow-env=LD_PRELOAD,FOO") {
        let expected = r#"["FOO=set", "LD_PRELOAD=@ROOT@/ws/none.so"]"#;
        host.gives(PROGRAM, &format!("[{expected}, {expected}, {expected}, {expected}]"));
    }
}
