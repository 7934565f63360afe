//! Playbooks as MCP resources.

use rmcp::model::{ErrorCode, ErrorData, ReadResourceResult, Resource, ResourceContents};

use crate::playbooks::{Listed, Playbooks};

const SCHEME: &str = "playbook://";
const MARKDOWN: &str = "text/markdown";
const TYPESCRIPT: &str = "application/typescript";

/// The instructions of each playbook, and its code.
pub(super) fn list(playbooks: &[Listed]) -> Vec<Resource> {
    playbooks.iter().flat_map(resources).collect()
}

fn resources(listed: &Listed) -> Vec<Resource> {
    let Listed { folder, result, has_code, .. } = listed;
    let Ok(metadata) = result else { return Vec::new() };
    let resource = |file: &str, kind: &str| {
        Resource::new(format!("{SCHEME}{folder}/{file}"), format!("{folder}/{file}"))
            .with_title(metadata.name.clone())
            .with_description(metadata.description.clone())
            .with_mime_type(kind)
    };
    let mut all = vec![resource("playbook.md", MARKDOWN)];
    if *has_code {
        all.push(resource("playbook.ts", TYPESCRIPT));
    }
    all
}

/// One of them. Reads files.
pub(super) fn read(playbooks: &Playbooks, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let not_found = |why: &str| {
        let message = format!("Resource not found: {uri}{why}");
        ErrorData::new(ErrorCode::INVALID_PARAMS, message, Some(serde_json::json!({"uri": uri})))
    };
    let Some((folder, file)) = uri.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/'))
    else {
        return Err(not_found(""));
    };
    let error = |error: crate::playbooks::PlaybookError| not_found(&format!(": {error}"));
    let (text, kind) = match file {
        "playbook.md" => (playbooks.get(folder).map_err(error)?.content, MARKDOWN),
        "playbook.ts" => (playbooks.code(folder).map_err(error)?, TYPESCRIPT),
        _ => return Err(not_found("")),
    };
    let contents = ResourceContents::text(text, uri).with_mime_type(kind);
    Ok(ReadResourceResult::new(vec![contents]))
}
