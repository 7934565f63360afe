//! Compression for `node:zlib`: deflate, gzip, brotli and zstd, as streams whose
//! input and output are the program's own buffers.
//!
//! What a codec allocates is bounded, whatever the program or a stream says: sizes of
//! tables are those of the levels, and windows of more than a bound are an error. The most
//! are zstd's: some 90 MiB to compress, 128 MiB for what was compressed elsewhere.

mod brotli;
mod deflate;
mod flow;
mod inflate;
mod ops;
mod zstd;

pub(super) use ops::{
    op_conductor_codec, op_conductor_codec_close, op_conductor_codec_error,
    op_conductor_codec_reset, op_conductor_codec_write, op_zlib_crc32, op_zlib_crc32_string,
};

use flow::Flow;

/// zlib's return codes (zlib.h), which Node's `errno` repeats.
const NEED_DICTIONARY: i32 = 2;
const DATA_ERROR: i32 = -3;
const BUFFER_ERROR: i32 = -5;

/// Why a codec cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CodecError {
    message: String,
    errno: i32,
}

impl CodecError {
    fn data(message: &str) -> Self {
        Self { message: message.to_owned(), errno: DATA_ERROR }
    }

    /// The input ended where more was expected.
    fn end() -> Self {
        Self { message: "unexpected end of file".to_owned(), errno: BUFFER_ERROR }
    }
}

/// What the program wants done with what is in the codec (zlib.h, brotli/encode.h
/// and zstd.h have numbers of their own).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    None,
    Partial,
    Sync,
    Full,
    Finish,
}

/// A stream's coder or decoder.
trait Codec {
    /// Takes input and makes output, as much of both as is possible.
    fn step(&mut self, flow: &mut Flow<'_>, flush: Flush) -> Result<(), CodecError>;

    /// Begins a new stream with the same settings.
    fn reset(&mut self);

    /// Input after the end of a gzip member is left to the program.
    fn reject_garbage(&mut self) {}
}

/// Node's numbers of codecs (`node_zlib_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Deflate,
    Inflate,
    Gzip,
    Gunzip,
    DeflateRaw,
    InflateRaw,
    Unzip,
    BrotliDecode,
    BrotliEncode,
    ZstdCompress,
    ZstdDecompress,
}

impl Mode {
    fn new(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Deflate,
            2 => Self::Inflate,
            3 => Self::Gzip,
            4 => Self::Gunzip,
            5 => Self::DeflateRaw,
            6 => Self::InflateRaw,
            7 => Self::Unzip,
            8 => Self::BrotliDecode,
            9 => Self::BrotliEncode,
            10 => Self::ZstdCompress,
            11 => Self::ZstdDecompress,
            _ => return None,
        })
    }

    /// A flush by the number that it has for the codec.
    fn flush(self, number: i32) -> Option<Flush> {
        match self {
            Self::BrotliDecode | Self::BrotliEncode | Self::ZstdCompress | Self::ZstdDecompress => {
                [Flush::None, Flush::Sync, Flush::Finish]
                    .get(usize::try_from(number).ok()?)
                    .copied()
            }
            Self::Deflate
            | Self::Inflate
            | Self::Gzip
            | Self::Gunzip
            | Self::DeflateRaw
            | Self::InflateRaw
            | Self::Unzip => {
                // Z_BLOCK ends a block without aligning it, which flate2 cannot.
                let known = [
                    Flush::None,
                    Flush::Partial,
                    Flush::Sync,
                    Flush::Full,
                    Flush::Finish,
                    Flush::Sync,
                ];
                known.get(usize::try_from(number).ok()?).copied()
            }
        }
    }
}

/// The codec of a mode, or none if its parameters are not available here. `level` is
/// of deflate; `parameters` are brotli's and zstd's by their numbers.
fn codec(mode: Mode, level: i32, parameters: &[u32], size: Option<u64>) -> Option<Box<dyn Codec>> {
    use deflate::{Deflate, Wrapping};
    use inflate::{Format, Inflate};
    Some(match mode {
        Mode::Deflate => Box::new(Deflate::new(Wrapping::Zlib, level)),
        Mode::Gzip => Box::new(Deflate::new(Wrapping::Gzip, level)),
        Mode::DeflateRaw => Box::new(Deflate::new(Wrapping::Raw, level)),
        Mode::Inflate => Box::new(Inflate::new(Format::Zlib)),
        Mode::Gunzip => Box::new(Inflate::new(Format::Gzip)),
        Mode::InflateRaw => Box::new(Inflate::new(Format::Raw)),
        Mode::Unzip => Box::new(Inflate::new(Format::Either)),
        Mode::BrotliEncode => Box::new(brotli::Encoder::new(parameters)?),
        Mode::BrotliDecode => Box::new(brotli::Decoder::new(parameters)?),
        Mode::ZstdCompress => Box::new(zstd::Encoder::new(parameters, size)?),
        Mode::ZstdDecompress => Box::new(zstd::Decoder::new(parameters)?),
    })
}

/// A number by its index, if the program set it.
fn parameters(numbers: &[u32]) -> impl Iterator<Item = (usize, u32)> + '_ {
    numbers.iter().copied().enumerate().filter(|(_, value)| *value != u32::MAX)
}

#[cfg(test)]
mod zlib_tests;
