//! What a run costs, held to a bound by counts that a busy machine does not change.

mod counts;
