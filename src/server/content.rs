//! Content blocks in a program's value: what a tool returned as an image reaches
//! the model as one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::ContentBlock;
use serde_json::{Map, Value, json};

use crate::runtime::Image;

/// Blocks that are taken out of the depth of one value: clients pass on no more pictures
/// to a model at once (Anthropic's models take 100). The others stay in the value.
const MAX_BELOW: usize = 100;

/// Levels of lists and objects in a block at most, in the depth of a value: a resource in
/// it with its metadata has four. So each part of a value is looked at a few times only.
const MAX_LEVELS: usize = 8;

/// Members of a block that go with it; others stay where it stood.
const OF_BLOCK: [&str; 4] = ["data", "mimeType", "annotations", "_meta"];

/// Takes content blocks other than text out of a value that is a block, a list of
/// blocks, or a tool's result with `content`; and such results, images and audio from
/// wherever else they are in it. What is left says where they are.
pub(super) fn take_blocks(value: &mut Value) -> Vec<ContentBlock> {
    let mut taken = Taken::default();
    match value {
        Value::Array(items) => taken.list(items),
        Value::Object(members) => match content_of(members) {
            Some(items) => taken.list(items),
            None => taken.list(std::slice::from_mut(value)),
        },
        _ => {}
    }
    taken.limit = taken.blocks.len() + MAX_BELOW;
    taken.below(value);
    taken.blocks
}

/// The block of a picture that a program made.
pub(super) fn picture(image: Image) -> ContentBlock {
    ContentBlock::image(STANDARD.encode(image.bytes), image.mime_type)
}

/// The text that stands for a block where so many precede it.
pub(super) fn see_block(before: usize) -> String {
    // The first block is the result itself.
    format!("see content block {}", before + 2)
}

/// The blocks of a tool's result.
fn content_of(members: &mut Map<String, Value>) -> Option<&mut Vec<Value>> {
    match members.contains_key("type") {
        true => None,
        false => members.get_mut("content")?.as_array_mut(),
    }
}

#[derive(Default)]
struct Taken {
    blocks: Vec<ContentBlock>,
    /// How many there may be.
    limit: usize,
}

impl Taken {
    /// All or nothing: a list of a program's own objects is no list of blocks.
    fn list(&mut self, items: &mut [Value]) {
        let parsed: Option<Vec<_>> = items.iter().map(block).collect();
        for (item, block) in items.iter_mut().zip(parsed.unwrap_or_default()) {
            if !matches!(block, ContentBlock::Text(_)) {
                let kind = item["type"].take();
                *item = json!({"type": kind, "note": self.take(block)});
            }
        }
    }

    /// The text that stands for a block.
    fn take(&mut self, block: ContentBlock) -> String {
        self.blocks.push(block);
        see_block(self.blocks.len() - 1)
    }

    /// No deeper than values are, which have a limit of their own.
    fn below(&mut self, value: &mut Value) {
        self.media(value);
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.below(item)),
            Value::Object(members) => {
                if let Some(items) = content_of(members)
                    && self.blocks.len() + items.len() <= self.limit
                    && items.iter().all(|item| is_shallow(item, MAX_LEVELS))
                {
                    self.list(items);
                }
                members.values_mut().for_each(|member| self.below(member));
            }
            _ => {}
        }
    }

    /// Takes an image or audio that stands by itself.
    fn media(&mut self, value: &mut Value) {
        let fits = value.as_object().is_some_and(is_media)
            && self.blocks.len() < self.limit
            && is_shallow(value, MAX_LEVELS);
        let block = fits.then(|| block(value)).flatten();
        if let (Some(block), Value::Object(members)) = (block, value) {
            members.retain(|name, _| !OF_BLOCK.contains(&name.as_str()));
            members.insert("note".to_owned(), self.take(block).into());
        }
    }
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    let within = |value: &Value| levels > 0 && is_shallow(value, levels - 1);
    match value {
        Value::Array(items) => items.iter().all(within),
        Value::Object(members) => members.values().all(within),
        _ => true,
    }
}

fn block(value: &Value) -> Option<ContentBlock> {
    let kind = value.get("type")?.as_str()?;
    if !["text", "image", "audio", "resource", "resource_link"].contains(&kind) {
        return None;
    }
    serde_json::from_value(value.clone()).ok()
}

