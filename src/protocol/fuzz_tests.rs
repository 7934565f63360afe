//! Bytes of an attacker's choice. Whatever they are, the reader and the decoder
//! answer with frames, a message or an error, and keep no more than was sent.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_bytes::ByteBuf;

use super::{
    CommandOperation, FileOperation, FrameReader, HandleCall, HandleOperation, MAX_RELATED,
    MAX_UNFINISHED, NetworkOperation, Operation, Outcome, PermissionOperation, ProgramError,
    RelatedError, RequestBody, SessionOperation, SpawnOptions, Stream, Unfinished, Whence,
    WorkerMessage, WriteOptions, decode, encode,
};

/// Bytes of the length before each frame.
const HEADER: usize = 4;

/// Largest frame of the readers here.
const LIMIT: usize = 64;

/// Memory for one byte of a frame: an empty text is one byte there and 24 here, and
/// a Vec that grows doubles.
const MEMORY_OF_A_BYTE: usize = 64;

/// What becomes of a stream of bytes: the frames' bodies, and whether a frame
/// after them was refused.
type Cut = (Vec<Vec<u8>>, bool);

/// As a reader cuts it, if the bytes come in pieces of these sizes, over and over.
fn cut(bytes: &[u8], sizes: &[usize]) -> Cut {
    let mut reader = FrameReader::new(LIMIT);
    let mut bodies = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let (mut rest, mut largest) = (bytes, 0);
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        let (piece, later) = rest.split_at(size);
        rest = later;
        largest = largest.max(size);
        reader.push(piece);
        loop {
            match reader.next_body() {
                Ok(Some(body)) => bodies.push(body.to_vec()),
                Ok(None) => break,
                Err(_) => return (bodies, true),
            }
        }
        let kept = reader.spare(0);
        assert!(kept.len() < HEADER + LIMIT, "{} bytes are kept", kept.len());
        // A Vec that grows doubles.
        let most = 2 * (HEADER + LIMIT + largest);
        assert!(kept.capacity() <= most, "room for {} bytes is kept", kept.capacity());
    }
    (bodies, false)
}

/// As the format says.
fn expected(bytes: &[u8]) -> Cut {
    let mut bodies = Vec::new();
    let mut rest = bytes;
    while let Some((header, after)) = rest.split_first_chunk::<HEADER>() {
        let length = u32::from_le_bytes(*header) as usize;
        if length > LIMIT {
            return (bodies, true);
        }
        let Some((body, later)) = after.split_at_checked(length) else { break };
        bodies.push(body.to_vec());
        rest = later;
    }
    (bodies, false)
}

/// Frames, and bytes that are not frames.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let frame = vec(any::<u8>(), 0..=LIMIT).prop_map(|body| {
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        [length.to_le_bytes().to_vec(), body].concat()
    });
    let part = prop_oneof![
        8 => frame,
        1 => vec(any::<u8>(), 0..8),
        1 => (60_u32..70).prop_map(|length| length.to_le_bytes().to_vec()),
    ];
    vec(part, 0..8).prop_map(|parts| parts.concat())
}

fn text() -> impl Strategy<Value = String> {
    "(?s).{0,12}"
}

fn bytes() -> impl Strategy<Value = ByteBuf> {
    vec(any::<u8>(), 0..40).prop_map(ByteBuf::from)
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        text().prop_map(Operation::read_file),
        (text(), bytes()).prop_map(|(path, data)| Operation::File(FileOperation::WriteFile {
            path,
            data,
            options: WriteOptions::default()
        })),
        (text(), any::<bool>(), option::of(any::<u32>())).prop_map(|(path, recursive, mode)| {
            Operation::File(FileOperation::Mkdir { path, recursive, mode })
        }),
        (any::<u32>(), any::<i64>()).prop_map(|(handle, offset)| {
            let call = HandleCall::Seek { offset, whence: Whence::End };
            Operation::Handle(HandleOperation::InTurn { handle, call })
        }),
        (any::<u32>(), bytes()).prop_map(|(handle, data)| Operation::write(handle, data)),
        (text(), text(), vec((bytes(), bytes()), 0..5), bytes()).prop_map(
            |(method, url, headers, body)| Operation::Network(NetworkOperation::Fetch {
                method,
                url,
                headers,
                body: RequestBody::Bytes(body)
            })
        ),
        (text(), vec(text(), 0..5), vec((text(), text()), 0..5)).prop_map(
            |(command, args, env)| {
                let options = SpawnOptions { command, args, env, ..SpawnOptions::default() };
                Operation::Command(CommandOperation::Spawn(Box::new(options)))
            }
        ),
        (text(), option::of(text())).prop_map(|(name, target)| {
            Operation::Permission(PermissionOperation::Query { name, target })
        }),
        (text(), text())
            .prop_map(|(key, value)| { Operation::Session(SessionOperation::Set { key, value }) }),
    ]
}

