//! Brotli (RFC 7932).

use brotli::enc::StandardAlloc;
use brotli::enc::encode::{
    BrotliEncoderOperation, BrotliEncoderParameter, BrotliEncoderStateStruct,
};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

use super::{Codec, CodecError, Flow, Flush, parameters};

type Settings = Vec<(BrotliEncoderParameter, u32)>;

pub(super) struct Encoder {
    state: BrotliEncoderStateStruct<StandardAlloc>,
    settings: Settings,
}

/// Parameters by their numbers in brotli/encode.h. Large windows, which are no part of
/// RFC 7932, are not among them.
fn settings(numbers: &[u32]) -> Option<Settings> {
    let setting = |(number, value)| {
        let parameter = match number {
            0 => BrotliEncoderParameter::BROTLI_PARAM_MODE,
            1 => BrotliEncoderParameter::BROTLI_PARAM_QUALITY,
            2 => BrotliEncoderParameter::BROTLI_PARAM_LGWIN,
            3 => BrotliEncoderParameter::BROTLI_PARAM_LGBLOCK,
            4 => BrotliEncoderParameter::BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING,
            5 => BrotliEncoderParameter::BROTLI_PARAM_SIZE_HINT,
            _ => return None,
        };
        Some((parameter, value))
    };
    // BROTLI_PARAM_LARGE_WINDOW, if it is off.
    let given = parameters(numbers).filter(|pair| *pair != (6, 0));
    given.map(setting).collect()
}

fn encoder(settings: &Settings) -> Option<BrotliEncoderStateStruct<StandardAlloc>> {
    let mut state = BrotliEncoderStateStruct::new(StandardAlloc::default());
    settings
        .iter()
        .all(|(parameter, value)| state.set_parameter(*parameter, *value))
        .then_some(state)
}

impl Encoder {
    pub(super) fn new(numbers: &[u32]) -> Option<Self> {
        let settings = settings(numbers)?;
        Some(Self { state: encoder(&settings)?, settings })
    }
}

impl Codec for Encoder {
    fn step(&mut self, flow: &mut Flow<'_>, flush: Flush) -> Result<(), CodecError> {
        let operation = match flush {
            Flush::None => BrotliEncoderOperation::BROTLI_OPERATION_PROCESS,
            Flush::Partial | Flush::Sync | Flush::Full => {
                BrotliEncoderOperation::BROTLI_OPERATION_FLUSH
            }
            Flush::Finish => BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
        };
        let (input, room) = flow.parts();
        let (mut input_left, mut taken) = (input.len(), 0);
        let (mut room_left, mut made) = (room.len(), 0);
        let went = self.state.compress_stream(
            operation,
            &mut input_left,
            input,
            &mut taken,
            &mut room_left,
            room,
            &mut made,
            &mut None,
            &mut |_, _, _, _| (),
        );
        flow.advance(taken, made);
        if went { Ok(()) } else { Err(CodecError::data("Compression failed")) }
    }

    fn reset(&mut self) {
        if let Some(state) = encoder(&self.settings) {
            self.state = state;
        }
    }
}

type DecoderState = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

pub(super) struct Decoder {
    state: Box<DecoderState>,
    has_ended: bool,
}

fn decoder() -> Box<DecoderState> {
    let alloc = StandardAlloc::default;
    Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()))
}

impl Decoder {
    /// BROTLI_DECODER_PARAM_DISABLE_RING_BUFFER_REALLOCATION (0) is a hint;
    /// BROTLI_DECODER_PARAM_LARGE_WINDOW (1) is not available.
    pub(super) fn new(numbers: &[u32]) -> Option<Self> {
        let is_known = parameters(numbers).all(|(number, value)| number == 0 || value == 0);
        is_known.then(|| Self { state: decoder(), has_ended: false })
    }
}

impl Codec for Decoder {
    fn step(&mut self, flow: &mut Flow<'_>, flush: Flush) -> Result<(), CodecError> {
        if self.has_ended {
            return Ok(());
        }
        let (input, room) = flow.parts();
        let (mut input_left, mut taken) = (input.len(), 0);
        let (mut room_left, mut made, mut total) = (room.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut input_left,
            &mut taken,
            input,
            &mut room_left,
            &mut made,
            room,
            &mut total,
            &mut self.state,
        );
        flow.advance(taken, made);
        match result {
            BrotliResult::ResultSuccess => self.has_ended = true,
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput if flush == Flush::Finish => {
                return Err(CodecError::end());
            }
            BrotliResult::NeedsMoreInput => {}
            BrotliResult::ResultFailure => return Err(CodecError::data("Decompression failed")),
        }
        Ok(())
    }

    fn reset(&mut self) {
        *self = Self { state: decoder(), has_ended: false };
    }
}