/// Whether it can be nothing else than MCP's `ImageContent` or `AudioContent`.
fn is_media(members: &Map<String, Value>) -> bool {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let (Some(kind @ ("image" | "audio")), Some(mime)) = (text("type"), text("mimeType")) else {
        return false;
    };
    let subtype = mime.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/'));
    subtype.is_some_and(|subtype| !subtype.is_empty())
        && text("data").is_some_and(is_base64)
        && !members.contains_key("note")
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    !digits.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mut value: Value) -> (Value, usize) {
        let blocks = take_blocks(&mut value);
        (value, blocks.len())
    }

    fn image() -> Value {
        json!({"type": "image", "data": "AAAA", "mimeType": "image/png"})
    }

    fn note(place: usize) -> Value {
        json!({"type": "image", "note": format!("see content block {place}")})
    }

    #[test]
    fn an_image_is_taken_wherever_tools_put_it() {
        assert_eq!(taken(image()), (note(2), 1));
        assert_eq!(taken(json!([image()])), (json!([note(2)]), 1));
        let text = json!({"type": "text", "text": "hi"});
        assert_eq!(
            taken(json!({"content": [text, image()]})),
            (json!({"content": [text, note(2)]}), 1)
        );
    }

    #[test]
    fn an_image_is_taken_wherever_a_program_puts_it() {
        assert_eq!(taken(json!([image(), 5])), (json!([note(2), 5]), 1));
        assert_eq!(
            taken(json!({"shot": image(), "more": {"shots": [1, image()]}})),
            (json!({"shot": note(2), "more": {"shots": [1, note(3)]}}), 2)
        );
        let audio = json!({"type": "audio", "data": "AA==", "mimeType": "audio/wav", "_meta": {}});
        assert_eq!(
            taken(json!({"type": "report", "said": audio})),
            (
                json!({"type": "report", "said": {"type": "audio", "note": "see content block 2"}}),
                1
            )
        );
    }

    #[test]
    fn results_of_tools_are_taken_apart_wherever_a_program_puts_them() {
        let text = json!({"type": "text", "text": "hi"});
        let link = json!({"type": "resource_link", "uri": "mem://one", "name": "one"});
        assert_eq!(
            taken(json!([{"content": [text, image()]}, {"one": {"content": [link]}}])),
            (
                json!([
                    {"content": [text, note(2)]},
                    {"one": {"content": [{"type": "resource_link", "note": "see content block 3"}]}},
                ]),
                2
            )
        );
    }

    #[test]
    fn what_a_program_says_of_an_image_stays() {
        let (mut named, mut noted) = (image(), image());
        named["caption"] = json!("home");
        noted["note"] = json!("mine");
        named["thumb"] = image();
        let mark = json!({
            "type": "image", "caption": "home", "thumb": note(3), "note": "see content block 2",
        });
        assert_eq!(taken(json!({"a": named, "b": noted})), (json!({"a": mark, "b": noted}), 2));
    }

    #[test]
    fn a_value_of_many_images_keeps_those_that_nobody_would_see() {
        let shots = vec![image(); MAX_BELOW + 3];
        let (left, count) = taken(json!({"shots": shots}));
        assert_eq!(count, MAX_BELOW);
        assert_eq!(left["shots"][MAX_BELOW - 1], note(MAX_BELOW + 1));
        assert_eq!(left["shots"][MAX_BELOW], image());
        // A list of blocks is a result as tools give it.
        assert_eq!(taken(json!(shots)).1, MAX_BELOW + 3);
    }

    #[test]
    fn what_looks_like_blocks_within_blocks_costs_no_copy_of_each_level() {
        let mut value = json!("end");
        for _ in 0..90 {
            let item = json!({"type": "resource", "resource": {"content": [value]}});
            value = json!({"content": [item], "pad": "x".repeat(1 << 10)});
        }
        assert!(!is_shallow(&value, MAX_LEVELS));
        assert_eq!(taken(value.clone()), (value, 0));
    }

    #[test]
    fn a_picture_is_an_image_in_base64() {
        let image = Image { mime_type: "image/png", bytes: vec![0xff, 0xfe, 0x01] };
        let block = serde_json::to_value(picture(image)).unwrap();
        assert_eq!(block["type"], "image");
        assert_eq!((&block["data"], &block["mimeType"]), (&json!("//4B"), &json!("image/png")));
    }

    #[test]
    fn other_values_are_left_alone() {
        for value in [
            json!(1),
            json!([{"type": "image"}]),
            json!({"a": {"type": "image", "data": "AAAA"}}),
            json!({"a": {"type": "image", "mimeType": "image/png", "url": "https://a/b.png"}}),
            json!({"a": {"type": "image", "data": "not base64", "mimeType": "image/png"}}),
            json!({"a": {"type": "image", "data": "AAA", "mimeType": "image/png"}}),
            json!({"a": {"type": "image", "data": "====", "mimeType": "image/png"}}),
            json!({"a": {"type": "image", "data": [1, 2], "mimeType": "image/png"}}),
            json!({"a": {"type": "image", "data": "AAAA", "mimeType": "text/plain"}}),
            json!({"a": {"type": "image", "data": "AAAA", "mimeType": "image/"}}),
            json!({"a": {"type": "photo", "data": "AAAA", "mimeType": "image/png"}}),
            json!({"a": {"type": "image", "data": "AAAA", "mimeType": "image/png", "annotations": 5}}),
            json!({"a": {"type": "resource", "resource": {"uri": "a:b", "text": "c"}}}),
            json!({"content": "text"}),
            json!({"type": "circle", "r": 1}),
            json!([{"type": "text", "text": "hi"}]),
        ] {
            assert_eq!(taken(value.clone()), (value, 0));
        }
    }
}
