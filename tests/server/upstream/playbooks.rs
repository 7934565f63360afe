//! Playbooks: the three tools, the bundled ones, what programs import of them, and
//! folders that are not as they should be.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::home::{Home, PLAYBOOKS};
use crate::support::pipes::Server;

const BUNDLED: [&str; 3] = ["http-utilities", "mcp-conductor-guide", "playbook-creator"];

const NAME_ERROR: &str =
    "Error: Folder name must contain only alphanumeric characters, hyphens, and underscores";

fn math() -> Value {
    json!({
        "folder_name": "math-utils",
        "name": "Math Utils",
        "description": "Adds numbers",
        "content": "# How\n\nAdd them.",
        "code": "export const add = (a: number, b: number): number => a + b;",
        "author": "Ada",
        "version": "1.2",
        "tags": ["a", "b"],
    })
}

fn folder(below: &str) -> String {
    format!("{PLAYBOOKS}/{below}")
}

#[test]
fn three_are_there_from_the_start() {
    let mut server = Server::plain();
    let list = server.say("list_playbooks", json!({}));
    assert!(list.starts_with("# Available Playbooks (3)\n"), "{list}");
    for name in BUNDLED {
        assert!(list.contains(&format!("**Folder:** {name}\n")), "{list}");
        let told = server.say("get_playbook", json!({ "folder_name": name }));
        assert!(told.len() > 500, "{name}: {told}");
    }
    assert_eq!(list.matches("**Source:** system (default playbook)").count(), 3, "{list}");
    assert!(list.contains("**Has Code:** Yes"), "{list}");
    // They are in the program, not in the user's directory.
    assert!(!server.home().path(PLAYBOOKS).exists());
}

