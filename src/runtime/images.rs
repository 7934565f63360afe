//! The pictures of a run and the notes on its result, as the worker sends them: every one is
//! attacker-chosen. What is beyond the limits is dropped, and a note says so.

use std::fmt;

use crate::memory::{Account, Charge};
use crate::protocol::{MAX_IMAGE, MAX_IMAGES, MAX_IMAGES_BYTES, MAX_RESULT_NOTE, MAX_RESULT_NOTES};
use crate::text::clip::truncate;

/// How often a picture is in memory at the same time: its bytes, and a third more as base64 in
/// the result's block.
const COPIES: usize = 3;

/// The types of pictures that models look at, and what the bytes of each begin with. A model's
/// API rejects a whole conversation with a picture that is of another type, or not of its own.
const TYPES: [(&str, &[u8]); 5] = [
    ("image/png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF87a"),
    ("image/gif", b"GIF89a"),
    ("image/webp", b"RIFF"),
];

/// What stands in a WebP file behind `RIFF` and its size (RFC 9649, section 2.4).
const WEBP: &[u8] = b"WEBP";
const WEBP_AT: usize = 8;

/// A picture that a program made.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
    pub mime_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({}, {} bytes)", self.mime_type, self.bytes.len())
    }
}

/// Why a picture was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropped {
    Type,
    Size,
    Count,
    Together,
    Memory,
}

impl Dropped {
    const ALL: [Self; 5] = [Self::Type, Self::Size, Self::Count, Self::Together, Self::Memory];

    fn reason(self) -> String {
        match self {
            Self::Type => "PNG, JPEG, GIF and WebP are accepted".to_owned(),
            Self::Size => format!("one has at most {} KiB", MAX_IMAGE >> 10),
            Self::Count => format!("a run has at most {MAX_IMAGES}"),
            Self::Together => {
                format!("those of a run have at most {} MiB", MAX_IMAGES_BYTES >> 20)
            }
            Self::Memory => "the server has no memory for more".to_owned(),
        }
    }
}

/// What a run has beside its value and its output.
pub(super) struct Images {
    kept: Vec<Image>,
    bytes: usize,
    /// How many were dropped, in the order of [`Dropped::ALL`].
    dropped: [u32; Dropped::ALL.len()],
    notes: Vec<String>,
    account: Account,
    charge: Charge,
}

/// The same at the end of a run.
pub(super) struct Kept {
    pub images: Vec<Image>,
    pub notes: Vec<String>,
    pub charge: Charge,
}

impl Images {
    pub(super) fn new(account: Account) -> Self {
        let (kept, notes, charge) = (Vec::new(), Vec::new(), Charge::none());
        Self { kept, bytes: 0, dropped: Default::default(), notes, account, charge }
    }

    /// Keeps a picture, if it is one and there is room.
    pub(super) fn add(&mut self, mime_type: &str, bytes: Vec<u8>) {
        if let Err(dropped) = self.keep(mime_type, bytes) {
            let count = &mut self.dropped[dropped as usize];
            *count = count.saturating_add(1);
        }
    }

    fn keep(&mut self, mime_type: &str, mut bytes: Vec<u8>) -> Result<(), Dropped> {
        let mime_type = type_of(mime_type, &bytes).ok_or(Dropped::Type)?;
        if bytes.len() > MAX_IMAGE {
            return Err(Dropped::Size);
        }
        if self.kept.len() == MAX_IMAGES {
            return Err(Dropped::Count);
        }
        if self.bytes + bytes.len() > MAX_IMAGES_BYTES {
            return Err(Dropped::Together);
        }
        self.pay(bytes.len()).ok_or(Dropped::Memory)?;
        bytes.shrink_to_fit();
        self.bytes += bytes.len();
        self.kept.push(Image { mime_type, bytes });
        Ok(())
    }

    /// Keeps a note, if there is room.
    pub(super) fn note(&mut self, mut text: String) {
        if self.notes.len() == MAX_RESULT_NOTES {
            return;
        }
        truncate(&mut text, MAX_RESULT_NOTE);
        if self.pay(text.len()).is_some() {
            self.notes.push(text);
        }
    }

    fn pay(&mut self, bytes: usize) -> Option<()> {
        let charge = self.account.try_charge(bytes.saturating_mul(COPIES)).ok()?;
        self.charge.merge(charge);
        Some(())
    }

