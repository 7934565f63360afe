//! Two servers that were not written for these tests, from npm's registry, driven
//! by one program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::home::Home;
use crate::support::pipes::Server;

const PACKAGES: [&str; 2] =
    ["@modelcontextprotocol/server-filesystem", "@modelcontextprotocol/server-memory"];

/// The packages' directory; they are installed when a test needs them for the
/// first time, in `target/npm`. None: npm is absent.
fn packages() -> Option<PathBuf> {
    let there = Command::new("npm").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there {
        println!("skipped: npm is absent, with which {} are installed", PACKAGES.join(" and "));
        return None;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let prefix = target.join("npm");
    let modules = prefix.join("node_modules");
    if !PACKAGES.iter().all(|package| modules.join(package).join("package.json").is_file()) {
        // In a place of its own: an installation may be interrupted.
        let draft = target.join("npm-draft");
        for old in [&draft, &prefix] {
            let _ = std::fs::remove_dir_all(old);
        }
        std::fs::create_dir_all(&draft).unwrap();
        let installed = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(&draft)
            .args(PACKAGES)
            .output()
            .expect("npm runs");
        let said = String::from_utf8_lossy(&installed.stderr);
        assert!(installed.status.success(), "npm install failed: {said}");
        std::fs::rename(draft, &prefix).unwrap();
    }
    Some(modules)
}

#[test]
fn one_program_drives_two_servers_from_npm() {
    let Some(modules) = packages() else { return };
    let home = Home::empty();
    home.write("files/a.txt", "first");
    let entry = |package: &str| modules.join(package).join("dist/index.js").display().to_string();
    home.configure(&json!({
        "filesystem": { "command": "node", "args": [entry(PACKAGES[0]), home.path("files")] },
        "memory": {
            "command": "node",
            "args": [entry(PACKAGES[1])],
            "env": { "MEMORY_FILE_PATH": home.path("memory.jsonl") },
        },
    }));
    let mut server = Server::at(home, &[]);
    for name in ["filesystem", "memory"] {
        let listed = server.listed(name);
        assert!(listed["tools"].as_u64() >= Some(9), "{listed:#}\n{}", server.log());
    }
    let code = "
        import * as fs from 'mcp:filesystem';
        import { createEntities, readGraph } from 'mcp:memory';
        const texts = { 'b.txt': 'second', 'c.txt': 'third' };
        await Promise.all(Object.entries(texts).map(([name, content]) =>
          fs.writeFile({ path: `${directory}/${name}`, content })));
        const listed = (await fs.listDirectory({ path: directory })).content;
        const names = listed.split('\\n').map((line) => line.replace('[FILE] ', '')).sort();
        const entities = await Promise.all(names.map(async (name) => {
          const { content } = await fs.readTextFile({ path: `${directory}/${name}` });
          return { name, entityType: 'file', observations: [content] };
        }));
        await createEntities({ entities });
        const { entities: kept } = await readGraph({});
        kept.map(({ name, observations }) => [name, observations[0]]).sort()";
    let directory = server.home().path("files");
    let execution = server.execute(code, json!({ "globals": { "directory": directory } }));
    assert_eq!(
        execution["returnValue"],
        json!([["a.txt", "first"], ["b.txt", "second"], ["c.txt", "third"]]),
        "{execution:#}\n{}",
        server.log()
    );
    assert_eq!(server.home().read("files/b.txt"), "second");
    let calls = execution["toolCalls"].as_array().expect("calls");
    let total: u64 = calls.iter().filter_map(|call| call["calls"].as_u64()).sum();
    assert_eq!(total, 8, "{calls:#?}");

    // What they refuse is theirs to say.
    let outside =
        server.thrown("callTool('filesystem', 'read_text_file', { path: '/etc/passwd' })");
    assert_eq!(outside.0, "McpToolError", "{outside:?}");
    let (_, message) = server.thrown("callTool('memory', 'create_entities', { entities: 1 })");
    assert!(message.contains("Expected: {entities: "), "{message}");

    // The next run finds what this one left.
    let again = "(await callTool('memory', 'open_nodes', { names: ['b.txt'] })).entities.length";
    assert_eq!(server.value(again), 1);
}
