//! Workers are copies of one process: whatever is random must differ all the
//! same.

use std::collections::HashSet;

use mcp_conductor::{ExecuteRequest, Isolate, Runtime};

use super::runtimes::{config, run_on, start, value, value_of};

const RUNS: usize = 200;

fn values(runtime: &Runtime, source: &str, runs: usize) -> HashSet<String> {
    (0..runs).map(|_| value_of(run_on(runtime, ExecuteRequest::new(source))).to_string()).collect()
}

#[track_caller]
fn assert_all_runs_differ(source: &str) {
    let runtime = start(config());
    assert_eq!(values(&runtime, source, RUNS).len(), RUNS, "{source}");
}

#[test]
fn math_random_differs_between_runs() {
    assert_all_runs_differ("Math.random()");
}

#[test]
fn random_uuids_differ_between_runs() {
    assert_all_runs_differ("crypto.randomUUID()");
}

#[test]
fn random_values_differ_between_runs() {
    assert_all_runs_differ("[...crypto.getRandomValues(new Uint8Array(16))]");
}

#[test]
fn generated_keys_differ_between_runs() {
    assert_all_runs_differ(
        "const kind = { name: 'AES-GCM', length: 256 };
         const key = await crypto.subtle.generateKey(kind, true, ['encrypt']);
         [...new Uint8Array(await crypto.subtle.exportKey('raw', key))]",
    );
}

#[test]
fn object_urls_differ_between_runs() {
    assert_all_runs_differ("URL.createObjectURL(new Blob(['x']))");
}

#[test]
fn random_numbers_do_not_repeat_within_a_run() {
    assert_eq!(
        value(
            "const draw = (f: () => unknown) => new Set(Array.from({ length: 1000 }, f)).size;
             [draw(() => Math.random()), draw(() => crypto.randomUUID()),
              draw(() => crypto.getRandomValues(new Uint32Array(2)).join())]"
        ),
        serde_json::json!([1000, 1000, 1000])
    );
}

#[test]
fn random_numbers_differ_between_zygotes_and_kinds_of_isolates() {
    let source = "[Math.random(), crypto.randomUUID()]";
    let mut seen = HashSet::new();
    for isolate in [Isolate::Warm, Isolate::Fresh, Isolate::Warm, Isolate::Fresh] {
        let runtime = start(config().with_isolate(isolate));
        seen.extend(values(&runtime, source, 5));
    }
    assert_eq!(seen.len(), 20);
}

#[test]
fn the_time_origin_moves_forward() {
    let origin = || value("performance.timeOrigin").as_f64().expect("a number");
    let origins: Vec<f64> = (0..20).map(|_| origin()).collect();
    assert!(origins.is_sorted_by(|a, b| a < b), "{origins:?}");
}
