//! Text that somebody else chose, among words of this server's own. Two ways to show it,
//! with a set of characters each:
//!
//! - [`escaped`], for the log and for what the command line prints: nothing is lost, and
//!   whatever is not seen stands as an escape.
//! - [`shown`], for users and models: what could hide or turn round a text is taken out,
//!   and what honest languages need stays.
//!
//! And messages that somebody else wrote, as far as they can be read: [`mended`],
//! [`broken`], with all digits of their numbers ([`digits`]), and without the members that
//! say nothing ([`nulls`]).
//!
//! And what every room does with texts: cuts them to a length ([`clip`]), suggests names
//! ([`near`]), shows the code around a place ([`code_frame`]), says that access is refused
//! ([`refusal`]), asks what ECMAScript and Python say of names ([`identifiers`], [`python`]).

pub(crate) mod broken;
pub(crate) mod clip;
pub(crate) mod code_frame;
pub(crate) mod digits;
pub(crate) mod escaped;
pub(crate) mod identifiers;
pub(crate) mod mended;
pub(crate) mod near;
pub(crate) mod nulls;
pub(crate) mod python;
pub(crate) mod refusal;
pub(crate) mod shown;
