//! Who holds how much of something, each until it expires: a line of text for each holder, the
//! same in every implementation.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;

use crate::StoreError;

/// What a holder has and wants of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Who: letters and digits, at most 64.
    pub holder: &'a str,
    /// What it has in use, which is held whatever the limit says.
    pub used: u32,
    /// What it wants to hold, with what is used; 0 to hold nothing.
    pub wanted: u32,
    /// What all holders may hold.
    pub limit: u32,
    /// How long, from now, unless it claims again.
    pub time: Duration,
}

/// What [`crate::Store::hold`] gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// What the holder holds now.
    pub held: u32,
    /// What all others hold.
    pub others: u32,
    /// The least that one of the others holds that wants more.
    pub neediest: Option<u32>,
}

impl Claim<'_> {
    /// Refuses a holder whose name cannot be written.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let name = self.holder.as_bytes();
        let is_valid =
            (1..=MAX_HOLDER).contains(&name.len()) && name.iter().all(u8::is_ascii_alphanumeric);
        if is_valid { Ok(()) } else { Err(StoreError::TooLarge { limit: MAX_HOLDER }) }
    }

    /// Whole milliseconds, at least one.
    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.time.as_millis()).unwrap_or(MAX_TIME).clamp(1, MAX_TIME)
    }

    /// Claims at `now`, in milliseconds, of what was held before. What is held then and until
    /// when, unless by nobody; and what was given.
    pub(crate) fn made(&self, there: &[u8], now: u64) -> (Option<(Bytes, u64)>, Held) {
        let mut held = Held { held: 0, others: 0, neediest: None };
        let (mut text, mut last) = (String::new(), 0);
        for line in lines(there) {
            if line.holder == self.holder || line.expires <= now {
                continue;
            }
            held.others = held.others.saturating_add(line.held);
            if line.wanted > line.held {
                held.neediest = Some(held.neediest.unwrap_or(u32::MAX).min(line.held));
            }
            last = last.max(line.expires);
            line.write(&mut text);
        }
        let free = self.limit.saturating_sub(held.others);
        held.held = self.wanted.min(free).max(self.used);
        let expires = now.saturating_add(self.millis());
        let (holder, wanted) = (self.holder, self.wanted);
        if held.held > 0 || wanted > 0 {
            last = last.max(expires);
            Line { holder, held: held.held, wanted, expires }.write(&mut text);
        }
        ((!text.is_empty()).then(|| (text.into(), last)), held)
    }
}

/// An hour: a holder that lives says so more often.
const MAX_TIME: u64 = 3_600_000;

const MAX_HOLDER: usize = 64;

/// What one holder has, and wants.
struct Line<'a> {
    holder: &'a str,
    held: u32,
    wanted: u32,
    expires: u64,
}

impl Line<'_> {
    fn write(&self, text: &mut String) {
        let Self { holder, held, wanted, expires } = self;
        // A String takes everything.
        let _ = write!(text, "{holder} {held} {wanted} {expires};");
    }
}

/// Those lines that can be read.
fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.split(';').filter_map(|line| {
        let mut words = line.split(' ');
        Some(Line {
            holder: words.next().filter(|holder| !holder.is_empty())?,
            held: words.next()?.parse().ok()?,
            wanted: words.next()?.parse().ok()?,
            expires: words.next()?.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(holder: &str, used: u32, wanted: u32) -> Claim<'_> {
        Claim { holder, used, wanted, limit: 4, time: Duration::from_millis(100) }
    }

    fn held(held: u32, others: u32, neediest: Option<u32>) -> Held {
        Held { held, others, neediest }
    }

    #[test]
    fn what_others_hold_is_not_given_until_it_expires() {
        let (there, given) = claim("a", 0, 3).made(b"", 1000);
        assert_eq!(given, held(3, 0, None));
        let (text, until) = there.unwrap();
        assert_eq!((&*text, until), (&b"a 3 3 1100;"[..], 1100));
        assert_eq!(claim("b", 0, 3).made(&text, 1099).1, held(1, 3, None));
        assert_eq!(claim("b", 0, 3).made(&text, 1100).1, held(3, 0, None));
    }

    #[test]
    fn what_is_in_use_is_held_beyond_the_limit() {
        let (there, given) = claim("a", 5, 5).made(b"b 4 4 9999;", 1000);
        assert_eq!(given, held(5, 4, None));
        assert_eq!(&*there.unwrap().0, b"b 4 4 9999;a 5 5 1100;");
    }

    #[test]
    fn who_wants_more_is_known_to_the_others() {
        let there = b"a 4 4 9999;b 0 2 9999;c 1 2 9999;d 0 1 7;";
        assert_eq!(claim("a", 4, 4).made(there, 1000).1, held(4, 1, Some(0)));
        assert_eq!(claim("b", 0, 2).made(there, 1000).1, held(0, 5, Some(1)));
    }

    #[test]
    fn nothing_is_kept_of_who_holds_nothing_and_wants_nothing() {
        assert_eq!(claim("a", 0, 0).made(b"a 3 3 9999;", 1000).0, None);
        assert_eq!(
            &*claim("a", 0, 1).made(b"b 4 4 9999;", 0).0.unwrap().0,
            b"b 4 4 9999;a 0 1 100;"
        );
    }

    #[test]
    fn what_cannot_be_read_is_skipped() {
        let there = "; ;x;x y z;c 1;d 99999999999 5 5;b 1 1 9999;\u{e9} 1".as_bytes();
        assert_eq!(claim("a", 0, 4).made(there, 1000).1, held(3, 1, None));
        assert_eq!(claim("a", 0, 4).made(b"\xff\xff", 1000).1, held(4, 0, None));
    }
}
