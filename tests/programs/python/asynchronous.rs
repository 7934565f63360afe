//! asyncio as models write it: the event loop already runs, and nothing may fail for that.

use std::time::Duration;

use mcp_conductor::{ErrorKind, ExecuteRequest, Execution};
use serde_json::{Value, json};

use super::super::runtimes::{config, run_with};
use super::python;
use crate::support::python::install_directory;

#[test]
fn await_works_at_the_top_level_and_in_blocks_of_it() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import asyncio\nawait asyncio.sleep(0, result=3)", json!(3)),
        ("import asyncio\nif True:\n    x = await asyncio.sleep(0, result=3)\nx", json!(3)),
        ("import asyncio\n[await asyncio.sleep(0, result=i) for i in range(3)]", json!([0, 1, 2])),
        (
            "async def f():\n    for i in range(3):\n        yield i\n[x async for x in f()]",
            json!([0, 1, 2]),
        ),
    ]);
}

#[test]
fn asyncio_run_works_once_and_again() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import asyncio\nasync def main():\n    return 1\n\nasyncio.run(main()) + asyncio.run(main())", json!(2)),
        ("import asyncio\nasync def inner():\n    return 5\nasync def main():\n    await asyncio.sleep(0)\n    return await inner()\nif __name__ == '__main__':\n    result = asyncio.run(main())\nresult", json!(5)),
        ("import asyncio\nloop = asyncio.get_event_loop()\nloop.run_until_complete(asyncio.sleep(0, result=9))", json!(9)),
        ("import asyncio\nwith asyncio.Runner() as runner:\n    x = runner.run(asyncio.sleep(0, result=4))\nx", json!(4)),
    ]);
}

#[test]
fn tasks_run_side_by_side() {
    let Some(python) = python() else { return };
    let execution = python.run(
        "import asyncio, time\nstart = time.monotonic()\n\
         await asyncio.gather(*(asyncio.sleep(0.5) for _ in range(20)))\n\
         time.monotonic() - start",
    );
    let seconds = execution.return_value.as_f64().expect("seconds");
    assert!((0.5..9.0).contains(&seconds), "{seconds}");
}

#[test]
fn the_usual_tools_of_asyncio_work() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import asyncio\nq = asyncio.Queue()\nasync def put():\n    for i in range(3):\n        await q.put(i)\nasync def get():\n    return [await q.get() for _ in range(3)]\n(await asyncio.gather(put(), get()))[1]", json!([0, 1, 2])),
        ("import asyncio\nlock = asyncio.Lock()\nseen = []\nasync def f(n):\n    async with lock:\n        seen.append(n)\n        await asyncio.sleep(0)\nawait asyncio.gather(f(1), f(2))\nseen", json!([1, 2])),
        ("import asyncio\ntry:\n    await asyncio.wait_for(asyncio.sleep(60), 0.01)\nexcept TimeoutError as e:\n    x = type(e).__name__\nx", json!("TimeoutError")),
        ("import asyncio\nasync with asyncio.TaskGroup() as group:\n    tasks = [group.create_task(asyncio.sleep(0, result=i)) for i in range(2)]\n[task.result() for task in tasks]", json!([0, 1])),
        ("import asyncio\n[await f for f in asyncio.as_completed([asyncio.sleep(0.05, result='b'), asyncio.sleep(0, result='a')])]", json!(["a", "b"])),
        ("import asyncio\nevent = asyncio.Event()\nasyncio.get_running_loop().call_later(0.01, event.set)\nawait event.wait()", json!(true)),
        ("import asyncio\nsem = asyncio.Semaphore(2)\nasync def f(i):\n    async with sem:\n        return i\nawait asyncio.gather(*map(f, range(4)))", json!([0, 1, 2, 3])),
    ]);
}

#[test]
fn a_task_that_is_cancelled_sees_it() {
    let Some(python) = python() else { return };
    let source = "import asyncio\nseen = []\nasync def f():\n    try:\n        await asyncio.sleep(60)\n    \
                  except asyncio.CancelledError:\n        seen.append('cancelled')\n        raise\n\
                  task = asyncio.create_task(f())\nawait asyncio.sleep(0)\ntask.cancel()\n\
                  await asyncio.gather(task, return_exceptions=True)\nseen";
    assert_eq!(python.value(source), json!(["cancelled"]));
}

#[test]
fn an_error_in_a_task_has_the_programs_line() {
    let Some(python) = python() else { return };
    let source = "import asyncio\n\nasync def job(n):\n    await asyncio.sleep(0)\n    return 1 // n\n\n\
                  async with asyncio.TaskGroup() as group:\n    group.create_task(job(0))";
    let (kind, _, detail) = python.error(source);
    assert_eq!(kind, ErrorKind::Runtime);
    assert!(detail.stack.is_some_and(|stack| stack.contains("line 5, in job")));
}

#[test]
fn tasks_that_are_left_behind_are_part_of_the_run() {
    let Some(python) = python() else { return };
    let source = "import asyncio\nasync def later():\n    await asyncio.sleep(0.02)\n    print('later')\n\
                  task = asyncio.create_task(later())\n'now'";
    let execution = python.run(source);
    assert_eq!(
        (execution.return_value, execution.output),
        (json!("now"), vec!["later".to_owned()])
    );
}

