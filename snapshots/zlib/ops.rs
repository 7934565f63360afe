//! The ops of `node:zlib`'s classes (js/node/ops/zlib.js).

use std::cell::RefCell;

use deno_core::{GarbageCollected, op2, v8};
use deno_error::JsErrorBox;

use super::{Codec, CodecError, Flow, Mode, codec};

/// A stream, until it is closed or nobody has it any more.
pub(crate) struct Stream {
    mode: Mode,
    codec: RefCell<Option<Box<dyn Codec>>>,
    failed: RefCell<Option<CodecError>>,
}

// SAFETY: it holds nothing of V8's.
unsafe impl GarbageCollected for Stream {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"CompressionStream"
    }
}

/// A new stream. `size` is how much will be compressed, if it is 0 or more.
#[op2]
#[cppgc]
pub(crate) fn op_conductor_codec(
    #[smi] mode: i32,
    #[smi] level: i32,
    #[buffer] parameters: &[u32],
    size: f64,
    one_member: bool,
) -> Result<Stream, JsErrorBox> {
    let unavailable = || JsErrorBox::type_error("These settings of compression are not available");
    let mode = Mode::new(mode).ok_or_else(unavailable)?;
    // Whole numbers of JavaScript's that are larger cannot be told apart.
    let size = (size >= 0.0).then_some(size as u64);
    let mut codec = codec(mode, level, parameters, size).ok_or_else(unavailable)?;
    if one_member {
        codec.reject_garbage();
    }
    Ok(Stream { mode, codec: RefCell::new(Some(codec)), failed: RefCell::default() })
}

/// The part of a buffer that the program names.
fn range(length: usize, offset: u32, wanted: u32) -> Option<std::ops::Range<usize>> {
    let start = offset as usize;
    let end = start.checked_add(wanted as usize)?;
    (end <= length).then_some(start..end)
}

/// Takes input and makes output; `left` gets the room and the input that are left.
/// Returns 0, or zlib's number of an error.
#[op2(fast)]
#[smi]
#[allow(clippy::too_many_arguments, reason = "as Node's binding has it")]
pub(crate) fn op_conductor_codec_write(
    #[cppgc] stream: &Stream,
    #[smi] flush: i32,
    #[buffer] input: &[u8],
    #[smi] input_offset: u32,
    #[smi] input_length: u32,
    #[buffer] output: &mut [u8],
    #[smi] output_offset: u32,
    #[smi] output_length: u32,
    #[buffer] left: &mut [u32],
) -> Result<i32, JsErrorBox> {
    let outside = || JsErrorBox::type_error("The range is not within the buffer");
    if left.len() < 2 || overlap(left, input) || overlap(left, output) {
        return Err(JsErrorBox::type_error("What is left needs two numbers of its own"));
    }
    let input = &input[range(input.len(), input_offset, input_length).ok_or_else(outside)?];
    let room = range(output.len(), output_offset, output_length).ok_or_else(outside)?;
    let output = &mut output[room];
    if overlap(input, output) {
        return Err(JsErrorBox::type_error("Input and output must be different buffers"));
    }
    let flush = stream.mode.flush(flush);
    let flush = flush.ok_or_else(|| JsErrorBox::type_error("Unknown kind of flush"))?;
    let mut codec = stream.codec.borrow_mut();
    let codec = codec.as_mut().ok_or_else(|| JsErrorBox::type_error("The stream is closed"))?;
    let mut flow = Flow::new(input, output);
    let result = codec.step(&mut flow, flush);
    // Buffers are at most 4 GiB, by the arguments' types.
    left[0] = flow.rest_of_room() as u32;
    left[1] = flow.rest_of_input() as u32;
    Ok(result.map_or_else(
        |error| {
            let errno = error.errno;
            *stream.failed.borrow_mut() = Some(error);
            errno
        },
        |()| 0,
    ))
}

/// Whether two slices, of which one may be written to, have memory in common.
pub(super) fn overlap<A, B>(one: &[A], other: &[B]) -> bool {
    if one.is_empty() || other.is_empty() {
        return false;
    }
    let (one, other) = (one.as_ptr_range(), other.as_ptr_range());
    one.start.cast::<()>() < other.end.cast() && other.start.cast::<()>() < one.end.cast()
}

/// What the last error was.
#[op2]
#[string]
pub(crate) fn op_conductor_codec_error(#[cppgc] stream: &Stream) -> String {
    stream.failed.borrow().as_ref().map_or_else(String::new, |error| error.message.clone())
}

#[op2(fast)]
pub(crate) fn op_conductor_codec_reset(#[cppgc] stream: &Stream) {
    if let Some(codec) = stream.codec.borrow_mut().as_mut() {
        codec.reset();
    }
}

#[op2(fast)]
pub(crate) fn op_conductor_codec_close(#[cppgc] stream: &Stream) {
    drop(stream.codec.borrow_mut().take());
}

#[op2(fast)]
pub(crate) fn op_zlib_crc32(#[buffer] data: &[u8], value: u32) -> u32 {
    crc32(data, value)
}

#[op2(fast)]
pub(crate) fn op_zlib_crc32_string(#[string] data: &str, value: u32) -> u32 {
    crc32(data.as_bytes(), value)
}

/// The sums of single bytes (RFC 1952, section 8).
const SUMS: [u32; 256] = {
    let mut sums = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u32, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
            bit += 1;
        }
        sums[byte] = sum;
        byte += 1;
    }
    sums
};

/// The sum of what `value` is the sum of, and `data` after it. flate2 cannot go on from
/// a sum.
pub(super) fn crc32(data: &[u8], value: u32) -> u32 {
    !data.iter().fold(!value, |sum, byte| SUMS[usize::from(sum as u8 ^ byte)] ^ (sum >> 8))
}
