//! Ops of node:buffer, over bytes of a program's own.

use std::borrow::Cow;

use deno_core::convert::Uint8Array;
use deno_core::{op2, v8};
use deno_error::JsErrorBox;

/// What Node says of these, under its codes.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub(super) enum BufferError {
    #[error("Cannot create a string longer than 0x{:x} characters", v8::String::MAX_LENGTH)]
    #[class(generic)]
    #[property("code" = "ERR_STRING_TOO_LONG")]
    StringTooLong,
    #[error("Index out of range")]
    #[class(range)]
    #[property("code" = "ERR_OUT_OF_RANGE")]
    OutOfRange,
    #[error("The value of \"{0}\" is out of range.")]
    #[class(range)]
    #[property("code" = "ERR_OUT_OF_RANGE")]
    NamedOutOfRange(&'static str),
    #[error("Unable to transcode Buffer {0}->{1}")]
    #[class(generic)]
    NoTranscoding(String, String),
    #[error("Invalid UTF-8 or UTF-16 sequence")]
    #[class(generic)]
    IllFormed,
    #[error("Unknown encoding")]
    #[class(type)]
    UnknownEncoding,
}

#[op2(fast)]
pub(super) fn op_is_ascii(#[buffer] bytes: &[u8]) -> bool {
    bytes.is_ascii()
}

#[op2(fast)]
pub(super) fn op_is_utf8(#[buffer] bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
}

#[op2(fast)]
pub(super) fn op_node_view_has_buffer(view: v8::Local<v8::ArrayBufferView>) -> bool {
    view.has_buffer()
}

#[op2(fast)]
#[smi]
pub(super) fn op_node_buffer_compare(#[buffer] one: &[u8], #[buffer] other: &[u8]) -> i32 {
    one.cmp(other) as i32
}

/// Compares parts of two buffers. An end beyond its buffer is the buffer's end.
#[op2(fast)]
#[smi]
pub(super) fn op_node_buffer_compare_offset(
    #[buffer] source: &[u8],
    #[buffer] target: &[u8],
    #[smi] source_start: u32,
    #[smi] target_start: u32,
    #[smi] source_end: u32,
    #[smi] target_end: u32,
) -> Result<i32, BufferError> {
    let source = part(source, source_start, source_end)
        .ok_or(BufferError::NamedOutOfRange("sourceStart"))?;
    let target = part(target, target_start, target_end)
        .ok_or(BufferError::NamedOutOfRange("targetStart"))?;
    Ok(source.cmp(target) as i32)
}

fn part(bytes: &[u8], start: u32, end: u32) -> Option<&[u8]> {
    let (start, end) = (start as usize, (end as usize).min(bytes.len()));
    bytes.get(start..end.max(start))
}

/// What the numbers of Node's encodings mean, in the order of `buffer.mjs`. Hexadecimal and
/// base64 are not among them: V8 and deno_web have those.
enum Encoding {
    Utf8,
    Latin1,
    Ascii,
    Utf16,
}

impl Encoding {
    fn from_number(number: u8) -> Result<Self, BufferError> {
        Ok(match number {
            0 => Self::Utf8,
            1 => Self::Latin1,
            2 => Self::Ascii,
            3 => Self::Utf16,
            _ => return Err(BufferError::UnknownEncoding),
        })
    }
}

/// A part of a buffer as a string. The bytes are copied: a string is immutable.
#[op2]
pub(super) fn op_node_encoding_slice<'a>(
    scope: &mut v8::PinScope<'a, '_>,
    view: v8::Local<v8::ArrayBufferView>,
    start: v8::Local<v8::Value>,
    end: v8::Local<v8::Value>,
    encoding: u8,
) -> Result<v8::Local<'a, v8::String>, BufferError> {
    let encoding = Encoding::from_number(encoding)?;
    // Numbers only: any other value could run code of the program's as it is converted.
    let (start, end) = (index(start)?.unwrap_or(0), index(end)?);
    let mut storage = [0; v8::TYPED_ARRAY_MAX_SIZE_IN_HEAP];
    let bytes = view.get_contents(&mut storage);
    let end = end.unwrap_or(bytes.len()).max(start);
    let bytes = bytes.get(start..end).ok_or(BufferError::OutOfRange)?;
    decode(scope, bytes, encoding).ok_or(BufferError::StringTooLong)
}

fn index(value: v8::Local<v8::Value>) -> Result<Option<usize>, BufferError> {
    if value.is_undefined() {
        return Ok(None);
    }
    let number = v8::Local::<v8::Number>::try_from(value).map_err(|_| BufferError::OutOfRange)?;
    let number = number.value().trunc();
    if number.is_nan() {
        return Ok(Some(0));
    }
    // What is exact in a double is less than a usize.
    let is_index = (0.0..=9_007_199_254_740_991.0).contains(&number);
    if is_index { Ok(Some(number as usize)) } else { Err(BufferError::OutOfRange) }
}