#[test]
fn a_task_that_never_ends_does_not_hold_the_run() {
    let Some(python) = python() else { return };
    let source = "import asyncio\nasync def endless():\n    while True:\n        await asyncio.sleep(0.01)\n\
                  task = asyncio.create_task(endless())\nawait asyncio.sleep(0)\n'value'";
    let execution = python.run(source);
    assert_eq!(execution.error, None);
    assert_eq!(execution.return_value, "value");
    assert!(execution.execution_time < Duration::from_secs(30), "{execution:?}");
}

/// What, line and count of each that was unfinished.
fn unfinished(execution: &Execution) -> Vec<Value> {
    execution.unfinished.iter().map(|work| json!([work.what, work.line, work.count])).collect()
}

#[test]
fn tasks_that_are_not_done_in_the_grace_are_named_with_the_line_where_they_wait() {
    let Some(python) = python() else { return };
    let execution = python.run(
        "import asyncio\nasync def slow():\n    await asyncio.sleep(600)\n\
         async def deep():\n    await slow()\n\
         tasks = [asyncio.create_task(deep()) for _ in range(3)]\nawait asyncio.sleep(0)\n'value'",
    );
    assert_eq!((&execution.error, &execution.return_value), (&None, &json!("value")));
    assert_eq!(unfinished(&execution), [json!(["task deep", 3, 3])]);
}

#[test]
fn a_value_that_was_reached_is_kept_when_the_timeout_comes_within_the_grace() {
    let Some(store) = install_directory() else { return };
    let config = config().with_install_dir(store).with_unfinished_grace(Duration::from_secs(60));
    let source = "import asyncio\nasync def waits():\n    await asyncio.sleep(600)\n\
                  async def spins():\n    await asyncio.sleep(0.01)\n    while True: pass\n\
                  tasks = [asyncio.create_task(f()) for f in (waits, spins)]\n[1, 2]";
    let request = ExecuteRequest::python(source).with_timeout(Duration::from_secs(3));
    let execution = run_with(config, request);
    assert_eq!((&execution.error, &execution.return_value), (&None, &json!([1, 2])));
    let unfinished = unfinished(&execution);
    for (what, line) in [("task waits", 3), ("code that was running", 6)] {
        assert!(unfinished.contains(&json!([what, line, 1])), "{unfinished:?}");
    }
}

#[test]
fn an_exit_in_the_grace_is_an_error_with_the_value_beside_it() {
    let Some(python) = python() else { return };
    let execution = python.run(
        "import asyncio, sys\nasync def f():\n    sys.exit(3)\ntask = asyncio.create_task(f())\n'value'",
    );
    assert_eq!(execution.return_value, "value", "{execution:?}");
    let message = execution.error.map(|error| error.message);
    assert_eq!(message.as_deref(), Some("Process exited with code 3"));
}

#[test]
fn a_value_is_taken_before_what_was_left_behind_changes_it() {
    let Some(python) = python() else { return };
    let source = "import asyncio\nseen = []\nasync def f():\n    seen.append(1)\n\
                  task = asyncio.create_task(f())\nseen";
    assert_eq!(python.value(source), json!([]));
}

#[test]
fn to_thread_and_executors_give_their_result() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import asyncio\nawait asyncio.to_thread(sum, [1, 2])", json!(3)),
        ("import asyncio\nawait asyncio.get_running_loop().run_in_executor(None, len, 'abc')", json!(3)),
        ("import asyncio\ntry:\n    await asyncio.to_thread(int, 'x')\nexcept ValueError as e:\n    s = 'caught'\ns", json!("caught")),
    ]);
}

#[test]
fn a_main_that_is_defined_and_never_called_is_named() {
    let Some(python) = python() else { return };
    let execution = python.run("async def main():\n    return 1");
    assert_eq!(execution.error, None);
    let told = format!("{:?}{:?}", execution.notes, execution.output);
    assert!(execution.return_value == 1 || told.contains("main"), "{execution:?}");
}

#[test]
fn a_coroutine_that_is_never_awaited_is_a_warning() {
    let Some(python) = python() else { return };
    let output = python.output("async def f():\n    pass\nf()\nNone").join("\n");
    assert!(output.contains("never awaited"), "{output}");
}

#[test]
fn a_task_that_a_task_left_behind_begins_goes_on_too() {
    let Some(python) = python() else { return };
    let source = "import asyncio\n\nasync def child():\n    await asyncio.sleep(0.01)\n    print('child')\n\nasync def parent():\n    asyncio.create_task(child())\n\nasync def main():\n    asyncio.create_task(parent())\n    return 1\n\nawait main()";
    let execution = python.run(source);
    assert_eq!(execution.return_value, 1, "{execution:?}");
    assert_eq!(execution.output, ["child"], "{execution:?}");
    assert_eq!(execution.unfinished, [], "{execution:?}");
}
