use std::cell::RefCell;

use super::*;
use crate::engines::typescript::import_map::WorkspaceMap;

const HOME: &str = "file:///srv/work/main.ts";

/// A worker that knows a map and some packages, and what the server was asked for.
struct Fake {
    map: WorkspaceMap,
    builtins: bool,
    home: bool,
    asked: RefCell<Vec<String>>,
}

impl Fake {
    fn new(imports: &str) -> Self {
        let files = [("deno.json".to_owned(), format!("{{ \"imports\": {imports} }}"))];
        let directory = ModuleSpecifier::parse("file:///srv/work/").unwrap();
        Self {
            map: WorkspaceMap::parse(&files, &directory).unwrap(),
            builtins: true,
            home: true,
            asked: RefCell::default(),
        }
    }

    fn resolve(&self, specifier: &str, referrer: &str) -> Result<String, String> {
        let resolved = resolve(specifier, referrer, self);
        resolved.map(String::from).map_err(|error| error.to_string())
    }
}

impl Surroundings for Fake {
    fn home(&self) -> Option<ModuleSpecifier> {
        self.home.then(|| ModuleSpecifier::parse(HOME).unwrap())
    }

    fn without_builtins(&self) -> Option<String> {
        (!self.builtins).then(|| "nothing is installed".to_owned())
    }

    fn mapped(
        &self,
        specifier: &str,
        base: &ModuleSpecifier,
    ) -> Result<Option<ModuleSpecifier>, JsErrorBox> {
        self.map.resolve(specifier, base).map_err(JsErrorBox::type_error)
    }

    fn package(&self, specifier: &str) -> Resolved {
        self.asked.borrow_mut().push(specifier.to_owned());
        let file: String =
            specifier.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        parsed(&format!("package:///{file}.mjs"))
    }

    fn is_named(&self, specifier: &str, _referrer: &str) -> bool {
        specifier != "./of-another.mjs"
    }
}

#[test]
fn a_specifier_means_the_first_thing_that_it_can() {
    let worker = Fake::new(
        r#"{ "axios": "npm:axios@^1", "@/": "./src/", "assert": "jsr:@std/assert",
             "gh": "mcp:git hub", "./old.ts": "./new.ts", "web": "https://example.com/x.js",
             "range": "npm:zod@>=3" }"#,
    );
    let file = "file:///srv/work/src/deep/a.ts";
    for (specifier, referrer, expected) in [
        // What has its own scheme.
        ("data:text/javascript,1", MAIN, "data:text/javascript,1"),
        ("mcp:git hub", MAIN, "mcp:git%20hub"),
        ("playbook:http-utilities", file, "playbook:http-utilities"),
        ("npm:zod@3/v4", MAIN, "package:///npm_zod_3_v4.mjs"),
        ("jsr:@std/path", file, "package:///jsr__std_path.mjs"),
        ("node:fs", MAIN, "node:fs"),
        ("file:///etc/hosts", MAIN, "file:///etc/hosts"),
        // The Deno version's way to name servers.
        ("./mcp/github.ts", MAIN, "mcp:github"),
        ("mcp/github", "playbook:x", "mcp:github"),
        ("./mcp/github.ts", "file:///srv/work/lib.ts", "mcp:github"),
        ("./mcp/github.ts", file, "file:///srv/work/src/deep/mcp/github.ts"),
        // The map takes precedence over built-ins, and built-ins over nothing.
        ("axios", MAIN, "package:///npm_axios__1.mjs"),
        ("axios/lib/x", MAIN, "package:///npm_axios__1_lib_x.mjs"),
        ("assert", MAIN, "package:///jsr__std_assert.mjs"),
        ("gh", MAIN, "mcp:git%20hub"),
        ("fs", MAIN, "node:fs"),
        ("fs/promises", "playbook:x", "node:fs/promises"),
        // Files, from the program's directory or their own.
        ("./lib.ts", MAIN, "file:///srv/work/lib.ts"),
        ("../lib.ts", MAIN, "file:///srv/lib.ts"),
        ("/lib.ts", MAIN, "file:///lib.ts"),
        ("./b.ts", file, "file:///srv/work/src/deep/b.ts"),
        ("../b.ts?v=1", file, "file:///srv/work/src/b.ts?v=1"),
        ("@/x.ts", file, "file:///srv/work/src/x.ts"),
        ("./old.ts", MAIN, "file:///srv/work/new.ts"),
        // Packages among themselves.
        ("./chunk-a.mjs", "package:///zod.mjs", "package:///chunk-a.mjs"),
        ("../../../x.mjs", "package:///zod.mjs", "package:///x.mjs"),
        ("node:fs", "package:///zod.mjs", "node:fs"),
        ("fs", "package:///zod.mjs", "node:fs"),
        // Without a referrer.
        (MAIN, ".", MAIN),
        ("package:///zod.mjs", ".", "package:///zod.mjs"),
        (TOOLS, "mcp:github", TOOLS),
    ] {
        assert_eq!(worker.resolve(specifier, referrer).as_deref(), Ok(expected), "{specifier}");
    }
    worker.asked.borrow_mut().clear();
    for specifier in ["range", "npm:/zod@^3/v4", "npm:%7aod", "range/x"] {
        worker.resolve(specifier, MAIN).unwrap();
    }
    assert_eq!(
        *worker.asked.borrow(),
        ["npm:zod@>=3", "npm:zod@^3/v4", "npm:%7aod", "npm:zod@>=3/x"],
        "what the server decides about is what was written"
    );
}

