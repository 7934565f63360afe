//! Packages compiled before the fork. They are compiled and linked, and never evaluated:
//! no code of a package runs in a zygote.

use std::time::{Duration, Instant};

use super::isolate::Isolate;
use super::packages::{Packages, url_of};
use crate::engines::v8;

/// From the first module to the beginning of the last. A zygote has 20 s to say hello; 0.45 s
/// were measured for 20 large packages, on a busy machine three times as much.
const MAX_TIME: Duration = Duration::from_secs(5);

/// Half of [`MAX_TIME`]: a module that begins later has its functions compiled when they are
/// called, as time is looked at between modules only and compiling all of a large one takes long.
/// It is not a limit on size: typescript, of 7.8 MB, gains the most.
const MAX_EAGER_TIME: Duration = Duration::from_millis(2_500);

/// Bytes by which functions that are compiled before they are called may grow the heap, which
/// every fork pays for: 15 packages took 14 MB, typescript 10 of them. What is imported after
/// that compiles its functions when it calls them.
const MAX_COMPILED: usize = 32 << 20;

/// Bytes of text. V8 keeps about a tenth of it as what it found out about functions, in the
/// heap that programs have 256 MiB of.
const MAX_BYTES: usize = 64 << 20;

/// Compiles and links what server and manifest say, each on its own. Returns what was not, one
/// sentence each: it is compiled where it is imported, and fails there if it does.
pub(super) async fn preload(isolate: &mut Isolate, packages: &Packages) -> Vec<String> {
    let start = Instant::now();
    let mut problems = Vec::new();
    let files = packages.preload();
    let before = used_heap(isolate);
    for (done, file) in files.iter().enumerate() {
        if start.elapsed() > MAX_TIME || packages.given() > MAX_BYTES {
            let left = files.len() - done;
            problems.push(format!(
                "{left} of {} modules are compiled in each run that imports them, and not before: \
                 the first {done} took {} ms and {} KiB of text",
                files.len(),
                start.elapsed().as_millis(),
                packages.given() >> 10
            ));
            break;
        }
        let Some(url) = url_of(file) else { continue };
        let compiled = used_heap(isolate).saturating_sub(before);
        v8::compile_all_functions(start.elapsed() < MAX_EAGER_TIME && compiled < MAX_COMPILED);
        if let Err(error) = isolate.runtime.load_side_es_module(&url).await {
            problems.push(format!("The module {file} cannot be compiled: {error}"));
        }
    }
    v8::compile_all_functions(false);
    problems
}

fn used_heap(isolate: &mut Isolate) -> usize {
    isolate.runtime.v8_isolate().get_heap_statistics().used_heap_size()
}
