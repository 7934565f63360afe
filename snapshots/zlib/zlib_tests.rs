use super::*;

/// All that a codec makes of `input`, given in pieces of `piece` bytes, with room for `room`
/// bytes at a time, as `node:zlib` calls it.
fn through(
    codec: &mut dyn Codec,
    input: &[u8],
    piece: usize,
    room: usize,
) -> Result<Vec<u8>, CodecError> {
    let mut made = Vec::new();
    let mut pieces: Vec<&[u8]> = input.chunks(piece).collect();
    if pieces.is_empty() {
        pieces.push(&[]);
    }
    let last = pieces.len() - 1;
    for (index, mut piece) in pieces.into_iter().enumerate() {
        let flush = if index == last { Flush::Finish } else { Flush::None };
        loop {
            let mut output = vec![0; room];
            let mut flow = Flow::new(piece, &mut output);
            codec.step(&mut flow, flush)?;
            piece = &piece[piece.len() - flow.rest_of_input()..];
            made.extend_from_slice(flow.made_since(0));
            if flow.rest_of_room() > 0 {
                break;
            }
        }
    }
    Ok(made)
}

fn new(mode: Mode) -> Box<dyn Codec> {
    codec(mode, -1, &[], None).expect("the mode is available")
}

fn text() -> Vec<u8> {
    (0..40_000_u32).flat_map(|number| (number % 701).to_string().into_bytes()).collect()
}

const PAIRS: [(Mode, Mode); 7] = [
    (Mode::Deflate, Mode::Inflate),
    (Mode::DeflateRaw, Mode::InflateRaw),
    (Mode::Gzip, Mode::Gunzip),
    (Mode::Gzip, Mode::Unzip),
    (Mode::Deflate, Mode::Unzip),
    (Mode::BrotliEncode, Mode::BrotliDecode),
    (Mode::ZstdCompress, Mode::ZstdDecompress),
];

#[test]
fn what_was_compressed_comes_back_in_pieces_of_any_size() {
    let text = text();
    for (coder, decoder) in PAIRS {
        for (piece, room) in [(usize::MAX, 1 << 20), (4096, 512), (777, 64)] {
            let packed = through(&mut *new(coder), &text, piece, room).unwrap();
            assert!(packed.len() < text.len() / 2, "{coder:?}: {}", packed.len());
            let back = through(&mut *new(decoder), &packed, piece, room).unwrap();
            assert!(back == text, "{coder:?} {decoder:?} {piece} {room}");
        }
    }
}

#[test]
fn one_byte_at_a_time_is_enough_for_a_header() {
    for (coder, decoder) in PAIRS {
        let packed = through(&mut *new(coder), b"words", 1, 64).unwrap();
        let back = through(&mut *new(decoder), &packed, 1, 64).unwrap();
        assert_eq!(back, b"words", "{coder:?} {decoder:?}");
    }
}

#[test]
fn nothing_is_compressed_and_comes_back() {
    for (coder, decoder) in PAIRS {
        let packed = through(&mut *new(coder), b"", 64, 64).unwrap();
        assert_eq!(through(&mut *new(decoder), &packed, 64, 64).unwrap(), b"", "{coder:?}");
    }
}

#[test]
fn what_is_cut_off_is_an_unexpected_end() {
    for (coder, decoder) in PAIRS {
        let packed = through(&mut *new(coder), &text(), 1 << 20, 1 << 20).unwrap();
        let error = through(&mut *new(decoder), &packed[..packed.len() - 1], 4096, 4096);
        assert_eq!(error.unwrap_err(), CodecError::end(), "{coder:?} {decoder:?}");
    }
}

#[test]
fn bytes_of_no_format_are_an_error() {
    for (_, decoder) in PAIRS {
        let error = through(&mut *new(decoder), &[0xff; 100], 64, 4096).unwrap_err();
        assert!([DATA_ERROR, BUFFER_ERROR].contains(&error.errno), "{decoder:?}: {error:?}");
    }
}

#[test]
fn errors_of_headers_are_worded_as_in_zlib() {
    let worded = |mode, bytes: &[u8]| through(&mut *new(mode), bytes, 64, 64).unwrap_err().message;
    assert_eq!(worded(Mode::Inflate, &[0x78, 0x00, 1, 2]), "incorrect header check");
    assert_eq!(worded(Mode::Gunzip, b"plain text"), "incorrect header check");
    assert_eq!(worded(Mode::Inflate, &[0x77, 0x09, 1, 2]), "unknown compression method");
    assert_eq!(worded(Mode::Inflate, &[0x78, 0xbb, 1, 2, 3, 4]), "Missing dictionary");
    assert_eq!(
        worded(Mode::Gunzip, &[0x1f, 0x8b, 8, 0xff, 0, 0, 0, 0, 0, 3]),
        "unknown header flags set"
    );
}

#[test]
fn every_field_of_a_gzip_header_is_skipped() {
    let packed = through(&mut *new(Mode::Gzip), b"words", 64, 256).unwrap();
    let mut framed = vec![0x1f, 0x8b, 8, 0b1_1110, 0, 0, 0, 0, 0, 3];
    framed.extend([3, 0, b'a', b'b', b'c']);
    framed.extend(b"name\0comment\0");
    framed.extend([1, 2]);
    framed.extend(&packed[10..]);
    for piece in [1, 64] {
        assert_eq!(through(&mut *new(Mode::Gunzip), &framed, piece, 64).unwrap(), b"words");
    }
}

