//! No state passes from one run to the next: each is a copy of the zygote.

use serde_json::json;

use super::python;

#[test]
fn what_a_run_changes_is_as_before_in_the_next() {
    let Some(python) = python() else { return };
    for (change, look, before) in [
        ("x = 1", "'x' in globals()", json!(false)),
        ("import builtins\nbuiltins.len = lambda x: 99", "len([1])", json!(1)),
        (
            "import builtins\nbuiltins.left = 1",
            "import builtins\nhasattr(builtins, 'left')",
            json!(false),
        ),
        ("import json\njson.loads = None", "import json\njson.loads('1')", json!(1)),
        ("import sys\nsys.path.append('/left')", "import sys\n'/left' in sys.path", json!(false)),
        (
            "import sys, types\nsys.modules['left'] = types.ModuleType('left')",
            "import sys\n'left' in sys.modules",
            json!(false),
        ),
        (
            "import sys\nsys.setrecursionlimit(50)",
            "import sys\nsys.getrecursionlimit() > 500",
            json!(true),
        ),
        ("import os\nos.environ['LEFT'] = '1'", "import os\n'LEFT' in os.environ", json!(false)),
        ("import os\nos.chdir('/')", "import os\nos.getcwd() == WORKSPACE_DIR", json!(true)),
        ("import os\nos.umask(0o777)", "1", json!(1)),
        (
            "import locale, decimal\ndecimal.getcontext().prec = 2",
            "import decimal\ndecimal.getcontext().prec",
            json!(28),
        ),
        (
            "import warnings\nwarnings.simplefilter('error')",
            "import warnings\nwarnings.warn('w')\n1",
            json!(1),
        ),
        (
            "import logging\nlogging.basicConfig(level=0)\nlogging.disable(50)",
            "import logging\n[logging.root.handlers, logging.root.level]",
            json!([[], 30]),
        ),
        ("import gc\ngc.disable()", "import gc\ngc.isenabled()", json!(true)),
        (
            "import sys\nsys.excepthook = None\nsys.settrace(None)\nsys.displayhook = None",
            "import sys\nsys.excepthook is sys.__excepthook__ or callable(sys.excepthook)",
            json!(true),
        ),
        (
            "import numpy as np\nnp.set_printoptions(precision=1)\nnp.seterr(all='raise')",
            "import numpy as np\nnp.get_printoptions()['precision']",
            json!(8),
        ),
        (
            "import pandas as pd\npd.set_option('display.max_rows', 1)\npd.DataFrame.sum = None",
            "import pandas as pd\n[pd.get_option('display.max_rows'), int(pd.DataFrame({'a': [1]}).sum()['a'])]",
            json!([60, 1]),
        ),
        (
            "import matplotlib.pyplot as plt\nplt.rcParams['lines.linewidth'] = 99\nplt.figure()\nNone",
            "import matplotlib.pyplot as plt\n[plt.rcParams['lines.linewidth'], plt.get_fignums()]",
            json!([1.5, []]),
        ),
        (
            "import _host\n_host.call = None",
            "call_mcp_tool('mcp__stub__echo', {'text': 'x'})",
            json!("x"),
        ),
        ("class Meta(type): pass\nimport conductor\nconductor.main = None", "1 + 1", json!(2)),
        ("import linecache\nlinecache.cache.clear()", "1", json!(1)),
        (
            "import threading\nthreading.excepthook = None\nimport atexit\natexit.register(print, 'left')",
            "1",
            json!(1),
        ),
    ] {
        python.run(change);
        let execution = python.run(look);
        assert_eq!(execution.error, None, "{change}");
        assert_eq!(execution.return_value, before, "{change}");
        let left = execution.output.iter().any(|line| line.contains("left"));
        assert!(!left, "{change}: {:?}", execution.output);
    }
}

#[test]
fn a_program_sees_nothing_of_the_warm_up() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("sorted(n for n in globals() if not n.startswith('__') and not callable(globals()[n]) and n not in ('WORKSPACE_DIR', 'ROOT_DIR', 'PLAYBOOKS_DIR', 'PERMISSIONS', 'mcp', 'session'))", json!([])),
        ("import gc\nlen([o for o in gc.get_objects() if type(o).__name__ == 'DataFrame'])", json!(0)),
        ("import matplotlib.pyplot as plt\nplt.get_fignums()", json!([])),
        ("import asyncio\nlen(asyncio.all_tasks())", json!(1)),
        ("import sys\n[n for n in ('__main__.main',) if n in sys.modules]", json!([])),
        ("try:\n    _\nexcept NameError:\n    r = 'unset'\nr", json!("unset")),
    ]);
}

/// Whoever reads it writes no page of it then (PEP 683).
#[test]
fn what_the_zygote_has_is_immortal_and_what_a_program_makes_is_not() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import json, sys\nall(sys.getrefcount(it) >= 1 << 28 for it in (json, json.loads, json.loads.__code__, json.JSONDecoder))", json!(true)),
        ("import sys\nsys.getrefcount([1, 2]) < 10", json!(true)),
    ]);
}

#[test]
fn a_run_that_crashed_is_no_trouble_for_the_next() {
    let Some(python) = python() else { return };
    for source in [
        "import os\nos.abort()",
        "import os\nos._exit(1)",
        "import os\nos.kill(os.getpid(), 9)",
        "a = None\nfor _ in range(3_000_000): a = [a]\ndel a",
    ] {
        python.run(source);
        assert_eq!(python.value("1 + 1"), 2, "{source}");
    }
}

#[test]
fn names_of_the_interpreters_side_can_be_broken_and_only_that_run_is() {
    let Some(python) = python() else { return };
    for source in [
        "import conductor.door as d\nfor n in list(vars(d)):\n    if not n.startswith('__'): setattr(d, n, None)\nprint('x')",
        "import conductor.output as o\nvars(o).clear()\nprint('x')",
        "import sys\nfor n in list(sys.modules):\n    if n not in ('sys', 'builtins'): del sys.modules[n]\n5",
        "import json\njson.dumps = json.JSONEncoder.encode = lambda *a, **k: 1 / 0\n{'a': 1}",
        "import builtins\nfor n in ('isinstance', 'len', 'type', 'str', 'repr', 'print', 'Exception'):\n    setattr(builtins, n, None)\n[1]",
        "import traceback\ntraceback.TracebackException = None\n1 / 0",
        "import asyncio\nasyncio.get_running_loop().stop()\n1",
        "import asyncio\nasyncio.get_running_loop().close()\n1",
        "import sys\nsys.stdout = sys.stderr = sys.stdin = None\nprint('x')\n1",
        "import sys\nsys.modules.clear()\n1",
        "globals().clear()\n1",
        "del __builtins__\n1",
    ] {
        // However it ends, it ends.
        let execution = python.run_for(20_000, source);
        let ended = execution.error.as_ref().map(|error| error.message.as_str());
        assert_ne!(ended, Some("Execution timed out after 20000ms"), "{source}");
        assert_eq!(python.value("1 + 1"), 2, "{source}");
    }
}
