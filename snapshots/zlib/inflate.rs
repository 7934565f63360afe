//! Decompression of deflate: raw (RFC 1951), zlib (RFC 1950) and gzip (RFC 1952). The
//! texts of errors are zlib's own, which packages compare.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{Codec, CodecError, Flow, Flush, NEED_DICTIONARY};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Raw,
    Zlib,
    Gzip,
    /// Gzip or zlib, as the first bytes say.
    Either,
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Flags of a gzip header (RFC 1952, 2.3.1), and those that are reserved.
const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;
/// Magic, method, flags, time, extra flags and system.
const FIXED_HEADER: usize = 10;
/// Check sum and length.
const TRAILER: usize = 8;
/// The method of both formats (RFC 1950, 2.2), and zlib's flag of a preset dictionary.
const DEFLATE_METHOD: u8 = 8;
const PRESET_DICTIONARY: u8 = 0x20;
/// The two bytes of a zlib header are a multiple of this.
const HEADER_CHECK: u16 = 31;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first bytes, of which `kept` are known.
    Start,
    Gzip(Field),
    Body,
    Trailer,
    Ended,
}

/// The variable part of a gzip header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Fixed,
    ExtraLength,
    Extra(u16),
    Name,
    Comment,
    Check,
}

pub(super) struct Inflate {
    format: Format,
    decoder: Decompress,
    state: State,
    /// The part of a header or trailer that has come.
    kept: Vec<u8>,
    flags: u8,
    crc: Crc,
    is_gzip: bool,
    one_member: bool,
}

impl Inflate {
    pub(super) fn new(format: Format) -> Self {
        let mut this = Self {
            format,
            // Headers of zlib are read here, for their errors.
            decoder: Decompress::new(format == Format::Zlib || format == Format::Either),
            state: State::Start,
            kept: Vec::with_capacity(FIXED_HEADER),
            flags: 0,
            crc: Crc::new(),
            is_gzip: false,
            one_member: false,
        };
        this.begin();
        this
    }

    fn begin(&mut self) {
        self.kept.clear();
        self.crc = Crc::new();
        self.is_gzip = self.format == Format::Gzip;
        self.state = match self.format {
            Format::Raw => State::Body,
            Format::Gzip => State::Gzip(Field::Fixed),
            Format::Zlib | Format::Either => State::Start,
        };
        self.decoder.reset(matches!(self.format, Format::Zlib | Format::Either));
    }

    /// The first two bytes: of gzip, or a zlib header, which is the decoder's then.
    fn start(&mut self, flow: &mut Flow<'_>) -> Result<bool, CodecError> {
        if !self.keep(flow, GZIP_MAGIC.len()) {
            return Ok(false);
        }
        if self.format == Format::Either && self.kept == GZIP_MAGIC {
            self.is_gzip = true;
            self.decoder.reset(false);
            self.state = State::Gzip(Field::Fixed);
            return Ok(true);
        }
        let (method, flags) = (self.kept[0], self.kept[1]);
        if !u16::from_be_bytes([method, flags]).is_multiple_of(HEADER_CHECK) {
            return Err(CodecError::data("incorrect header check"));
        }
        if method & 0xf != DEFLATE_METHOD {
            return Err(CodecError::data("unknown compression method"));
        }
        if flags & PRESET_DICTIONARY != 0 {
            let message = "Missing dictionary".to_owned();
            return Err(CodecError { message, errno: NEED_DICTIONARY });
        }
        let header = std::mem::take(&mut self.kept);
        let fed = self.decoder.decompress(&header, &mut [], FlushDecompress::None);
        fed.map_err(|_| CodecError::data("invalid window size"))?;
        self.state = State::Body;
        Ok(true)
    }

    /// Whether `length` bytes of a header or trailer are there.
    fn keep(&mut self, flow: &mut Flow<'_>, length: usize) -> bool {
        while self.kept.len() < length {
            let Some(byte) = flow.take() else { return false };
            self.kept.push(byte);
        }
        true
    }