#[test]
fn one_that_is_created_is_there() {
    let mut server = Server::plain();
    let created = server.say("create_playbook", math());
    let path = server.home().path(&folder("math-utils")).display().to_string();
    assert!(created.starts_with("Playbook created successfully"), "{created}");
    assert!(created.contains(&format!("**Path:** {path}")), "{created}");
    assert!(created.contains("**Name:** Math Utils"), "{created}");

    let list = server.say("list_playbooks", json!({}));
    assert!(list.starts_with("# Available Playbooks (4)\n"), "{list}");
    assert!(
        list.contains(
            "## Math Utils\n**Folder:** math-utils\n**Description:** Adds numbers\n\
             **Has Code:** Yes\n**Source:** user (user-created)\n"
        ),
        "{list}"
    );
    let told = server.say("get_playbook", json!({ "folder_name": "math-utils" }));
    for part in ["Math Utils", "Ada", "1.2", "a, b", "# How\n\nAdd them.", "playbook:math-utils"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn its_files_are_as_the_original_wrote_them() {
    let mut server = Server::plain();
    server.say("create_playbook", math());
    let home = server.home();
    let markdown = home.read(&folder("math-utils/playbook.md"));
    let head = markdown.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    let (head, content) = head.expect("front matter");
    for line in ["name: Math Utils", "description: Adds numbers", "author: Ada", "source: user"] {
        assert!(head.lines().any(|found| found == line), "{line}: {head}");
    }
    assert!(content.contains("# How\n\nAdd them."), "{content}");
    let code = home.read(&folder("math-utils/playbook.ts"));
    assert!(code.contains("export const add"), "{code}");
    assert_eq!(home.mode(&folder("math-utils/playbook.md")), 0o600);
    assert_eq!(home.mode(&folder("math-utils")), 0o700);
}

#[test]
fn its_code_is_imported_by_programs() {
    let mut server = Server::plain();
    server.say("create_playbook", math());
    for code in [
        "import { add } from 'playbook:math-utils'; add(2, 3)",
        "const { add } = await importPlaybook('math-utils'); add(2, 3)",
        "(await import('playbook:math-utils')).add(2, 3)",
    ] {
        assert_eq!(server.value(code), 5, "{code}");
    }
    let broken = json!({
        "folder_name": "broken-code", "name": "n", "description": "d", "content": "c",
        "code": "export const x: number = = 1;",
    });
    server.say("create_playbook", broken);
    let (name, message) = server.thrown("importPlaybook('broken-code')");
    assert!(name.ends_with("Error") && message.contains("xpression expected"), "{name}: {message}");
    let (_, message) = server.thrown("importPlaybook('mcp-conductor-guide')");
    assert!(message.contains("no code"), "{message}");
}

#[test]
fn code_of_a_playbook_has_the_grants_of_its_program() {
    let mut server = Server::plain();
    let secret = server.home().path("secret.txt");
    std::fs::write(&secret, "FS-CANARY").unwrap();
    let code = format!(
        "export const read = () => Deno.readTextFileSync('{}');
         export {{ default }} from 'https://example.com/mod.ts';",
        secret.display()
    );
    for (folder, code) in
        [("reader", code.lines().next().expect("a line").to_owned()), ("importer", code.clone())]
    {
        let new = json!({
            "folder_name": folder, "name": "n", "description": "d", "content": "c", "code": code,
        });
        server.say("create_playbook", new);
    }
    let reads = "importPlaybook('reader').then(({ read }) => read())";
    assert_eq!(server.thrown(reads).0, "NotCapable");
    let (_, message) = server.thrown("importPlaybook('importer')");
    assert!(message.contains("example.com"), "{message}");
}

#[test]
fn the_bundled_utilities_work_under_the_default_grant() {
    let mut server = Server::plain();
    let code = "
        import { fetchJSON, fetchWithRetry } from 'playbook:http-utilities';
        const caught = async (call) => { try { return await call() } catch (e) { return e.name } };
        [typeof fetchJSON, typeof fetchWithRetry, await fetchJSON('data:application/json,[1]'),
         await caught(() => fetchJSON('http://127.0.0.1:8099/'))]";
    let execution = server.run(code);
    // A refusal is not tried again: a line is printed before each new try.
    assert_eq!(execution["output"], json!([]), "{execution:#}");
    assert_eq!(execution["returnValue"], json!(["function", "function", [1], "NotCapable"]));
}

#[test]
fn a_folder_that_exists_is_not_overwritten() {
    let mut server = Server::plain();
    server.say("create_playbook", math());
    let mut other = math();
    other["content"] = json!("other");
    let refusal = server.refusal("create_playbook", other);
    assert_eq!(refusal, "Error: Playbook folder already exists: math-utils");
    let told = server.say("get_playbook", json!({ "folder_name": "math-utils" }));
    assert!(told.contains("Add them."), "{told}");
    let left = std::fs::read_dir(server.home().path(PLAYBOOKS)).unwrap().count();
    assert_eq!(left, 1, "no draft is left");
}

#[test]
fn a_bundled_one_gives_way_to_the_users_own() {
    let mut server = Server::plain();
    let mut own = math();
    own["folder_name"] = json!("http-utilities");
    server.say("create_playbook", own);
    let list = server.say("list_playbooks", json!({}));
    assert!(list.starts_with("# Available Playbooks (3)\n"), "{list}");
    assert_eq!(list.matches("**Source:** user (user-created)").count(), 1, "{list}");
    let value = server.value("(await importPlaybook('http-utilities')).add(1, 1)");
    assert_eq!(value, 2);
}

#[test]
fn names_that_lead_elsewhere_are_refused_everywhere() {
    let home = Home::empty();
    let text = "---\nname: FS-CANARY\ndescription: d\n---\nFS-CANARY\n";
    home.write(".mcp-conductor/playbook.md", text);
    home.write(".mcp-conductor/playbook.ts", "export default 'FS-CANARY'");
    home.write(&folder("there/playbook.md"), text);
    let mut server = Server::at(home, &[]);
    for name in
        ["..", "../..", ".", "", "a/b", "there/../there", "/etc", "a\0b", "hélas", "a b", "a.b"]
    {
        let mut new = math();
        new["folder_name"] = json!(name);
        assert_eq!(server.refusal("create_playbook", new), NAME_ERROR, "{name:?}");
        let refusal = server.refusal("get_playbook", json!({ "folder_name": name }));
        assert_eq!(refusal, NAME_ERROR, "{name:?}");
        let quoted = json!(name).to_string();
        let (error, message) = server.thrown(&format!("importPlaybook({quoted})"));
        assert!(error.ends_with("Error"), "{name:?}: {error} {message}");
        assert!(!message.contains("CANARY"), "{message}");
    }
}

#[test]
fn broken_front_matter_is_listed_with_its_problem() {
    let home = Home::empty();
    for (name, text) in [
        ("no-yaml", "---\nname: [\n---\nbody\n"),
        ("no-name", "---\ndescription: d\n---\nbody\n"),
        ("no-end", "---\nname: n\ndescription: d\n"),
        ("no-front", "just text\n"),
        ("no-text", ""),
    ] {
        home.write(&folder(&format!("{name}/playbook.md")), text);
    }
    home.write(&folder("good/playbook.md"), "---\nname: Good\ndescription: d\n---\nbody\n");
    let mut server = Server::at(home, &[]);
    let list = server.say("list_playbooks", json!({}));
    assert!(list.starts_with("# Available Playbooks (9)\n"), "{list}");
    for name in ["no-yaml", "no-name", "no-end", "no-front", "no-text"] {
        let entry =
            list.split("\n## ").find(|entry| entry.contains(&format!("**Folder:** {name}\n")));
        let entry = entry.unwrap_or_else(|| panic!("{name} is hidden: {list}"));
        assert!(entry.contains("rror"), "{entry}");
        let refusal = server.refusal("get_playbook", json!({ "folder_name": name }));
        assert!(refusal.starts_with("Error: ") && refusal.contains(name), "{refusal}");
    }
    assert!(list.contains("## Good\n"), "{list}");
}

#[test]
fn links_and_other_files_are_no_playbooks() {
    let home = Home::empty();
    home.write("outside/playbook.md", "---\nname: FS-CANARY\ndescription: d\n---\n");
    home.write("outside/playbook.ts", "export default 'FS-CANARY'");
    home.write(&folder("linked/note.txt"), "");
    home.write(&folder("with space/playbook.md"), "---\nname: x\ndescription: d\n---\n");
    home.write(&folder("file.txt"), "");
    symlink(home.path("outside"), home.path(&folder("out"))).unwrap();
    symlink(home.path("outside/playbook.md"), home.path(&folder("linked/playbook.md"))).unwrap();
    symlink(home.path("outside/playbook.ts"), home.path(&folder("linked/playbook.ts"))).unwrap();
    let mut server = Server::at(home, &[]);
    let list = server.say("list_playbooks", json!({}));
    assert!(!list.contains("CANARY") && !list.contains("with space"), "{list}");
    for name in ["out", "linked"] {
        let refusal = server.refusal("get_playbook", json!({ "folder_name": name }));
        assert!(!refusal.contains("CANARY"), "{refusal}");
        let (_, message) = server.thrown(&format!("importPlaybook('{name}')"));
        assert!(!message.contains("CANARY"), "{message}");
    }
}

#[test]
fn a_program_cannot_write_playbooks() {
    let mut server = Server::plain();
    server.say("create_playbook", math());
    let code = "
        const names = [];
        for (const change of [
          () => Deno.writeTextFileSync(PLAYBOOKS_DIR + '/math-utils/playbook.ts', ''),
          () => Deno.mkdirSync(PLAYBOOKS_DIR + '/other'),
          () => Deno.removeSync(PLAYBOOKS_DIR + '/math-utils', { recursive: true }),
        ]) {
          try { change(); names.push('done') } catch (e) { names.push(e.name) }
        }
        names";
    assert_eq!(server.value(code), json!(["NotCapable", "NotCapable", "NotCapable"]));
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let mut server = Server::plain();
    for (member, value) in [
        ("name", json!(5)),
        ("name", json!("")),
        ("description", json!(null)),
        ("tags", json!("a, b")),
        ("content", json!("x".repeat(2 << 20))),
        ("folder_name", json!("x".repeat(5000))),
        ("extra", json!(1)),
    ] {
        let mut new = math();
        new[member] = value;
        server.refusal("create_playbook", new);
        assert!(!server.home().path(&folder("math-utils")).exists(), "{member}");
    }
}

#[test]
fn playbooks_are_resources() {
    let mut server = Server::plain();
    server.say("create_playbook", math());
    let list = server.ask("resources/list", json!({}));
    let resources = list["resources"].as_array().expect("resources");
    for (folder, part) in [("math-utils", "Add them."), ("http-utilities", "fetchWithRetry")] {
        let resource = resources
            .iter()
            .find(|resource| resource["uri"].as_str().is_some_and(|uri| uri.contains(folder)))
            .unwrap_or_else(|| panic!("{folder}: {list:#}"));
        let read = server.ask("resources/read", json!({ "uri": resource["uri"] }));
        let text = read["contents"][0]["text"].as_str().expect("text");
        assert!(text.contains(part), "{text}");
    }
    for uri in
        ["playbook://..", "playbook://nothing", "file:///etc/passwd", "", "playbook://%2e%2e"]
    {
        let id = server.request("resources/read", json!({ "uri": uri }));
        assert!(server.answer(id)["error"].is_object(), "{uri}");
    }
}