#[test]
fn what_cannot_be_imported_says_why() {
    let worker = Fake::new(r#"{ "web": "https://example.com/x.js", "none": null }"#);
    for (specifier, referrer, expected) in [
        (
            "https://evil.example/mod.js",
            MAIN,
            "Requires import access to \"evil.example:443\", run again with the --allow-import flag. This server does not load remote modules",
        ),
        ("web", MAIN, "Requires import access to \"example.com:443\""),
        ("ext:core/ops", MAIN, "unsupported scheme \"ext\""),
        ("blob:null/1", MAIN, "unsupported scheme \"blob\""),
        (TOOLS, MAIN, "unsupported scheme \"conductor\""),
        ("package:///zod.mjs", MAIN, "a package is imported by its name"),
        ("package:///zod.mjs", "playbook:x", "a package is imported by its name"),
        ("axios", MAIN, "Import a package as \"npm:axios\", if that is meant, a file"),
        ("@std/path/join", MAIN, "Import a package as \"jsr:@std/path/join\""),
        ("lib ts", MAIN, "Import a package as \"npm:NAME\""),
        ("none", MAIN, "Blocked by null entry"),
        ("__proto__", MAIN, "is not available"),
        (MAIN, MAIN, "cannot import itself"),
        ("file://host/x.ts", MAIN, "not the URL of a file of this machine"),
        ("./x.ts", "playbook:x", "this module has no directory"),
        ("/x.ts", "data:text/javascript,1", "this module has no directory"),
        ("node:nosuch", MAIN, "there is no built-in module of that name here"),
        ("node:fss", MAIN, "here: did you mean \"node:fs\"?"),
        ("node:sqlite", MAIN, "here. Keep data in files"),
        ("peer", "package:///zod.mjs", "of the package module zod.mjs is not available"),
        ("file:///etc/hosts", "package:///zod.mjs", "of the package module zod.mjs"),
        ("npm:other", "package:///zod.mjs", "of the package module zod.mjs"),
        ("./of-another.mjs", "package:///zod.mjs", "of the package module zod.mjs"),
        ("/x.mjs", "package:///zod.mjs", "of the package module zod.mjs"),
        ("mcp:", MAIN, "\"mcp:\" is followed by a name"),
        ("file:///etc/hosts", ".", "unsupported scheme"),
    ] {
        let error = worker.resolve(specifier, referrer).unwrap_err();
        assert!(error.contains(expected), "{specifier} in {referrer}: {error}");
    }
    assert!(worker.asked.borrow().is_empty());
}

#[test]
fn without_built_ins_an_import_of_one_says_why_there_are_none() {
    let worker = Fake { builtins: false, ..Fake::new("{}") };
    for specifier in ["fs", "node:fs"] {
        assert_eq!(
            worker.resolve(specifier, MAIN).unwrap_err(),
            format!("Import \"{specifier}\" is not available: nothing is installed")
        );
    }
}

#[test]
fn a_specifier_is_bounded_and_quoted_only_in_part() {
    let worker = Fake::new("{}");
    let long = format!("npm:{}", "x".repeat(MAX_SPECIFIER_BYTES));
    assert!(worker.resolve(&long, MAIN).unwrap_err().contains("at most 4096"));
    assert!(worker.resolve(&"x".repeat(4000), MAIN).unwrap_err().len() < 600);
    assert!(worker.asked.borrow().is_empty());
}

#[test]
fn modules_of_packages_are_resolved_where_no_program_is_yet() {
    let zygote = Fake { home: false, ..Fake::new("{}") };
    assert!(zygote.resolve("./a.mjs", "package:///b.mjs").is_ok());
    assert!(zygote.resolve("node:fs", "package:///b.mjs").is_ok());
    assert!(zygote.resolve("./a.ts", MAIN).is_err());
}
