//! Content blocks in a program's value: what a tool returned as an image reaches
//! the model as one.

use rmcp::model::ContentBlock;
use serde_json::{Value, json};

/// Takes content blocks other than text out of a value that is a block, a list of
/// blocks, or a tool's result with `content`. What is left says where they are.
pub(super) fn take_blocks(value: &mut Value) -> Vec<ContentBlock> {
    match value {
        Value::Array(items) => blocks_of(items),
        Value::Object(members) if !members.contains_key("type") => match members.get_mut("content")
        {
            Some(Value::Array(items)) => blocks_of(items),
            _ => Vec::new(),
        },
        Value::Object(_) => blocks_of(std::slice::from_mut(value)),
        _ => Vec::new(),
    }
}

/// All or nothing: a list of a program's own objects is no list of blocks.
fn blocks_of(items: &mut [Value]) -> Vec<ContentBlock> {
    let parsed: Option<Vec<_>> = items.iter().map(block).collect();
    let Some(parsed) = parsed else { return Vec::new() };
    let mut taken = Vec::new();
    for (item, block) in items.iter_mut().zip(parsed) {
        if matches!(block, ContentBlock::Text(_)) {
            continue;
        }
        taken.push(block);
        let place = taken.len();
        let kind = item["type"].take();
        *item = json!({"type": kind, "note": format!("see content block {}", place + 1)});
    }
    taken
}

fn block(value: &Value) -> Option<ContentBlock> {
    let kind = value.get("type")?.as_str()?;
    if !["text", "image", "audio", "resource", "resource_link"].contains(&kind) {
        return None;
    }
    serde_json::from_value(value.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mut value: Value) -> (Value, usize) {
        let blocks = take_blocks(&mut value);
        (value, blocks.len())
    }

    #[test]
    fn an_image_is_taken_wherever_tools_put_it() {
        let image = json!({"type": "image", "data": "AAAA", "mimeType": "image/png"});
        let note = json!({"type": "image", "note": "see content block 2"});
        assert_eq!(taken(image.clone()), (note.clone(), 1));
        assert_eq!(taken(json!([image])), (json!([note]), 1));
        let text = json!({"type": "text", "text": "hi"});
        assert_eq!(taken(json!({"content": [text, image]})), (json!({"content": [text, note]}), 1));
    }

    #[test]
    fn other_values_are_left_alone() {
        for value in [
            json!(1),
            json!([{"type": "image"}]),
            json!([{"type": "image", "data": "AAAA", "mimeType": "image/png"}, 5]),
            json!({"content": "text"}),
            json!({"type": "circle", "r": 1}),
            json!([{"type": "text", "text": "hi"}]),
        ] {
            assert_eq!(taken(value.clone()), (value, 0));
        }
    }
}