fn message() -> impl Strategy<Value = WorkerMessage> {
    prop_oneof![
        6 => (any::<u32>(), operation())
            .prop_map(|(id, operation)| WorkerMessage::Request { id, operation }),
        1 => bytes().prop_map(|bytes| WorkerMessage::Output { stream: Stream::Stderr, bytes }),
        1 => (any::<u32>(), any::<u32>(), any::<u32>())
            .prop_map(|(id, line, column)| WorkerMessage::RefusedAt { id, line, column }),
        1 => text().prop_map(|value| WorkerMessage::Outcome(Box::new(Outcome::Value(value)))),
        1 => text().prop_map(WorkerMessage::Value),
        1 => text().prop_map(WorkerMessage::Note),
        1 => (text(), bytes())
            .prop_map(|(mime_type, bytes)| WorkerMessage::Image { mime_type, bytes }),
        1 => vec((text(), option::of(any::<u32>())), 0..5).prop_map(|list| {
            let one = |(what, line)| Unfinished { what, line, ..Unfinished::default() };
            let list = list.into_iter().map(one).collect();
            WorkerMessage::Outcome(Box::new(Outcome::Left(list)))
        }),
        1 => (text(), option::of(text()), vec(related(), 0..4))
            .prop_map(|(message, stack, related)| failed(ProgramError {
                message,
                stack,
                related,
                ..ProgramError::default()
            })),
    ]
}

fn related() -> impl Strategy<Value = RelatedError> {
    (option::of(any::<u8>()), any::<bool>(), text()).prop_map(|(of, is_cause, message)| {
        RelatedError { of, is_cause, message, ..RelatedError::default() }
    })
}

fn failed(error: ProgramError) -> WorkerMessage {
    WorkerMessage::Outcome(Box::new(Outcome::Error(Box::new(error))))
}

/// Bytes on the heap of what can be large.
fn memory(message: &WorkerMessage) -> usize {
    match message {
        WorkerMessage::Output { bytes, .. } => bytes.capacity(),
        WorkerMessage::Request { operation, .. } => memory_of_operation(operation),
        WorkerMessage::Value(text) | WorkerMessage::Note(text) => text.capacity(),
        WorkerMessage::Image { mime_type, bytes } => mime_type.capacity() + bytes.capacity(),
        WorkerMessage::Outcome(outcome) => match &**outcome {
            Outcome::Left(list) => {
                let texts = list.iter().map(|one| one.what.capacity()).sum::<usize>();
                texts + list.capacity() * size_of::<Unfinished>()
            }
            _ => 0,
        },
        _ => 0,
    }
}

fn memory_of_operation(operation: &Operation) -> usize {
    match operation {
        Operation::File(FileOperation::ReadFile { path }) => path.capacity(),
        Operation::File(FileOperation::WriteFile { path, data, .. }) => {
            path.capacity() + data.capacity()
        }
        Operation::Handle(HandleOperation::InTurn { call: HandleCall::Write { data }, .. }) => {
            data.capacity()
        }
        Operation::Session(SessionOperation::Set { key, value }) => {
            key.capacity() + value.capacity()
        }
        Operation::Network(NetworkOperation::Fetch { method, url, headers, .. }) => {
            let pairs = headers.iter().map(|(name, value)| name.capacity() + value.capacity());
            let list = headers.capacity() * size_of::<(ByteBuf, ByteBuf)>();
            method.capacity() + url.capacity() + list + pairs.sum::<usize>()
        }
        Operation::Command(
            CommandOperation::Spawn(options) | CommandOperation::Output(options),
        ) => {
            let args = options.args.iter().map(String::capacity).sum::<usize>();
            let env = options.env.iter().map(|(name, value)| name.capacity() + value.capacity());
            let lists = options.args.capacity() * size_of::<String>()
                + options.env.capacity() * size_of::<(String, String)>();
            options.command.capacity() + lists + args + env.sum::<usize>()
        }
        _ => 0,
    }
}

