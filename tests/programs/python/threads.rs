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
fn threads_that_wait_for_later_ones_go_on_when_those_have_run() {
    let Some(python) = python() else { return };
    python.gives(&[
        (
            "import threading, queue\nq = queue.Queue()\nout = []\ndef take():\n    while (x := q.get()) is not None:\n        out.append(x)\ndef give():\n    for x in (1, 2, None):\n        q.put(x)\nts = [threading.Thread(target=f) for f in (take, give)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nout",
            json!([1, 2]),
        ),
        (
            "import threading\ne = threading.Event()\nlog = []\ndef f():\n    e.wait()\n    log.append('go')\nt = threading.Thread(target=f)\nt.start()\nlog.append('set')\ne.set()\nt.join()\nlog",
            json!(["set", "go"]),
        ),
        (
            "import threading\nb = threading.Barrier(3)\nout = []\ndef f(i):\n    b.wait()\n    out.append(i)\nts = [threading.Thread(target=f, args=(i,)) for i in range(3)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nsorted(out)",
            json!([0, 1, 2]),
        ),
        (
            "import threading\nc = threading.Condition()\nitems, got = [], []\ndef f():\n    with c:\n        while not items:\n            c.wait()\n        got.append(items.pop())\nt = threading.Thread(target=f)\nt.start()\nwith c:\n    items.append(1)\n    c.notify()\nt.join()\ngot",
            json!([1]),
        ),
        (
            "import threading, queue\nq = queue.Queue(maxsize=2)\nout = []\ndef give():\n    for i in range(9):\n        q.put(i)\n    q.put(None)\ndef take():\n    while (x := q.get()) is not None:\n        out.append(x)\nts = [threading.Thread(target=f) for f in (give, take)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nlen(out)",
            json!(9),
        ),
    ]);
}

#[test]
fn workers_of_a_queue_that_wait_for_more_do_not_hold_its_join() {
    let Some(python) = python() else { return };
    let source = "import threading, queue\nq = queue.Queue()\nout = []\ndef work():\n    while True:\n        \
                  out.append(q.get() * 2)\n        q.task_done()\n\
                  for _ in range(3):\n    threading.Thread(target=work, daemon=True).start()\n\
                  for i in range(5):\n    q.put(i)\nq.join()\nsorted(out)";
    assert_eq!(python.value(source), json!([0, 2, 4, 6, 8]));
}

#[test]
fn a_thread_that_nobody_joins_has_run_when_the_value_is_taken() {
    let Some(python) = python() else { return };
    let source = "import threading\nready = threading.Event()\nseen = []\n\
                  threading.Thread(target=seen.append, args=(1,)).start()\nlen(seen)";
    assert_eq!(python.value(source), 1);
}

#[test]
fn a_daemon_that_ticks_is_ended_and_the_program_goes_on() {
    let Some(python) = python() else { return };
    let source = "import threading, time\nstop = threading.Event()\nticks = []\ndef tick():\n    \
                  while not stop.is_set():\n        ticks.append(1)\n        time.sleep(0.01)\n\
                  threading.Thread(target=tick, daemon=True).start()\ntime.sleep(0.1)\nstop.set()\n\
                  len(ticks) > 1";
    assert_eq!(python.value(source), json!(true));
}

#[test]
fn a_wait_that_no_thread_can_end_is_an_error_that_says_what_to_do() {
    let Some(python) = python() else { return };
    let (_, message, detail) = python.error("import queue\nqueue.Queue().get()");
    assert_eq!(detail.line, Some(2), "{message}");
    assert!(message.contains("asyncio.Queue"), "{message}");
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

/// Who runs on top of a sleep could not wait for what the sleeper holds.
#[test]
fn threads_that_sleep_with_a_lock_or_a_semaphore_keep_the_others_out() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import threading, time\nfew = threading.Semaphore(3)\nr = []\ndef work(i):\n    with few:\n        time.sleep(0.005)\n        r.append(i)\nts = [threading.Thread(target=work, args=(i,)) for i in range(20)]\nfor t in ts: t.start()\nfor t in ts: t.join()\nsorted(r) == list(range(20))", json!(true)),
        ("import queue, threading, time\nq, lock, n = queue.Queue(), threading.RLock(), 0\ndef work():\n    global n\n    with lock:\n        seen = n\n        time.sleep(0.005)\n        n = seen + 1\n    q.put(n)\nts = [threading.Thread(target=work) for _ in range(5)]\nfor t in ts: t.start()\nfor t in ts: t.join()\n[n, q.qsize()]", json!([5, 5])),
    ]);
}

#[test]
fn a_thread_that_the_last_expression_starts_has_run() {
    let Some(python) = python() else { return };
    let source = "import queue, threading\n\ndef main():\n    q = queue.Queue()\n    threading.Thread(target=lambda: print('ran', q.empty())).start()\n    return 5\n\nmain()";
    let execution = python.run(source);
    assert_eq!(execution.return_value, 5, "{execution:?}");
    assert_eq!(execution.output, ["ran True"], "{execution:?}");
}

#[test]
fn more_threads_than_have_room_on_the_stack_run_all_the_same() {
    let Some(python) = python() else { return };
    let source = "import threading, time\nr, told = [], threading.Event()\ndef work():\n    time.sleep(0.005)\n    r.append(1)\nts = [threading.Thread(target=work) for _ in range(300)]\nfor t in ts: t.start()\nfor t in ts: t.join()\nlen(r)";
    assert_eq!(python.value(source), 300);
}
