//! Compression with deflate: raw (RFC 1951), zlib (RFC 1950) and gzip (RFC 1952).

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::{BUFFER_ERROR, Codec, CodecError, Flow, Flush};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    Raw,
    Zlib,
    Gzip,
}

/// A gzip header without a name or a time, from a Unix system (RFC 1952, 2.3).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

pub(super) struct Deflate {
    coder: Compress,
    wrapping: Wrapping,
    /// Header or trailer of gzip, of which `sent` bytes are out.
    frame: Vec<u8>,
    sent: usize,
    crc: Crc,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Body,
    /// The body has ended.
    Ended,
}

impl Deflate {
    /// `level` is -1 (the default, 6) to 9.
    pub(super) fn new(wrapping: Wrapping, level: i32) -> Self {
        let level = u32::try_from(level).map_or(Compression::default(), |level| {
            Compression::new(level.min(Compression::best().level()))
        });
        let mut this = Self {
            coder: Compress::new(level, wrapping == Wrapping::Zlib),
            wrapping,
            frame: Vec::new(),
            sent: 0,
            crc: Crc::new(),
            state: State::Body,
        };
        this.begin();
        this
    }

    fn begin(&mut self) {
        self.frame =
            if self.wrapping == Wrapping::Gzip { GZIP_HEADER.to_vec() } else { Vec::new() };
        self.sent = 0;
        self.crc = Crc::new();
        self.state = State::Body;
    }

    /// Whether all of the header or trailer is out.
    fn send_frame(&mut self, flow: &mut Flow<'_>) -> bool {
        self.sent += flow.put(&self.frame[self.sent..]);
        self.sent == self.frame.len()
    }

    fn end(&mut self) {
        self.state = State::Ended;
        if self.wrapping == Wrapping::Gzip {
            self.frame = [self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes()].concat();
            self.sent = 0;
        }
    }

    fn compress(&mut self, flow: &mut Flow<'_>, flush: Flush) -> Result<(), CodecError> {
        let (input, room) = flow.parts();
        let (taken, made) = (self.coder.total_in(), self.coder.total_out());
        let status = self.coder.compress(input, room, flush.into());
        let taken = (self.coder.total_in() - taken) as usize;
        let made = (self.coder.total_out() - made) as usize;
        if self.wrapping == Wrapping::Gzip {
            self.crc.update(&input[..taken]);
        }
        flow.advance(taken, made);
        match status {
            Ok(Status::StreamEnd) => self.end(),
            // Without room the program calls again.
            Ok(Status::Ok | Status::BufError) => {}
            Err(error) => {
                return Err(CodecError { message: error.to_string(), errno: BUFFER_ERROR });
            }
        }
        Ok(())
    }
}

impl Codec for Deflate {
    fn step(&mut self, flow: &mut Flow<'_>, flush: Flush) -> Result<(), CodecError> {
        if !self.send_frame(flow) {
            return Ok(());
        }
        if self.state == State::Body && flow.rest_of_room() > 0 {
            self.compress(flow, flush)?;
            self.send_frame(flow);
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.coder.reset();
        self.begin();
    }
}

impl From<Flush> for FlushCompress {
    fn from(flush: Flush) -> Self {
        match flush {
            Flush::None => Self::None,
            Flush::Partial => Self::Partial,
            Flush::Sync => Self::Sync,
            Flush::Full => Self::Full,
            Flush::Finish => Self::Finish,
        }
    }
}
