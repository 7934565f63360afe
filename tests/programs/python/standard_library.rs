//! Modules that programs import, and the few that are refused in words.

use mcp_conductor::ErrorKind;
use serde_json::json;

use super::python;

#[test]
fn modules_of_the_standard_library_are_there() {
    let Some(python) = python() else { return };
    let modules = "abc argparse array ast asyncio atexit base64 binascii bisect bz2 calendar cmath \
        collections colorsys configparser contextlib contextvars copy csv dataclasses datetime \
        decimal difflib dis email enum errno fnmatch fractions functools gc getpass gettext glob \
        graphlib gzip hashlib heapq hmac html http.client http.cookies importlib inspect io \
        ipaddress itertools json keyword linecache locale logging lzma mailbox math mimetypes \
        numbers operator os pathlib pickle pkgutil platform plistlib pprint queue quopri random re \
        reprlib sched secrets select shelve shlex shutil signal socket socketserver sqlite3 ssl stat \
        statistics string stringprep struct subprocess sys sysconfig tarfile tempfile textwrap \
        threading time timeit token tokenize tomllib traceback types typing unicodedata unittest \
        urllib.parse urllib.request uuid warnings weakref xml.etree.ElementTree zipfile zipimport \
        zlib zoneinfo";
    let source = format!(
        "import importlib\nfailed = []\nfor name in '{modules}'.split():\n    try:\n        \
         importlib.import_module(name)\n    except ImportError as e:\n        \
         failed.append(f'{{name}}: {{e}}')\nfailed"
    );
    assert_eq!(python.value(&source), json!([]));
}

#[test]
fn the_packages_that_come_with_it_are_there() {
    let Some(python) = python() else { return };
    let source = "import importlib\nfailed = []\nfor name in 'numpy pandas scipy sklearn matplotlib PIL \
                  lxml openpyxl sympy networkx yaml bs4 jinja2 tabulate dateutil'.split():\n    try:\n        \
                  importlib.import_module(name)\n    except ImportError as e:\n        \
                  failed.append(f'{name}: {e}')\nfailed";
    assert_eq!(python.value(source), json!([]));
}

#[test]
fn they_compute_what_they_compute_elsewhere() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import hashlib, hmac\n[hashlib.sha256(b'').hexdigest()[:8], hmac.new(b'k', b'm', 'sha256').hexdigest()[:8], hashlib.md5(b'a').hexdigest()[:8]]", json!(["e3b0c442", "b60090e3", "0cc175b9"])),
        ("import numpy as np\nnp.linalg.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 8.0])", json!([1.0, 2.0])),
        ("import pandas as pd\npd.DataFrame({'k': ['a', 'b', 'a'], 'n': [1, 2, 3]}).groupby('k')['n'].sum()", json!({ "a": 4, "b": 2 })),
        ("import sympy\nx = sympy.Symbol('x')\n[str(sympy.expand((x + 1) ** 2)), str(sympy.diff(x ** 3, x))]", json!(["x**2 + 2*x + 1", "3*x**2"])),
        ("from zoneinfo import ZoneInfo\nfrom datetime import datetime\ndatetime(2026, 7, 1, tzinfo=ZoneInfo('Europe/Berlin'))", json!("2026-07-01T00:00:00+02:00")),
        ("from lxml import etree\netree.fromstring('<a><b>1</b></a>').findtext('b')", json!("1")),
        ("import networkx as nx\nnx.shortest_path(nx.path_graph(4), 0, 3)", json!([0, 1, 2, 3])),
        ("from scipy import stats\nround(stats.norm.cdf(0), 3)", json!(0.5)),
        ("import yaml\nyaml.safe_load('a: [1, x]')", json!({ "a": [1, "x"] })),
        ("from jinja2 import Template\nTemplate('{{ x }}!').render(x=1)", json!("1!")),
    ]);
}

#[test]
fn clocks_go_forward() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import time\na = time.monotonic()\ntime.sleep(0.05)\n0.05 <= time.monotonic() - a < 20", json!(true)),
        ("import time, datetime\nabs(time.time() - datetime.datetime.now(datetime.timezone.utc).timestamp()) < 1", json!(true)),
        ("import time\na = time.perf_counter_ns()\nb = time.process_time()\n[time.perf_counter_ns() >= a, time.process_time() >= b]", json!([true, true])),
    ]);
}

