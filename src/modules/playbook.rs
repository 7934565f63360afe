//! Modules `playbook:FOLDER`: the TypeScript of a playbook, read when it is imported.

use std::sync::Arc;

use super::{Reading, loaded};
use crate::playbooks::Playbooks;
use crate::protocol::{MediaType, ModuleScheme};

/// Reads the module of a folder.
pub(super) fn reading(playbooks: Arc<Playbooks>, folder: &str) -> Reading {
    let folder = folder.to_owned();
    Box::new(move || {
        let code = playbooks.code(&folder)?;
        Ok(loaded(ModuleScheme::Playbook, &folder, MediaType::TypeScript, code))
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn read(folder: &str) -> Result<crate::protocol::ModuleSource, String> {
        // There is no such directory: only what is bundled is there.
        let playbooks = Playbooks::new(PathBuf::from("/nowhere/playbooks"), Vec::new());
        reading(Arc::new(playbooks), folder)().map_err(|error| error.to_string())
    }

    #[test]
    fn the_code_of_a_playbook_is_typescript() {
        let module = read("http-utilities").unwrap();
        assert_eq!(module.media_type, MediaType::TypeScript);
        assert_eq!(module.name, "playbook:http-utilities");
        assert!(module.source.contains("export"));
    }

    #[test]
    fn a_folder_is_one_name_of_a_playbook_with_code() {
        for (folder, problem) in [
            ("nosuch", "Playbook folder not found: nosuch"),
            (
                "../playbooks",
                "Folder name must contain only alphanumeric characters, hyphens, and underscores",
            ),
            (
                "mcp-conductor-guide",
                "Playbook mcp-conductor-guide has no code (playbook.ts) to import",
            ),
        ] {
            assert_eq!(read(folder).unwrap_err(), problem);
        }
    }
}
