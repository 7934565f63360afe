//! What the module imports: the calls of WASI and the door, as functions of V8 that ask the
//! [`Guest`].

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::v8;

use super::guest::Guest;
use super::immortal::make_immortal;
use super::sys::with_memory;
use super::wasi::{Arguments, Import};
use super::world::End;

/// The module's names for where its imports come from.
const WASI: &str = "wasi_snapshot_preview1";
const HOST: &str = "host";

/// Longest frame that is copied out of the memory, as long as the server's longest to a worker.
const MAX_FRAME: usize = 64 << 20;

/// The door's answers to the guest: done, and that the host has failed.
const DONE: i32 = 0;
const FAULT: i32 = -2;

/// The instance's exports that its imports need, and who answers them.
pub(super) struct Host {
    pub guest: RefCell<Guest>,
    /// There as soon as there is an instance.
    pub exports: RefCell<Option<Exports>>,
    /// Why the guest was ended, until somebody asks.
    end: RefCell<Option<End>>,
}

/// What an instance exports.
pub(super) struct Exports {
    pub memory: v8::Global<v8::WasmMemoryObject>,
    pub host_alloc: v8::Global<v8::Function>,
}

impl Host {
    pub(super) fn new(guest: Guest) -> Rc<Self> {
        Rc::new(Self {
            guest: RefCell::new(guest),
            exports: RefCell::default(),
            end: RefCell::default(),
        })
    }

    /// Why the guest was ended, if it was.
    pub(super) fn take_end(&self) -> Option<End> {
        self.end.take()
    }

    /// The memory of the instance, which calls its imports only after it was made.
    pub(super) fn memory<'s>(
        &self,
        scope: &v8::PinScope<'s, '_>,
    ) -> Option<v8::Local<'s, v8::WasmMemoryObject>> {
        self.exports.borrow().as_ref().map(|exports| v8::Local::new(scope, &exports.memory))
    }

    fn host_alloc<'s>(&self, scope: &v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Function>> {
        self.exports.borrow().as_ref().map(|exports| v8::Local::new(scope, &exports.host_alloc))
    }

    /// Keeps why the guest ends and stops it: it runs at most to its next stack check.
    fn end(&self, scope: &v8::PinScope<'_, '_>, end: End) {
        self.end.borrow_mut().get_or_insert(end);
        scope.terminate_execution();
    }
}

/// The object that the module is instantiated with.
pub(super) fn object<'s>(scope: &mut v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
    let wasi = v8::Object::new(scope);
    for (index, import) in (0..).zip(Import::ALL) {
        let index = v8::Integer::new_from_unsigned(scope, index);
        let function = v8::Function::builder(call_wasi).data(index.into()).build(scope)?;
        set(scope, wasi, import.name(), function.into())?;
    }
    let host = v8::Object::new(scope);
    let call = v8::Function::builder(call_host).build(scope)?;
    set(scope, host, "call", call.into())?;
    let imports = v8::Object::new(scope);
    set(scope, imports, WASI, wasi.into())?;
    set(scope, imports, HOST, host.into())?;
    Some(imports)
}

fn set(
    scope: &mut v8::PinScope<'_, '_>,
    object: v8::Local<'_, v8::Object>,
    name: &str,
    value: v8::Local<'_, v8::Value>,
) -> Option<bool> {
    let name = v8::String::new(scope, name)?;
    object.create_data_property(scope, name.into(), value)
}

fn host_of(scope: &v8::PinScope<'_, '_>) -> Rc<Host> {
    scope.get_slot::<Rc<Host>>().expect("an interpreter's isolate has its host").clone()
}

fn call_wasi<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    arguments: v8::FunctionCallbackArguments<'s>,
    mut result: v8::ReturnValue<'_>,
) {
    let index = arguments.data().uint32_value(scope).unwrap_or(u32::MAX);
    let Some(&import) = Import::ALL.get(index as usize) else { return };
    let host = host_of(scope);
    let Some(memory) = host.memory(scope) else { return };
    let numbers = numbers(scope, &arguments);
    let answer =
        with_memory(memory, |memory| host.guest.borrow_mut().wasi(memory, import, &numbers));
    match answer {
        Ok(errno) => result.set_uint32(errno),
        Err(end) => host.end(scope, end),
    }
}

/// The arguments of a call, as the module gives them: numbers, and BigInts for 64 bits.
fn numbers<'s>(
    scope: &v8::PinScope<'s, '_>,
    arguments: &v8::FunctionCallbackArguments<'s>,
) -> Arguments {
    let mut numbers = Arguments::default();
    for (index, number) in (0..arguments.length()).zip(&mut numbers) {
        let value = arguments.get(index);
        *number = match v8::Local::<v8::BigInt>::try_from(value) {
            Ok(wide) => wide.u64_value().0,
            Err(_) => value.uint32_value(scope).unwrap_or(0).into(),
        };
    }
    numbers
}

/// `host.call(ptr, len, out_ptr_ptr, out_len_ptr)`: a frame out, the answer into memory that
/// the guest allocates for it.
fn call_host<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    arguments: v8::FunctionCallbackArguments<'s>,
    mut result: v8::ReturnValue<'_>,
) {
    let host = host_of(scope);
    let [from, length, out_start, out_length, ..] = numbers(scope, &arguments);
    let frame = host.memory(scope).and_then(|memory| {
        with_memory(memory, |memory| part(memory, from, length).map(|frame| frame.to_vec()))
    });
    let Some(frame) = frame else { return result.set_int32(FAULT) };
    // Not borrowed any more when the guest runs again.
    let answer = host.guest.borrow_mut().host_call(&frame);
    drop(frame);
    let immortals = host.guest.borrow_mut().take_immortals();
    if let Some(memory) = host.memory(scope).filter(|_| !immortals.is_empty()) {
        with_memory(memory, |memory| make_immortal(memory, &immortals));
    }
    match answer {
        Ok(answer) => {
            let given = give(scope, &host, &answer, [out_start, out_length]);
            result.set_int32(if given.is_some() { DONE } else { FAULT });
        }
        Err(end) => host.end(scope, end),
    }
}

/// Puts an answer into memory of the guest, and where it is at the two places.
fn give(
    scope: &mut v8::PinScope<'_, '_>,
    host: &Host,
    answer: &[u8],
    [out_start, out_length]: [u64; 2],
) -> Option<()> {
    let start = allocate(scope, host, answer.len())?;
    let length = u32::try_from(answer.len()).ok()?;
    with_memory(host.memory(scope)?, |memory| {
        part(memory, start.into(), length.into())?.copy_from_slice(answer);
        part(memory, out_start, 4)?.copy_from_slice(&start.to_le_bytes());
        part(memory, out_length, 4)?.copy_from_slice(&length.to_le_bytes());
        Some(())
    })
}

/// Lets the guest allocate so many bytes of its memory, which may grow by that.
pub(super) fn allocate(
    scope: &mut v8::PinScope<'_, '_>,
    host: &Host,
    length: usize,
) -> Option<u32> {
    let allocate = host.host_alloc(scope)?;
    let length = v8::Integer::new_from_unsigned(scope, u32::try_from(length).ok()?);
    let undefined = v8::undefined(scope).into();
    let start = allocate.call(scope, undefined, &[length.into()])?.uint32_value(scope)?;
    (start != 0).then_some(start)
}

/// Bytes of the memory, if all of them are in it and they are not too many.
pub(super) fn part(memory: &mut [u8], start: u64, length: u64) -> Option<&mut [u8]> {
    let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
    let end = start.checked_add(length).filter(|_| length <= MAX_FRAME)?;
    memory.get_mut(start..end)
}