#[test]
fn members_of_gzip_follow_each_other_unless_that_is_refused() {
    let one = through(&mut *new(Mode::Gzip), b"one ", 64, 256).unwrap();
    let two = through(&mut *new(Mode::Gzip), b"two", 64, 256).unwrap();
    let both = [one, two].concat();
    assert_eq!(through(&mut *new(Mode::Gunzip), &both, 256, 256).unwrap(), b"one two");

    let mut codec = new(Mode::Gunzip);
    codec.reject_garbage();
    let mut output = [0; 64];
    let mut flow = Flow::new(&both, &mut output);
    codec.step(&mut flow, Flush::Finish).unwrap();
    assert!(flow.rest_of_input() > 0);
}

#[test]
fn padding_after_a_gzip_member_is_ignored() {
    let mut packed = through(&mut *new(Mode::Gzip), b"words", 64, 256).unwrap();
    packed.extend([0; 20]);
    assert_eq!(through(&mut *new(Mode::Gunzip), &packed, 256, 256).unwrap(), b"words");
}

#[test]
fn a_gzip_member_with_a_wrong_sum_is_an_error() {
    let mut packed = through(&mut *new(Mode::Gzip), b"words", 64, 256).unwrap();
    let at = packed.len() - 8;
    packed[at] ^= 1;
    let error = through(&mut *new(Mode::Gunzip), &packed, 256, 256).unwrap_err();
    assert_eq!(error.message, "incorrect data check");
}

#[test]
fn a_stream_begins_anew_after_a_reset() {
    for (coder, decoder) in PAIRS {
        let (mut coder, mut decoder) = (new(coder), new(decoder));
        for _ in 0..2 {
            let packed = through(&mut *coder, b"words", 64, 256).unwrap();
            assert_eq!(through(&mut *decoder, &packed, 64, 256).unwrap(), b"words");
            coder.reset();
            decoder.reset();
        }
    }
}

#[test]
fn a_flush_makes_all_that_was_written_readable() {
    for (coder, decoder) in PAIRS {
        let (mut coder, mut decoder) = (new(coder), new(decoder));
        let mut packed = [0; 256];
        let mut flow = Flow::new(b"words", &mut packed);
        coder.step(&mut flow, Flush::Sync).unwrap();
        let made = flow.made();
        let mut back = [0; 64];
        let mut flow = Flow::new(&packed[..made], &mut back);
        decoder.step(&mut flow, Flush::Sync).unwrap();
        assert_eq!(flow.made_since(0), b"words");
    }
}

#[test]
fn sizes_of_tables_and_large_windows_are_not_the_programs() {
    let unset = [u32::MAX; 256];
    let with = |number: usize, value| {
        let mut numbers = unset;
        numbers[number] = value;
        numbers
    };
    assert!(codec(Mode::BrotliEncode, 0, &with(1, 5), None).is_some());
    assert!(codec(Mode::BrotliEncode, 0, &with(6, 1), None).is_none());
    assert!(codec(Mode::BrotliDecode, 0, &with(1, 1), None).is_none());
    assert!(codec(Mode::ZstdCompress, 0, &with(100, 19), None).is_some());
    assert!(codec(Mode::ZstdCompress, 0, &with(101, 23), None).is_some());
    assert!(codec(Mode::ZstdCompress, 0, &with(101, 24), None).is_none());
    assert!(codec(Mode::ZstdCompress, 0, &with(102, 20), None).is_none());
    assert!(codec(Mode::ZstdDecompress, 0, &with(100, 31), None).is_none());
}

/// The window of a zstd frame without a size (RFC 8878, 3.1.1.1.2), whose content is not
/// in a single segment.
fn window_log(frame: &[u8]) -> u8 {
    assert_eq!(frame[4] & 0x20, 0, "a single segment");
    10 + (frame[5] >> 3)
}

#[test]
fn levels_of_zstd_that_take_more_memory_are_the_strongest_that_does_not() {
    let mut numbers = [u32::MAX; 256];
    let mut packed = |level| {
        numbers[100] = level;
        let mut codec = codec(Mode::ZstdCompress, 0, &numbers, None).expect("it is available");
        through(&mut *codec, &text(), 4096, 4096).unwrap()
    };
    let strongest = packed(19);
    assert_eq!(window_log(&strongest), 23);
    assert!(packed(22) == strongest);
}

#[test]
fn slices_with_memory_in_common_are_told_from_others() {
    let (bytes, words) = ([0_u8; 16], [0_u32; 4]);
    assert!(ops::overlap(&bytes[4..], &bytes[..5]));
    assert!(ops::overlap(&bytes[8..9], &bytes));
    assert!(!ops::overlap(&bytes[4..], &bytes[..4]));
    assert!(!ops::overlap(&bytes[8..8], &bytes));
    assert!(!ops::overlap(&bytes, &words));
}

#[test]
fn a_sum_goes_on_from_another() {
    assert_eq!(ops::crc32(b"123456789", 0), 0xcbf4_3926);
    assert_eq!(ops::crc32(b"6789", ops::crc32(b"12345", 0)), 0xcbf4_3926);
}