/// Decodes a frame's body that may be none. What it means, it means the second
/// time too, and not in more bytes.
fn check(body: &[u8]) {
    let Ok(message) = decode::<WorkerMessage>(body) else { return };
    let most = MEMORY_OF_A_BYTE * body.len();
    assert!(memory(&message) <= most, "{} bytes take {}", body.len(), memory(&message));
    let frame = encode(&message);
    assert!(frame.len() - HEADER <= body.len());
    let again = decode::<WorkerMessage>(&frame[HEADER..]).expect("it was encoded");
    assert_eq!(format!("{message:?}"), format!("{again:?}"));
}

/// What happens to a frame's body on the way.
#[derive(Debug, Clone)]
enum Change {
    Replace(Index, u8),
    /// The longest number in place of what is there: a length, perhaps.
    Lengthen(Index),
    Insert(Index, Vec<u8>),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<(Index, u8)>().prop_map(|(place, byte)| Change::Replace(place, byte)),
        any::<Index>().prop_map(Change::Lengthen),
        (any::<Index>(), vec(any::<u8>(), 1..4))
            .prop_map(|(place, more)| Change::Insert(place, more)),
        any::<Index>().prop_map(Change::Cut),
    ]
}

fn changed(mut body: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        // One more place than there are bytes, so that there always is one.
        let at = |place: &Index| place.index(body.len() + 1);
        match change {
            Change::Replace(place, byte) => {
                let at = at(place);
                drop(body.splice(at..(at + 1).min(body.len()), [*byte]));
            }
            Change::Lengthen(place) => {
                let at = at(place);
                let longest = [0xff, 0xff, 0xff, 0xff, 0x0f];
                drop(body.splice(at..(at + 1).min(body.len()), longest));
            }
            Change::Insert(place, more) => {
                let at = at(place);
                drop(body.splice(at..at, more.iter().copied()));
            }
            Change::Cut(place) => {
                let at = at(place);
                body.truncate(at);
            }
        }
    }
    body
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_give_the_same_frames(
        stream in stream(), sizes in vec(1_usize..100, 0..8)
    ) {
        prop_assert_eq!(cut(&stream, &sizes), expected(&stream));
    }

    #[test]
    fn bytes_that_are_no_frames_give_the_same_refusal_in_any_pieces(
        bytes in vec(any::<u8>(), 0..200), sizes in vec(1_usize..20, 0..8)
    ) {
        prop_assert_eq!(cut(&bytes, &sizes), expected(&bytes));
    }

    #[test]
    fn a_message_comes_back_as_it_was(message in message()) {
        let frame = encode(&message);
        let again = decode::<WorkerMessage>(&frame[HEADER..]).expect("it was encoded");
        prop_assert_eq!(format!("{message:?}"), format!("{again:?}"));
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn a_message_that_was_changed_is_a_message_or_an_error(
        message in message(), changes in vec(change(), 1..4)
    ) {
        check(&changed(encode(&message)[HEADER..].to_vec(), &changes));
    }
}

#[test]
fn a_long_list_of_nothing_takes_little_memory_and_is_too_long() {
    let args = vec![String::new(); 1 << 18];
    let options = SpawnOptions { args, ..SpawnOptions::default() };
    let operation = Operation::Command(CommandOperation::Spawn(Box::new(options)));
    let frame = encode(&WorkerMessage::Request { id: 1, operation });
    check(&frame[HEADER..]);
    match decode(&frame[HEADER..]) {
        Ok(WorkerMessage::Request { operation, .. }) => assert!(operation.has_too_many_parts()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_unfinished_work_than_is_listed_is_refused() {
    for (count, accepted) in [(MAX_UNFINISHED, true), (MAX_UNFINISHED + 1, false), (1 << 18, false)]
    {
        let left = Outcome::Left(vec![Unfinished::default(); count]);
        let frame = encode(&WorkerMessage::Outcome(Box::new(left)));
        assert_eq!(decode::<WorkerMessage>(&frame[HEADER..]).is_ok(), accepted, "{count}");
    }
}

#[test]
fn an_error_with_more_errors_than_are_kept_is_refused() {
    for (count, accepted) in [(MAX_RELATED, true), (MAX_RELATED + 1, false), (1 << 18, false)] {
        let related = vec![RelatedError::default(); count];
        let frame = encode(&failed(ProgramError { related, ..ProgramError::default() }));
        assert_eq!(decode::<WorkerMessage>(&frame[HEADER..]).is_ok(), accepted, "{count}");
    }
}