    /// One field of a gzip header.
    fn header(&mut self, flow: &mut Flow<'_>, field: Field) -> Result<bool, CodecError> {
        let next = match field {
            Field::Fixed => {
                if !self.keep(flow, FIXED_HEADER) {
                    // What is no gzip is said at once.
                    return if GZIP_MAGIC.starts_with(&self.kept[..self.kept.len().min(2)]) {
                        Ok(false)
                    } else {
                        Err(CodecError::data("incorrect header check"))
                    };
                }
                self.fixed_header()?;
                Field::ExtraLength
            }
            Field::ExtraLength if self.flags & EXTRA == 0 => Field::Name,
            Field::ExtraLength => {
                if !self.keep(flow, 2) {
                    return Ok(false);
                }
                Field::Extra(u16::from_le_bytes([self.kept[0], self.kept[1]]))
            }
            Field::Extra(0) => Field::Name,
            Field::Extra(length) => {
                if flow.take().is_none() {
                    return Ok(false);
                }
                Field::Extra(length - 1)
            }
            Field::Name if self.flags & NAME == 0 => Field::Comment,
            Field::Comment if self.flags & COMMENT == 0 => Field::Check,
            Field::Name | Field::Comment => match flow.take() {
                None => return Ok(false),
                Some(0) if field == Field::Name => Field::Comment,
                Some(0) => Field::Check,
                Some(_) => field,
            },
            Field::Check if self.flags & HEADER_CRC != 0 && !self.keep(flow, 2) => {
                return Ok(false);
            }
            Field::Check => {
                self.kept.clear();
                self.state = State::Body;
                return Ok(true);
            }
        };
        if next != field {
            self.kept.clear();
        }
        self.state = State::Gzip(next);
        Ok(true)
    }

    fn fixed_header(&mut self) -> Result<(), CodecError> {
        if self.kept[..2] != GZIP_MAGIC {
            return Err(CodecError::data("incorrect header check"));
        }
        if self.kept[2] != DEFLATE_METHOD {
            return Err(CodecError::data("unknown compression method"));
        }
        self.flags = self.kept[3];
        if self.flags & RESERVED != 0 {
            return Err(CodecError::data("unknown header flags set"));
        }
        Ok(())
    }

    /// Whether the body has ended.
    fn body(&mut self, flow: &mut Flow<'_>) -> Result<bool, CodecError> {
        let start = flow.made();
        let (input, room) = flow.parts();
        let (taken, made) = (self.decoder.total_in(), self.decoder.total_out());
        let status = self.decoder.decompress(input, room, FlushDecompress::None);
        let taken = (self.decoder.total_in() - taken) as usize;
        let made = (self.decoder.total_out() - made) as usize;
        flow.advance(taken, made);
        if self.is_gzip {
            self.crc.update(flow.made_since(start));
        }
        match status {
            Ok(Status::StreamEnd) => {
                self.state = if self.is_gzip { State::Trailer } else { State::Ended };
                Ok(true)
            }
            Ok(Status::Ok | Status::BufError) => Ok(taken + made > 0),
            Err(error) if error.needs_dictionary().is_some() => {
                Err(CodecError { message: "Missing dictionary".to_owned(), errno: NEED_DICTIONARY })
            }
            Err(error) => Err(CodecError::data(error.message().unwrap_or("invalid deflate data"))),
        }
    }

    fn trailer(&mut self, flow: &mut Flow<'_>) -> Result<bool, CodecError> {
        if !self.keep(flow, TRAILER) {
            return Ok(false);
        }
        let (sum, amount) = self.kept.split_at(4);
        if sum != self.crc.sum().to_le_bytes() {
            return Err(CodecError::data("incorrect data check"));
        }
        if amount != self.crc.amount().to_le_bytes() {
            return Err(CodecError::data("incorrect length check"));
        }
        self.state = State::Ended;
        Ok(true)
    }

    /// Another member may follow; what begins with 0 is padding.
    fn another(&mut self, flow: &Flow<'_>) -> bool {
        let follows = self.is_gzip && !self.one_member;
        if !follows || flow.input().first().is_none_or(|byte| *byte == 0) {
            return false;
        }
        self.kept.clear();
        self.crc = Crc::new();
        self.decoder.reset(false);
        self.state = State::Gzip(Field::Fixed);
        true
    }
}

impl Codec for Inflate {
    fn step(&mut self, flow: &mut Flow<'_>, flush: Flush) -> Result<(), CodecError> {
        loop {
            let went_on = match self.state {
                State::Start => self.start(flow)?,
                State::Gzip(field) => self.header(flow, field)?,
                State::Body => self.body(flow)?,
                State::Trailer => self.trailer(flow)?,
                State::Ended => self.another(flow),
            };
            if !went_on {
                break;
            }
        }
        if flush == Flush::Finish && self.state != State::Ended && flow.rest_of_room() > 0 {
            return Err(CodecError::end());
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.begin();
    }

    fn reject_garbage(&mut self) {
        self.one_member = true;
    }
}
