//! What a program may know of its own memory.

use deno_core::{op2, v8};

/// Writes how much of V8's heap is used, its size, its limit, and what is outside of it.
#[op2(nofast)]
pub(super) fn op_conductor_heap(scope: &mut v8::PinScope<'_, '_>, #[buffer] numbers: &mut [f64]) {
    let statistics = scope.get_heap_statistics();
    let known = [
        statistics.used_heap_size(),
        statistics.total_heap_size(),
        statistics.heap_size_limit(),
        statistics.external_memory(),
    ];
    for (number, value) in numbers.iter_mut().zip(known) {
        *number = value as f64;
    }
}
