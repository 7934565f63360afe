//! Bodies of responses as they are, or decompressed. What a decoder keeps is charged to
//! the run before there is one: whoever compresses says how much that is.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use http::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use thiserror::Error as ThisError;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

use crate::memory::{Account, Charge, NoMemory};

/// What is asked for where a program asks for nothing.
pub(super) const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip,deflate,br,zstd");

/// Bytes that are decoded at once.
const PIECE: usize = 16 << 10;

/// The largest window of zstd over HTTP, 8 MiB (RFC 9659, section 3), and one that
/// nearly every body has at most: level 3 uses 2 MiB.
const MAX_ZSTD_WINDOW: u32 = 23;
const COMMON_ZSTD_WINDOW: u32 = 21;

/// What a decoder of zstd keeps besides its window: a block of 128 KiB, and as much
/// that was decoded and not taken.
const ZSTD_BLOCKS: usize = 256 << 10;

/// The largest window of Brotli, 16 MiB (RFC 7932, section 9.1).
const MAX_BROTLI_WINDOW: u32 = 24;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Encoding {
    /// Of a response, if it has one of those that were asked for.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get(CONTENT_ENCODING)?.as_bytes() {
            b"gzip" => Some(Self::Gzip),
            b"deflate" => Some(Self::Deflate),
            b"br" => Some(Self::Brotli),
            b"zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Why a body could not be decoded.
#[derive(Debug, ThisError)]
pub(super) enum DecodeError {
    #[error(transparent)]
    Memory(#[from] NoMemory),
    #[error("its compression needs {0}; at most 8 MiB for zstd and 16 MiB for Brotli are accepted")]
    Window(String),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl DecodeError {
    /// What the HTTP client said, if it was its error.
    pub(super) fn of_client(&self) -> Option<&reqwest::Error> {
        let Self::Io(error) = self else { return None };
        let inner: &(dyn Error + 'static) = error.get_ref()?;
        inner.downcast_ref()
    }
}

type Raw = Pin<Box<dyn AsyncBufRead + Send>>;

/// A compressed body, in pieces of what it was before.
pub(super) struct Decoded {
    state: State,
    account: Account,
    patience: Duration,
}

enum State {
    /// Nothing was read, so that nothing is kept.
    Untouched(Raw, Encoding),
    Open(Pin<Box<dyn AsyncRead + Send>>, #[expect(dead_code, reason = "held")] Charge),
    Ended,
}

impl Decoded {
    /// `patience` is for memory that others have.
    pub(super) fn new(
        response: reqwest::Response,
        encoding: Encoding,
        account: Account,
        patience: Duration,
    ) -> Self {
        let stream = response.bytes_stream().map_err(io::Error::other);
        Self::of(Box::pin(StreamReader::new(Box::pin(stream))), encoding, account, patience)
    }

    fn of(raw: Raw, encoding: Encoding, account: Account, patience: Duration) -> Self {
        Self { state: State::Untouched(raw, encoding), account, patience }
    }

    /// Waits until the body has begun.
    pub(super) async fn begun(&mut self) -> Result<(), DecodeError> {
        if let State::Untouched(raw, _) = &mut self.state {
            raw.fill_buf().await?;
        }
        Ok(())
    }

    /// Waits until there is memory for its decoder.
    pub(super) async fn ready(&mut self) -> Result<(), DecodeError> {
        let State::Untouched(raw, encoding) = &mut self.state else { return Ok(()) };
        let start = raw.fill_buf().await?;
        if start.is_empty() {
            self.state = State::Ended;
            return Ok(());
        }
        let window = window(start, *encoding)?;
        let charge = self.account.charge_within(window.bytes, self.patience).await?;
        let State::Untouched(raw, encoding) = std::mem::replace(&mut self.state, State::Ended)
        else {
            return Ok(());
        };
        self.state = State::Open(decoder(raw, encoding, window), charge);
        Ok(())
    }

    /// The next piece; nothing at the end. Nothing is lost if it is given up.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let State::Open(decoder, _) = &mut self.state else { return Ok(None) };
        let mut piece = BytesMut::with_capacity(PIECE);
        match decoder.read_buf(&mut piece).await {
            Ok(0) => {
                // The decoder goes, and its charge.
                self.state = State::Ended;
                Ok(None)
            }
            Ok(_) => Ok(Some(piece.freeze())),
            Err(error) => {
                self.state = State::Ended;
                Err(error.into())
            }
        }
    }
}

/// What a decoder keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    bytes: usize,
    /// For zstd, whose frames each say their own: larger ones are refused.
    log: u32,
}

/// Of a body that begins with these bytes.
fn window(start: &[u8], encoding: Encoding) -> Result<Window, DecodeError> {
    match encoding {
        // 32 KiB, which is in the charge of the connection.
        Encoding::Gzip | Encoding::Deflate => Ok(Window { bytes: 0, log: 0 }),
        Encoding::Brotli => {
            let log = brotli_window(start)?;
            Ok(Window { bytes: 1 << log, log })
        }
        Encoding::Zstd => {
            let log = zstd_window(start).unwrap_or(MAX_ZSTD_WINDOW);
            if log > MAX_ZSTD_WINDOW {
                let size = 1u64.checked_shl(log).unwrap_or(u64::MAX) >> 20;
                return Err(DecodeError::Window(format!("a window of {size} MiB")));
            }
            let log = log.max(COMMON_ZSTD_WINDOW);
            Ok(Window { bytes: (1 << log) + ZSTD_BLOCKS, log })
        }
    }
}

/// WBITS of RFC 7932, section 9.1. What that leaves out, "large windows" of up to 1 GiB,
/// is no part of HTTP.
fn brotli_window(start: &[u8]) -> Result<u32, DecodeError> {
    let Some(first) = start.first() else { return Ok(MAX_BROTLI_WINDOW) };
    Ok(match (first & 1, u32::from(first >> 1 & 7), u32::from(first >> 4 & 7)) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        (_, 0, 1) => return Err(DecodeError::Window("a large window".to_owned())),
        (_, 0, bits) => 8 + bits,
        (_, bits, _) => 17 + bits,
    })
}

/// Of the first frame (RFC 8878, section 3.1.1.1). Nothing if it cannot be told from
/// these bytes.
fn zstd_window(start: &[u8]) -> Option<u32> {
    let rest = start.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
    let (&descriptor, rest) = rest.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let &window = rest.first()?;
        let (exponent, mantissa) = (u32::from(window >> 3), window & 7);
        return Some(10 + exponent + u32::from(mantissa != 0));
    }
    // The window is the content, whose size follows the dictionary's number.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let bytes = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let mut size = [0; 8];
    size[..bytes].copy_from_slice(rest.get(dictionary..dictionary + bytes)?);
    let beyond = if bytes == 2 { 256 } else { 0 };
    let size = u64::from_le_bytes(size).saturating_add(beyond);
    Some(size.checked_next_power_of_two().map_or(u64::BITS, u64::ilog2))
}

fn decoder(raw: Raw, encoding: Encoding, window: Window) -> Pin<Box<dyn AsyncRead + Send>> {
    match encoding {
        Encoding::Gzip => Box::pin(GzipDecoder::new(raw)),
        Encoding::Deflate => Box::pin(ZlibDecoder::new(raw)),
        Encoding::Brotli => Box::pin(BrotliDecoder::new(raw)),
        Encoding::Zstd => {
            let limit = DParameter::window_log_max(window.log);
            let mut decoder = ZstdDecoder::with_params(raw, &[limit]);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    }
}

#[cfg(test)]
mod tests {
    use async_compression::Level;
    use async_compression::tokio::bufread::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
    use async_compression::zstd::CParameter;

    use super::*;

    const SHORT: Duration = Duration::from_millis(10);

    fn account() -> Account {
        Account::of_server(64 << 20)
    }

    async fn all(mut encoder: impl AsyncRead + Unpin) -> Vec<u8> {
        let mut bytes = Vec::new();
        encoder.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    fn body(bytes: &[u8], encoding: Encoding, account: &Account) -> Decoded {
        let raw = Box::pin(io::Cursor::new(bytes.to_owned()));
        Decoded::of(raw, encoding, account.clone(), SHORT)
    }

    async fn decoded(mut body: Decoded) -> Result<Vec<u8>, DecodeError> {
        body.ready().await?;
        let mut bytes = Vec::new();
        while let Some(piece) = body.piece().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    fn zstd(window: u32, text: &[u8]) -> impl Future<Output = Vec<u8>> {
        let parameters = [CParameter::window_log(window), CParameter::content_size_flag(false)];
        let text = text.to_owned();
        async move {
            all(ZstdEncoder::with_quality_and_params(&text[..], Level::Default, &parameters)).await
        }
    }

    #[tokio::test]
    async fn each_encoding_is_decoded_and_nothing_stays_charged() {
        let text = "much of the same, ".repeat(10_000).into_bytes();
        for (encoding, bytes) in [
            (Encoding::Gzip, all(GzipEncoder::new(&text[..])).await),
            (Encoding::Deflate, all(ZlibEncoder::new(&text[..])).await),
            (Encoding::Brotli, all(BrotliEncoder::new(&text[..])).await),
            (Encoding::Zstd, all(ZstdEncoder::new(&text[..])).await),
        ] {
            let account = account();
            assert!(bytes.len() < text.len());
            let found = decoded(body(&bytes, encoding, &account)).await.unwrap();
            assert!(found == text, "{encoding:?}: {} bytes", found.len());
            assert_eq!(account.used(), 0, "{encoding:?}");
        }
    }

    #[tokio::test]
    async fn a_window_of_zstd_is_charged_while_it_is_there_and_has_its_bound() {
        let account = account();
        for (window, fits) in [(20, true), (23, true), (24, false), (27, false)] {
            let bytes = zstd(window, &[7; 1 << 20]).await;
            let mut body = body(&bytes, Encoding::Zstd, &account);
            assert_eq!(body.ready().await.is_ok(), fits, "{window}");
            let charged = if fits { (1 << window.max(21)) + ZSTD_BLOCKS } else { 0 };
            assert_eq!(account.used(), charged, "{window}");
            drop(body);
            assert_eq!(account.used(), 0);
        }
    }

    #[tokio::test]
    async fn a_later_frame_has_no_larger_window_than_was_charged() {
        let (small, large) = (zstd(20, b"a").await, zstd(26, &[7; 1 << 20]).await);
        let bytes = [&small[..], &small, &large].concat();
        let error = decoded(body(&bytes, Encoding::Zstd, &account())).await.unwrap_err();
        assert!(matches!(error, DecodeError::Io(_)), "{error}");
        let both = decoded(body(&[&small[..], &small].concat(), Encoding::Zstd, &account()));
        assert_eq!(both.await.unwrap(), b"aa");
    }

    #[tokio::test]
    async fn who_has_no_memory_for_a_window_waits_and_fails() {
        let account = Account::of_server(4 << 20);
        let bytes = zstd(21, &[7; 1 << 20]).await;
        let mut first = body(&bytes, Encoding::Zstd, &account);
        first.ready().await.unwrap();
        let error = decoded(body(&bytes, Encoding::Zstd, &account)).await.unwrap_err();
        assert!(matches!(error, DecodeError::Memory(NoMemory)), "{error}");
        drop(first);
        assert_eq!(decoded(body(&bytes, Encoding::Zstd, &account)).await.unwrap().len(), 1 << 20);
    }

    #[test]
    fn windows_of_brotli_are_told_by_the_first_byte() {
        // Codes of RFC 7932, section 9.1.
        for (code, window) in [
            (0b000_0000, 16),
            (0b000_0001, 17),
            (0b000_0011, 18),
            (0b000_1111, 24),
            (0b010_0001, 10),
            (0b111_0001, 15),
        ] {
            assert_eq!(brotli_window(&[code]).unwrap(), window, "{code:07b}");
        }
        assert!(matches!(brotli_window(&[0b001_0001, 30]), Err(DecodeError::Window(_))));
    }

    #[test]
    fn a_frame_of_zstd_in_one_segment_has_a_window_of_its_content() {
        let frame = |descriptor: u8, rest: &[u8]| {
            zstd_window(&[&[0x28, 0xb5, 0x2f, 0xfd, descriptor], rest].concat())
        };
        assert_eq!(frame(0b0010_0000, &[200]), Some(8));
        assert_eq!(frame(0b0110_0000, &[0, 1]), Some(9));
        assert_eq!(frame(0b1010_0001, &[9, 0, 0, 0, 1]), Some(24));
        assert_eq!(frame(0b1110_0000, &[255; 8]), Some(64));
        assert_eq!(frame(0b0000_0000, &[0b1000_0001]), Some(27));
        assert_eq!(frame(0b0000_0000, &[]), None);
        assert_eq!(zstd_window(b"\x28\xb5\x2f"), None);
    }
}
