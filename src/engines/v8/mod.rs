//! V8 as every engine that is made of it has it: its start, seeds, stop and limits.

mod icu;
mod isolate;
mod panics;
pub(crate) mod stop;

pub(super) use icu::set_time_zone;
pub(super) use isolate::{
    CODE_RANGE_BYTES, compile_all_functions, guard, initialize, leave_bounds_to_page_faults,
    reseed, tell_of_full_heap, watch_heap,
};
pub(super) use panics::is_of_import;