    /// All of it, with a note for each reason why pictures were dropped.
    pub(super) fn finish(mut self) -> Kept {
        for (dropped, count) in Dropped::ALL.into_iter().zip(self.dropped) {
            let pictures = match count {
                0 => continue,
                1 => "1 picture is".to_owned(),
                more => format!("{more} pictures are"),
            };
            self.notes.push(format!("{pictures} left out: {}", dropped.reason()));
        }
        Kept { images: self.kept, notes: self.notes, charge: self.charge }
    }
}

/// The type of a picture, if it is the one that its bytes begin as.
fn type_of(given: &str, bytes: &[u8]) -> Option<&'static str> {
    let (mime_type, start) =
        TYPES.into_iter().find(|(name, start)| *name == given && bytes.starts_with(start))?;
    let is_it = start != b"RIFF" || bytes.get(WEBP_AT..).is_some_and(|it| it.starts_with(WEBP));
    is_it.then_some(mime_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

    fn images() -> Images {
        Images::new(Account::of_server(64 << 20))
    }

    fn png(bytes: usize) -> Vec<u8> {
        let mut png = PNG.to_vec();
        png.resize(bytes, 0);
        png
    }

    #[test]
    fn pictures_stay_in_their_order() {
        let mut images = images();
        let all: [(&str, &[u8]); 4] = [
            ("image/webp", b"RIFF1234WEBPVP8 "),
            ("image/png", PNG),
            ("image/gif", b"GIF89a..."),
            ("image/jpeg", b"\xff\xd8\xff\xe0..."),
        ];
        for (name, bytes) in all {
            images.add(name, bytes.to_vec());
        }
        let Kept { images, notes, .. } = images.finish();
        let kept: Vec<_> = images.iter().map(|one| (one.mime_type, &*one.bytes)).collect();
        assert_eq!(kept, all);
        assert!(notes.is_empty());
    }

    #[test]
    fn what_is_no_picture_of_its_type_is_dropped() {
        let mut images = images();
        let all: [(&str, &[u8]); 6] = [
            ("image/svg+xml", b"<svg/>"),
            ("image/png", b"<svg/>"),
            ("image/jpeg", PNG),
            ("image/webp", b"RIFF1234AVI LIST"),
            ("text/html", PNG),
            ("image/png", b""),
        ];
        for (name, bytes) in all {
            images.add(name, bytes.to_vec());
        }
        let Kept { images, notes, .. } = images.finish();
        assert!(images.is_empty());
        assert_eq!(notes, ["6 pictures are left out: PNG, JPEG, GIF and WebP are accepted"]);
    }

    #[test]
    fn a_picture_beyond_a_limit_is_dropped_and_a_note_says_so() {
        let mut images = images();
        images.add("image/png", png(MAX_IMAGE + 1));
        for _ in 0..MAX_IMAGES + 2 {
            images.add("image/png", png(100));
        }
        let Kept { images, notes, .. } = images.finish();
        assert_eq!(images.len(), MAX_IMAGES);
        assert_eq!(
            notes,
            [
                "1 picture is left out: one has at most 1024 KiB",
                "2 pictures are left out: a run has at most 20",
            ]
        );
    }

    #[test]
    fn the_pictures_of_a_run_have_a_limit_together() {
        let mut images = images();
        let fit = MAX_IMAGES_BYTES / MAX_IMAGE;
        for _ in 0..=fit {
            images.add("image/png", png(MAX_IMAGE));
        }
        let Kept { images, notes, .. } = images.finish();
        assert_eq!(images.len(), fit);
        assert_eq!(notes, ["1 picture is left out: those of a run have at most 8 MiB"]);
    }

    #[test]
    fn a_picture_is_charged_and_dropped_where_there_is_no_memory() {
        let account = Account::of_server(4 << 20);
        let mut images = Images::new(account.clone());
        images.add("image/png", png(MAX_IMAGE));
        images.add("image/png", png(MAX_IMAGE));
        assert_eq!(account.used(), MAX_IMAGE * COPIES);
        let Kept { images, notes, charge } = images.finish();
        assert_eq!(images.len(), 1);
        assert_eq!(notes, ["1 picture is left out: the server has no memory for more"]);
        drop(charge);
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn notes_are_few_and_short() {
        let mut images = images();
        for _ in 0..MAX_RESULT_NOTES + 5 {
            images.note("ä".repeat(MAX_RESULT_NOTE));
        }
        let Kept { notes, .. } = images.finish();
        assert_eq!(notes.len(), MAX_RESULT_NOTES);
        assert!(notes.iter().all(|note| note.len() == MAX_RESULT_NOTE));
    }
}