#[test]
fn sockets_that_are_not_for_http_are_refused_when_they_are_used() {
    let Some(python) = python() else { return };
    for source in [
        "import socket\nsocket.create_connection(('127.0.0.1', 1)).recv(1)",
        "import socketserver\nsocketserver.TCPServer(('127.0.0.1', 0), None)",
        "import smtplib\nsmtplib.SMTP('127.0.0.1')",
    ] {
        let (kind, message, detail) = python.error(source);
        assert!(matches!(kind, ErrorKind::Runtime | ErrorKind::Permission), "{source}: {message}");
        assert_eq!(detail.line, Some(2), "{source}: {message}");
        assert!(
            message.contains("socket") || message.contains("--allow-net"),
            "{source}: {message}"
        );
    }
}

#[test]
fn native_code_is_refused_in_words() {
    let Some(python) = python() else { return };
    for source in [
        "import ctypes\nctypes.CDLL('libc.so.6')",
        "import ctypes\nctypes.string_at(0)",
        "import cffi",
    ] {
        let (kind, message, _) = python.error(source);
        assert_eq!(kind, ErrorKind::Runtime, "{source}: {message}");
    }
    let message = python.raised("import ctypes\nctypes.CDLL('libc.so.6')");
    assert!(message.contains("ctypes"), "{message}");
}

#[test]
fn signals_that_nobody_sends_can_be_waited_for_and_change_nothing() {
    let Some(python) = python() else { return };
    let value = python.value("import signal\ntry:\n    signal.signal(signal.SIGTERM, lambda *a: None)\n    r = 'set'\nexcept (ValueError, OSError, AttributeError) as e:\n    r = 'refused'\nr");
    assert!(value == "set" || value == "refused", "{value}");
}

#[test]
fn help_and_introspection_do_not_hang() {
    let Some(python) = python() else { return };
    let output = python.output("help(len)").join("\n");
    assert!(output.contains("Return the number of items"), "{output}");
    python.gives(&[
        ("def f(a, b=1): pass\nimport inspect\nstr(inspect.signature(f))", json!("(a, b=1)")),
        (
            "import inspect\ndef f():\n    return 1\ninspect.getsource(f)",
            json!("def f():\n    return 1\n"),
        ),
        (
            "import platform, sys\n[platform.python_implementation(), sys.version_info[0]]",
            json!(["CPython", 3]),
        ),
    ]);
}

#[test]
fn a_program_can_be_compiled_and_executed_by_another() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("eval('1 + 1')", json!(2)),
        ("ns = {}\nexec('x = 5', ns)\nns['x']", json!(5)),
        ("import importlib.util, sys\nopen('made_here.py', 'w').write('answer = 42')\nsys.path.insert(0, '.')\nimport made_here\nmade_here.answer", json!(42)),
        ("import timeit\ntimeit.timeit('1', number=10) >= 0", json!(true)),
    ]);
}

#[test]
fn a_progress_bar_ends_with_its_loop_and_notebooks_display_is_there() {
    let Some(python) = python() else { return };
    let source = "from tqdm import tqdm\nfrom IPython.display import display\n\
                  import matplotlib.pyplot as plt\nplt.ion()\ndisplay('shown')\n\
                  sum(n for n in tqdm(range(10)))";
    let execution = python.run(source);
    assert_eq!((execution.error, execution.return_value), (None, 45.into()));
    assert!(execution.output.iter().any(|line| line == "shown"), "{:?}", execution.output);
}

#[test]
fn formats_that_pillow_is_without_are_named_with_those_that_are_there() {
    let Some(python) = python() else { return };
    for (name, format) in [("a.jpg", "JPEG"), ("a.webp", "WEBP")] {
        let source = format!("from PIL import Image\nImage.new('RGB', (4, 4)).save('{name}')");
        let (_, message, detail) = python.error(&source);
        let expected = format!("{format} is not available here: PNG");
        assert!(message.contains(&expected), "{message}");
        assert_eq!(detail.line, Some(2));
    }
}
