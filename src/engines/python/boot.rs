//! The Python side of the engine, a package `conductor` whose modules are handed over to the
//! interpreter at its start.

use super::interpreter::Interpreter;
use crate::worker::LoadError;

/// Makes the modules importable that are in `SOURCES`.
const INSTALL: &str = include_str!("boot/install.py");

/// What the zygote and its workers run.
pub(super) const WARM: &str = "import conductor\nconductor.warm()\n";
pub(super) const FRESH: &str = "import conductor\nconductor.fresh()\n";
pub(super) const TOUCH: &str = "import conductor\nconductor.touch()\n";
pub(super) const MAIN: &str = "import conductor\nconductor.main()\n";

/// The modules of the package by their names in it.
macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        &[
            ("", include_str!("boot/conductor/__init__.py")),
            $(($name, include_str!(concat!("boot/conductor/", $name, ".py")))),*
        ]
    };
}

const MODULES: &[(&str, &str)] = modules![
    "calls",
    "children",
    "corpus",
    "door",
    "environ",
    "errors",
    "fetch",
    "files",
    "frames",
    "freshness",
    "images",
    "imports",
    "loop",
    "memory",
    "net",
    "output",
    "pillow",
    "pipes",
    "pools",
    "process",
    "program",
    "putoff",
    "session",
    "sockets",
    "threads",
    "tls",
    "tools",
    "unfinished",
    "value",
    "warmup",
    "wheels",
];

/// Imports the package and what it patches, and the modules that these names stand for.
///
/// # Errors
/// The traceback of what was raised.
pub(super) fn load(interpreter: &mut Interpreter, preload: &[String]) -> Result<(), LoadError> {
    let sources: serde_json::Map<_, _> =
        MODULES.iter().map(|(name, source)| ((*name).to_owned(), (*source).into())).collect();
    // JSON's strings are Python's, and so are its objects of them.
    let sources = serde_json::to_string(&sources)?;
    let path = serde_json::to_string(&interpreter.host().guest.borrow().search_path())?;
    turn(
        interpreter,
        &format!("import sys\nsys.path[:] = {path}\nSOURCES = {sources}\n{INSTALL}"),
    )?;
    let preload = serde_json::to_string(preload)?;
    turn(interpreter, &format!("import conductor\nconductor.load({preload})\n"))
}

/// Runs Python text in the zygote.
///
/// # Errors
/// As of [`load`].
pub(super) fn turn(interpreter: &mut Interpreter, source: &str) -> Result<(), LoadError> {
    let said = |interpreter: &Interpreter| interpreter.host().guest.borrow().printed();
    match interpreter.turn(source) {
        Ok(0) => Ok(()),
        Ok(_) => Err(format!("Python cannot be loaded: {}", said(interpreter)).into()),
        Err(trap) => Err(format!("Python cannot be loaded: {trap}. {}", said(interpreter)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::python::PRELOADABLE;

    #[test]
    fn what_can_be_preloaded_is_known_to_the_boot_program() {
        let (_, warmup) = MODULES.iter().find(|(name, _)| *name == "warmup").expect("a module");
        let (_, further) = warmup.split_once("FURTHER = {").expect("a table");
        let (further, _) = further.split_once("\n}").expect("its end");
        let names: Vec<_> =
            further.lines().filter_map(|line| line.strip_prefix("    \"")).collect();
        let names: Vec<_> = names.iter().filter_map(|line| line.split_once('"')).collect();
        assert_eq!(names.iter().map(|(name, _)| *name).collect::<Vec<_>>(), PRELOADABLE);
    }
}
