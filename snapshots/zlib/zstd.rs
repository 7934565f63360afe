//! Zstandard (RFC 8878).

use std::io;

use zstd::stream::raw::{CParameter, DParameter, InBuffer, Operation, OutBuffer};
use zstd::stream::raw::{Decoder as RawDecoder, Encoder as RawEncoder};

use super::{Codec, CodecError, Flow, Flush, parameters};

/// The largest window that zstd's decoder takes by default (ZSTD_WINDOWLOG_LIMIT_DEFAULT),
/// 128 MiB.
const MAX_WINDOW_LOG: u32 = 27;

/// The strongest level that is not called ultra: its tables take some 80 MiB, and those of
/// level 22 some 600 MiB. A higher one compresses as this does.
const MAX_LEVEL: i32 = 19;

/// The largest window of a coder, 8 MiB: that of [`MAX_LEVEL`], and what every decoder
/// takes (RFC 8878, 3.1.1.1.2).
const MAX_CODER_WINDOW_LOG: u32 = 23;

fn failed(error: &io::Error) -> CodecError {
    CodecError::data(&error.to_string())
}

pub(super) struct Encoder {
    raw: RawEncoder<'static>,
    /// A frame has ended, and no input has come since.
    has_ended: bool,
}

/// Parameters by their numbers in zstd.h. Those that set the sizes of tables, or threads,
/// are not available.
fn setting(number: usize, value: u32) -> Option<CParameter> {
    Some(match number {
        100 => CParameter::CompressionLevel(value.cast_signed().min(MAX_LEVEL)),
        101 if value <= MAX_CODER_WINDOW_LOG => CParameter::WindowLog(value),
        200 => CParameter::ContentSizeFlag(value != 0),
        201 => CParameter::ChecksumFlag(value != 0),
        202 => CParameter::DictIdFlag(value != 0),
        _ => return None,
    })
}

/// ZSTD_c_nbWorkers, of which there are none.
const WORKERS: (usize, u32) = (400, 0);

impl Encoder {
    pub(super) fn new(numbers: &[u32], size: Option<u64>) -> Option<Self> {
        let mut raw = RawEncoder::new(zstd::DEFAULT_COMPRESSION_LEVEL).ok()?;
        for (number, value) in parameters(numbers).filter(|pair| *pair != WORKERS) {
            raw.set_parameter(setting(number, value)?).ok()?;
        }
        if size.is_some() {
            raw.set_pledged_src_size(size).ok()?;
        }
        Some(Self { raw, has_ended: false })
    }
}

impl Codec for Encoder {
    fn step(&mut self, flow: &mut Flow<'_>, flush: Flush) -> Result<(), CodecError> {
        // A second end would begin a frame of nothing.
        if self.has_ended && flow.rest_of_input() == 0 {
            return Ok(());
        }
        let (input, room) = flow.parts();
        let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(room));
        let mut left = Ok(1);
        while from.pos() < input.len() && to.pos() < to.capacity() && left.is_ok() {
            left = self.raw.run(&mut from, &mut to);
        }
        if left.is_ok() && from.pos() == input.len() {
            left = match flush {
                Flush::None => left,
                Flush::Partial | Flush::Sync | Flush::Full => self.raw.flush(&mut to),
                Flush::Finish => self.raw.finish(&mut to, true),
            };
            self.has_ended = flush == Flush::Finish && matches!(left, Ok(0));
        }
        let (taken, made) = (from.pos(), to.pos());
        flow.advance(taken, made);
        left.map(drop).map_err(|error| failed(&error))
    }

    fn reset(&mut self) {
        self.has_ended = false;
        // Only a session is reset, which cannot fail.
        let _ = self.raw.reinit();
    }
}

pub(super) struct Decoder {
    raw: RawDecoder<'static>,
    /// Within a frame.
    is_inside: bool,
}

impl Decoder {
    pub(super) fn new(numbers: &[u32]) -> Option<Self> {
        let mut raw = RawDecoder::new().ok()?;
        for (number, value) in parameters(numbers) {
            // ZSTD_d_windowLogMax.
            if number != 100 || value > MAX_WINDOW_LOG {
                return None;
            }
            raw.set_parameter(DParameter::WindowLogMax(value)).ok()?;
        }
        Some(Self { raw, is_inside: false })
    }
}

impl Codec for Decoder {
    fn step(&mut self, flow: &mut Flow<'_>, flush: Flush) -> Result<(), CodecError> {
        let (input, room) = flow.parts();
        let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(room));
        let result = loop {
            let before = (from.pos(), to.pos());
            if !self.is_inside && from.pos() == input.len() {
                break Ok(());
            }
            match self.raw.run(&mut from, &mut to) {
                Ok(left) => self.is_inside = left != 0,
                Err(error) => break Err(failed(&error)),
            }
            if to.pos() == to.capacity() || before == (from.pos(), to.pos()) {
                break Ok(());
            }
        };
        let (taken, made) = (from.pos(), to.pos());
        flow.advance(taken, made);
        result?;
        if flush == Flush::Finish && self.is_inside && flow.rest_of_room() > 0 {
            return Err(CodecError::end());
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.is_inside = false;
        // Only a session is reset, which cannot fail.
        let _ = self.raw.reinit();
    }
}
