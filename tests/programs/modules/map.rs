//! deno.json and package.json of a workspace.

use mcp_conductor::{Config, ExecuteRequest};
use serde_json::json;

use crate::runtimes::{config, error_of, run_with, value_of};
use crate::support::directory::Directory;

/// A workspace with these files, by their names.
fn workspace(files: &[(&str, &str)]) -> Directory {
    let directory = Directory::new("map");
    for (name, text) in files {
        directory.write(name, text);
    }
    directory
}

fn in_workspace(directory: &Directory) -> Config {
    config().with_workspace(directory.root())
}

fn run_in(directory: &Directory, source: &str) -> mcp_conductor::Execution {
    run_with(in_workspace(directory), ExecuteRequest::new(source))
}

#[test]
fn names_of_the_import_map_are_what_it_says() {
    let directory = workspace(&[
        (
            "deno.jsonc",
            "{ // names\n  \"imports\": { \"lib\": \"./lib.ts\", \"@/\": \"./\", \
             \"one\": \"data:text/javascript,export default 1\", },\n}",
        ),
        ("lib.ts", "import two from '@/two.ts'; export default two"),
        ("two.ts", "export default 2"),
    ]);
    let source = "import lib from 'lib'; import one from 'one';\n\
                  [lib, one, (await import('@/two.ts')).default, import.meta.resolve('lib')]";
    let lib = format!("file://{}", directory.name("lib.ts"));
    assert_eq!(value_of(run_in(&directory, source)), json!([2, 1, 2, lib]));
}

#[test]
fn a_malformed_file_is_an_error_of_the_import_that_needs_it() {
    let directory = workspace(&[("deno.json", "{\n  \"imports\": {,}\n}")]);
    let message = error_of(run_in(&directory, "await import('axios')")).message;
    assert!(message.contains("deno.json: key must be a string at line 2 column 15"), "{message}");
    let source = "import 'data:text/javascript,1'; 5";
    assert_eq!(value_of(run_in(&directory, source)), 5);
}

#[test]
fn a_package_that_the_map_names_is_decided_about_as_if_it_was_written_so() {
    let directory = workspace(&[
        ("deno.json", "{ \"imports\": { \"zod\": \"npm:zod@^3\" } }"),
        ("package.json", "{ \"dependencies\": { \"axios\": \"^1\" } }"),
    ]);
    for (name, specifier) in
        [("zod", "npm:zod@^3"), ("zod/v4", "npm:zod@^3/v4"), ("axios", "npm:axios@^1")]
    {
        let message = error_of(run_in(&directory, &format!("import '{name}'; 5"))).message;
        assert!(message.contains(&format!("import access to \"{specifier}\"")), "{message}");
    }
}

#[test]
fn a_map_that_may_not_be_read_is_as_if_it_was_not_there() {
    let directory = workspace(&[("deno.json", "{ \"imports\": { \"lib\": \"./lib.ts\" } }")]);
    let config = in_workspace(&directory).with_run_args("none");
    let error = error_of(run_with(config, ExecuteRequest::new("await import('lib')")));
    assert!(error.message.contains("has that name"), "{error:#?}");
}

#[test]
fn a_map_that_is_not_utf_8_is_an_error_with_its_name() {
    let directory = workspace(&[]);
    std::fs::write(directory.name("deno.json"), b"{ \"imports\": {} } // \xff").expect("a file");
    let message = error_of(run_in(&directory, "await import('axios')")).message;
    assert!(message.contains("deno.json of the workspace is not UTF-8"), "{message}");
}

#[test]
fn a_map_that_leads_out_of_the_workspace_is_refused() {
    let directory = workspace(&[]);
    std::os::unix::fs::symlink("/etc/passwd", directory.name("deno.json")).expect("a link");
    let message = error_of(run_in(&directory, "await import('axios')")).message;
    assert!(message.contains("Requires read access to \"deno.json\""), "{message}");
}
