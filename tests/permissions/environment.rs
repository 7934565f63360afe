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
        return {
          "env.get FOO": await t(() => Deno.env.get("FOO")),
          "env.get AWS_A": await t(() => Deno.env.get("AWS_A")),
          "env.get AWS_NONE": await t(() => Deno.env.get("AWS_NONE")),
          "env.has FOO": await t(() => Deno.env.has("FOO")),
          "env.has AWS_NONE": await t(() => Deno.env.has("AWS_NONE")),
          "env.set FOO, x": await t(() => Deno.env.set("FOO", "x")),
          "env.get FOO, 2": await t(() => Deno.env.get("FOO")),
          "env.delete FOO": await t(() => Deno.env.delete("FOO")),
          "env.get FOO, 3": await t(() => Deno.env.get("FOO")),
          "env.has FOO, 2": await t(() => Deno.env.has("FOO")),
          "env.set AWS_NEW, n": await t(() => Deno.env.set("AWS_NEW", "n")),
          "env.get AWS_NEW": await t(() => Deno.env.get("AWS_NEW")),
        };"#,
        r#"{
            "env.get FOO": "foo-value",
            "env.get AWS_A": "1",
            "env.get AWS_NONE": "done",
            "env.has FOO": true,
            "env.has AWS_NONE": false,
            "env.set FOO, x": "done",
            "env.get FOO, 2": "x",
            "env.delete FOO": "done",
            "env.get FOO, 3": "done",
            "env.has FOO, 2": false,
            "env.set AWS_NEW, n": "done",
            "env.get AWS_NEW": "n"
        }"#,
    );
}

#[test]
fn other_variables_are_refused_by_name() {
    host("allow-env=FOO,AWS_*").gives(
        r#"
        return {
          "env.get SECRET": await t(() => Deno.env.get("SECRET")),
          "env.has SECRET": await t(() => Deno.env.has("SECRET")),
          "env.set SECRET, x": await t(() => Deno.env.set("SECRET", "x")),
          "env.delete SECRET": await t(() => Deno.env.delete("SECRET")),
          "env.get foo": await t(() => Deno.env.get("foo")),
          "env.get AWSOME": await t(() => Deno.env.get("AWSOME")),
          "env.get HOME": await t(() => Deno.env.get("HOME")),
          "env.get NOT_THERE": await t(() => Deno.env.get("NOT_THERE")),
          "env.get 5 as any": await t(() => Deno.env.get(5 as any)),
        };"#,
        r#"{
            "env.get SECRET": "NotCapable: Requires env access to \"SECRET\", run again with the --allow-env flag",
            "env.has SECRET": "NotCapable: Requires env access to \"SECRET\", run again with the --allow-env flag",
            "env.set SECRET, x": "NotCapable: Requires env access to \"SECRET\", run again with the --allow-env flag",
            "env.delete SECRET": "NotCapable: Requires env access to \"SECRET\", run again with the --allow-env flag",
            "env.get foo": "NotCapable: Requires env access to \"foo\", run again with the --allow-env flag",
            "env.get AWSOME": "NotCapable: Requires env access to \"AWSOME\", run again with the --allow-env flag",
            "env.get HOME": "NotCapable: Requires env access to \"HOME\", run again with the --allow-env flag",
            "env.get NOT_THERE": "NotCapable: Requires env access to \"NOT_THERE\", run again with the --allow-env flag",
            "env.get 5 as any": "NotCapable: Requires env access to \"5\", run again with the --allow-env flag"
        }"#,
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
        return {
          "env.get a=b": await t(() => Deno.env.get("a=b")),
          "env.set a=b, c": await t(() => Deno.env.set("a=b", "c")),
          "env.set , c": await t(() => Deno.env.set("", "c")),
          "env.set a, c0": await t(() => Deno.env.set("a", "c\0")),
          "env.get a0": await t(() => Deno.env.get("a\0")),
          "env.get EMPTY": await t(() => Deno.env.get("EMPTY")),
          "env.set a, x.repeat 2_000_000": await t(() => Deno.env.set("a", "x".repeat(2_000_000))).then((s) => s !== "done"),
        };"#,
        r#"{
            "env.get a=b": "TypeError: Key contains invalid characters: \"a=b\"",
            "env.set a=b, c": "TypeError: Key contains invalid characters: \"a=b\"",
            "env.set , c": "TypeError: Key is an empty string.",
            "env.set a, c0": "TypeError: Value contains invalid characters: \"c\\0\"",
            "env.get a0": "TypeError: Key contains invalid characters: \"a\\0\"",
            "env.get EMPTY": "",
            "env.set a, x.repeat 2_000_000": true
        }"#,
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
