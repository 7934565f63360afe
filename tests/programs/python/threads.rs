//! Threads: there are none, and what programs usually do with them works in place.

use serde_json::json;

use super::python;

#[test]
fn a_thread_that_is_started_and_joined_has_run() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import threading\nr = []\nts = [threading.Thread(target=r.append, args=(i,)) for i in range(3)]\nfor t in ts: t.start()\nfor t in ts: t.join()\n[r, any(t.is_alive() for t in ts)]", json!([[0, 1, 2], false])),
        ("import threading\nclass T(threading.Thread):\n    def run(self):\n        self.answer = threading.current_thread() is self\nt = T()\nt.start()\nt.join(timeout=5)\nt.answer", json!(true)),
        ("import threading\nlocal = threading.local()\nlocal.x = 1\nseen = []\nt = threading.Thread(target=lambda: seen.append(hasattr(local, 'x')))\nt.start()\nt.join()\nlen(seen)", json!(1)),
    ]);
}

#[test]
fn an_error_in_a_thread_is_output_and_not_the_runs() {
    let Some(python) = python() else { return };
    let source =
        "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()\n'on'";
    let execution = python.run(source);
    assert_eq!(execution.return_value, "on", "{execution:?}");
    assert!(execution.output.join("\n").contains("ZeroDivisionError"), "{execution:?}");
}

#[test]
fn a_pool_of_threads_gives_its_results_in_order() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as pool:\n    r = list(pool.map(lambda x: x * x, range(5)))\nr", json!([0, 1, 4, 9, 16])),
        ("from concurrent.futures import ThreadPoolExecutor, as_completed\nwith ThreadPoolExecutor() as pool:\n    fs = [pool.submit(pow, 2, n) for n in range(3)]\n    r = sorted(f.result() for f in as_completed(fs))\nr", json!([1, 2, 4])),
        ("from multiprocessing.pool import ThreadPool\nwith ThreadPool(2) as pool:\n    r = pool.map(abs, [-1, 2])\nr", json!([1, 2])),
    ]);
}

#[test]
fn an_error_in_a_pool_is_raised_where_the_result_is_asked_for() {
    let Some(python) = python() else { return };
    let source = "from concurrent.futures import ThreadPoolExecutor\n\ndef work(n):\n    return 1 // n\n\n\
                  with ThreadPoolExecutor() as pool:\n    list(pool.map(work, [1, 0]))";
    let (_, message, detail) = python.error(source);
    assert!(message.starts_with("ZeroDivisionError"), "{message}");
    assert_eq!(detail.line, Some(4));
}

#[test]
fn a_thread_that_waits_for_another_does_not_hang_the_run() {
    let Some(python) = python() else { return };
    let source = "import threading, queue\nq = queue.Queue()\n\
                  t = threading.Thread(target=lambda: q.get())\nt.start()\nq.put(1)\nt.join()\n'on'";
    let execution = python.run_for(3000, source);
    // An error that says so is best; at the worst the timeout ends it.
    assert!(execution.error.is_some() || execution.return_value == "on", "{execution:?}");
    assert_eq!(python.value("1 + 1"), 2);
}

#[test]
fn processes_are_refused_in_words() {
    let Some(python) = python() else { return };
    let source = "import multiprocessing\np = multiprocessing.Process(target=print)\np.start()";
    let (_, message, detail) = python.error(source);
    assert_eq!(detail.line, Some(3), "{message}");
    assert!(message.contains("process"), "{message}");
}

#[test]
fn locks_events_and_timers_do_not_hang() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import threading\nlock = threading.RLock()\nwith lock:\n    with lock:\n        x = 1\nx", json!(1)),
        ("import threading\nthreading.Event().wait(timeout=0.01)", json!(false)),
        ("import threading\nthreading.Lock().acquire(timeout=0.01)", json!(true)),
        ("import threading\nc = threading.Condition()\nwith c:\n    r = c.wait(timeout=0.01)\nr", json!(false)),
        ("import queue\ntry:\n    queue.Queue().get(timeout=0.01)\nexcept queue.Empty:\n    r = 'empty'\nr", json!("empty")),
    ]);
}
