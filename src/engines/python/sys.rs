//! The memory of the instance as Rust sees it. All `unsafe` of the engine.

use deno_core::v8;

/// Does something with the memory of an instance.
///
/// The bytes are borrowed for `work` alone, which can run nothing of the instance: it is given
/// no scope. An instance that runs may grow its memory, which moves or extends it.
pub(super) fn with_memory<T>(
    memory: v8::Local<'_, v8::WasmMemoryObject>,
    work: impl FnOnce(&mut [u8]) -> T,
) -> T {
    let buffer = memory.buffer();
    let Some(start) = buffer.data() else { return work(&mut []) };
    // SAFETY: the buffer is what the instance has as its memory now, so many bytes of it are
    // mapped, readable and writable. The process has one thread, the instance stands still
    // until `work` is done, and nobody else is given a slice of it meanwhile.
    work(unsafe { std::slice::from_raw_parts_mut(start.as_ptr().cast(), buffer.byte_length()) })
}