/// None: the string would be too long.
fn decode<'a>(
    scope: &mut v8::PinScope<'a, '_>,
    bytes: &[u8],
    encoding: Encoding,
) -> Option<v8::Local<'a, v8::String>> {
    let one_byte = |scope: &mut v8::PinScope<'a, '_>, bytes: &[u8]| {
        v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal)
    };
    match encoding {
        Encoding::Latin1 => one_byte(scope, bytes),
        Encoding::Utf8 | Encoding::Ascii if bytes.is_ascii() => one_byte(scope, bytes),
        Encoding::Ascii => {
            let masked: Vec<u8> = bytes.iter().map(|byte| byte & 0x7f).collect();
            one_byte(scope, &masked)
        }
        Encoding::Utf8 => {
            // V8 replaces ill-formed sequences in another way than Node.
            let text = String::from_utf8_lossy(bytes);
            v8::String::new_from_utf8(scope, text.as_bytes(), v8::NewStringType::Normal)
        }
        Encoding::Utf16 => {
            v8::String::new_from_two_byte(scope, &units(bytes), v8::NewStringType::Normal)
        }
    }
}

/// UTF-16, little-endian; a last odd byte is none.
fn units(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[op2]
pub(super) fn op_transcode(
    #[buffer] source: &[u8],
    #[string] from: &str,
    #[string] to: &str,
) -> Result<Uint8Array, BufferError> {
    Ok(transcode(source, from, to)?.into())
}

fn transcode(source: &[u8], from: &str, to: &str) -> Result<Vec<u8>, BufferError> {
    let little_endian = |units: Vec<u16>| units.into_iter().flat_map(u16::to_le_bytes).collect();
    match (from, to) {
        ("utf8", "ascii") => Ok(narrow(source, 0x7f)),
        ("utf8", "latin1") => Ok(narrow(source, 0xff)),
        ("utf8", "utf16le") => {
            let text = std::str::from_utf8(source).map_err(|_| BufferError::IllFormed)?;
            Ok(little_endian(text.encode_utf16().collect()))
        }
        ("utf16le", "utf8") => {
            let text = String::from_utf16(&units(source)).map_err(|_| BufferError::IllFormed)?;
            Ok(text.into_bytes())
        }
        ("latin1" | "ascii", "utf16le") => {
            Ok(little_endian(source.iter().map(|&byte| byte.into()).collect()))
        }
        (from, to) => Err(BufferError::NoTranscoding(from.to_owned(), to.to_owned())),
    }
}

/// UTF-8 in one byte for each character, `?` for those above the largest.
fn narrow(source: &[u8], largest: u32) -> Vec<u8> {
    let text: Cow<'_, str> = String::from_utf8_lossy(source);
    let fits = |c: char| u8::try_from(u32::from(c)).ok().filter(|&byte| u32::from(byte) <= largest);
    text.chars().map(|c| fits(c).unwrap_or(b'?')).collect()
}

/// As V8 has it: no hole in an object of the program's runs code.
#[op2]
pub(super) fn op_node_get_own_non_index_properties<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    #[smi] filter: u32,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    const ENUMERABLE: u32 = 2;
    let property_filter = if filter & ENUMERABLE != 0 {
        v8::PropertyFilter::ONLY_ENUMERABLE
    } else {
        v8::PropertyFilter::ALL_PROPERTIES
    };
    let args = v8::GetPropertyNamesArgs {
        index_filter: v8::IndexFilter::SkipIndices,
        property_filter,
        mode: v8::KeyCollectionMode::OwnOnly,
        ..Default::default()
    };
    // None: a trap of a proxy threw, and its error is pending.
    let names = object.get_property_names(scope, args);
    Ok(names.map_or_else(|| v8::undefined(scope).into(), Into::into))
}

#[cfg(test)]
mod tests {
    use super::{part, transcode, units};

    #[test]
    fn a_part_never_leaves_its_buffer() {
        assert_eq!(part(b"abc", 1, 2), Some(&b"b"[..]));
        assert_eq!(part(b"abc", 1, u32::MAX), Some(&b"bc"[..]));
        assert_eq!(part(b"abc", 2, 1), Some(&b""[..]));
        assert_eq!(part(b"abc", 4, 5), None);
        assert_eq!(part(b"", u32::MAX, 0), None);
    }

    #[test]
    fn text_is_transcoded_as_node_does_it() {
        let bytes = |from, to, source: &[u8]| transcode(source, from, to).expect("known");
        assert_eq!(bytes("utf8", "latin1", "é€a".as_bytes()), b"\xe9?a");
        assert_eq!(bytes("utf8", "ascii", "é€a".as_bytes()), b"??a");
        assert_eq!(bytes("utf8", "utf16le", "€".as_bytes()), b"\xac\x20");
        assert_eq!(bytes("utf16le", "utf8", b"\xac\x20\0"), "€".as_bytes());
        assert_eq!(bytes("latin1", "utf16le", b"\xe9"), b"\xe9\0");
        assert!(transcode(b"\xff", "utf8", "utf16le").is_err());
        assert!(transcode(b"", "utf8", "hex").is_err());
    }

    #[test]
    fn an_odd_byte_is_no_unit() {
        assert_eq!(units(b"a\0b"), [0x61]);
    }
}
