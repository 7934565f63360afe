//! Frames: a length (u32, little endian), then that many bytes of postcard.

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Bytes of the length before each frame.
const HEADER_BYTES: usize = 4;

/// Bytes of a reader's buffer that are kept for the next frames: as many as one read of
/// a worker brings, and more than most frames have.
const KEPT: usize = 256 << 10;

/// Why a frame cannot be used.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    /// The length names more than the receiver accepts.
    #[error("a frame of {length} bytes is larger than {limit}")]
    TooLarge { length: usize, limit: usize },
    /// The bytes are not a message.
    #[error("a frame is not a valid message: {0}")]
    Invalid(#[from] postcard::Error),
}

/// A message as a whole frame, header included.
///
/// # Panics
/// If a message is larger than 4 GiB; the senders' own limits are far below.
pub(crate) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let mut frame =
        postcard::to_extend(message, vec![0; HEADER_BYTES]).expect("a Vec takes every message");
    let length = u32::try_from(frame.len() - HEADER_BYTES).expect("limits are below 4 GiB");
    frame[..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    frame
}

/// The body of a whole frame.
pub(crate) fn frame_body(frame: &[u8]) -> &[u8] {
    frame.get(HEADER_BYTES..).unwrap_or_default()
}

/// The message in a frame's body. Bytes after the message are an error.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    let (message, rest) = postcard::take_from_bytes(body)?;
    if rest.is_empty() {
        Ok(message)
    } else {
        Err(FrameError::Invalid(postcard::Error::DeserializeBadEncoding))
    }
}

/// Cuts a byte stream into frames. Holds at most one frame of the limit's size
/// and what one read brought beyond it.
pub(crate) struct FrameReader {
    buffer: Vec<u8>,
    start: usize,
    limit: usize,
}

impl FrameReader {
    /// A reader that refuses frames of more than `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, limit }
    }

    /// Adds bytes as they came from the socket.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.spare(bytes.len()).extend_from_slice(bytes);
    }

    /// Room for at least `bytes` more, to be appended to by a read.
    pub(crate) fn spare(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        self.buffer.reserve(bytes);
        &mut self.buffer
    }

    /// The next whole frame's body, if it has arrived.
    pub(crate) fn next_body(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let pending = &self.buffer[self.start..];
        let Some(header) = pending.first_chunk::<HEADER_BYTES>() else {
            self.compact();
            return Ok(None);
        };
        let length = u32::from_le_bytes(*header) as usize;
        if length > self.limit {
            return Err(FrameError::TooLarge { length, limit: self.limit });
        }
        if pending.len() < HEADER_BYTES + length {
            self.compact();
            return Ok(None);
        }
        let body = self.start + HEADER_BYTES;
        self.start = body + length;
        Ok(Some(&self.buffer[body..self.start]))
    }

    fn compact(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
        // One large frame must not make the buffer stay that large.
        if self.buffer.len() < self.buffer.capacity() / 4 {
            self.buffer.shrink_to(KEPT.max(self.buffer.len() * 2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_from_its_frame_byte_by_byte() {
        let frame = encode(&("text".to_owned(), 7u32));
        let mut reader = FrameReader::new(64);
        for byte in &frame[..frame.len() - 1] {
            reader.push(&[*byte]);
            assert!(reader.next_body().unwrap().is_none());
        }
        reader.push(&frame[frame.len() - 1..]);
        let body = reader.next_body().unwrap().unwrap();
        assert_eq!(decode::<(String, u32)>(body).unwrap(), ("text".to_owned(), 7));
        assert!(reader.next_body().unwrap().is_none());
    }

    #[test]
    fn two_frames_in_one_read_come_out_in_order() {
        let mut reader = FrameReader::new(64);
        reader.push(&[encode(&1u8), encode(&2u8)].concat());
        assert_eq!(decode::<u8>(reader.next_body().unwrap().unwrap()).unwrap(), 1);
        assert_eq!(decode::<u8>(reader.next_body().unwrap().unwrap()).unwrap(), 2);
    }

    #[test]
    fn the_room_for_a_large_frame_is_given_back() {
        let mut reader = FrameReader::new(8 << 20);
        let large = encode(&vec![1u8; 4 << 20]);
        for piece in large.chunks(KEPT) {
            assert!(reader.next_body().unwrap().is_none());
            reader.push(piece);
        }
        assert_eq!(reader.next_body().unwrap().map(<[u8]>::len), Some(large.len() - HEADER_BYTES));
        assert!(reader.next_body().unwrap().is_none());
        assert!(reader.buffer.capacity() <= KEPT, "{}", reader.buffer.capacity());
        reader.push(&encode(&7u8));
        assert_eq!(decode::<u8>(reader.next_body().unwrap().unwrap()).unwrap(), 7);
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_by_its_header_alone() {
        let mut reader = FrameReader::new(64);
        reader.push(&65u32.to_le_bytes());
        assert_eq!(
            reader.next_body().unwrap_err().to_string(),
            "a frame of 65 bytes is larger than 64"
        );
    }

    #[test]
    fn a_length_inside_a_frame_that_it_does_not_hold_allocates_nothing_and_is_refused() {
        // postcard's varint for a string of 2^28 bytes, and no bytes.
        let body = [0x80, 0x80, 0x80, 0x80, 0x01];
        assert!(decode::<String>(&body).is_err());
        assert!(decode::<Vec<String>>(&body).is_err());
    }

    #[test]
    fn bytes_after_a_message_are_refused() {
        assert!(decode::<u8>(&[1, 2]).is_err());
    }
}
