//! Workers are copies of one process: whatever is random or new must be so in each.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{PATIENCE, config, install_directory, loaded, python, run_on, start, value_of};
use mcp_conductor::ExecuteRequest;

const RUNS: usize = 200;

/// One draw from each source of randomness, by name. `tempfile` keeps a generator of its
/// own, and numpy has two.
const DRAWS: &str = "
import random, secrets, uuid, os, tempfile, time
import numpy as np
import pandas as pd
{
    'random.random': random.random(),
    'random.Random': random.Random().random(),
    'random.SystemRandom': random.SystemRandom().random(),
    'random.choices': ''.join(random.choices('abcdefghijklmnopqrstuvwxyz', k=30)),
    'secrets.token_hex': secrets.token_hex(16),
    'secrets.randbits': str(secrets.randbits(128)),
    'uuid.uuid4': uuid.uuid4(),
    'uuid.uuid1': uuid.uuid1(),
    'os.urandom': os.urandom(16).hex(),
    'os.getrandom': os.getrandom(16).hex() if hasattr(os, 'getrandom') else os.urandom(16).hex(),
    'np.random.rand': np.random.rand(),
    'np.random.RandomState': np.random.RandomState().rand(),
    'np.random.default_rng': np.random.default_rng().random(),
    'np.random.permutation': str(np.random.permutation(50).tolist()),
    'DataFrame.sample': str(pd.DataFrame({'a': range(10000)}).sample(9)['a'].tolist()),
    'tempfile.mktemp': os.path.basename(tempfile.mktemp()),
    'tempfile.names': next(tempfile._get_candidate_names()),
    'time.time_ns': str(time.time_ns()),
}";

#[test]
fn two_hundred_runs_draw_nothing_twice() {
    let Some(python) = python() else { return };
    let mut seen: HashMap<String, HashSet<String>> = HashMap::new();
    for _ in 0..RUNS {
        let Value::Object(draws) = python.value(DRAWS) else { panic!("an object") };
        for (source, draw) in draws {
            seen.entry(source).or_default().insert(draw.to_string());
        }
    }
    assert_eq!(seen.len(), 18);
    let repeated: Vec<_> = seen.iter().filter(|(_, draws)| draws.len() != RUNS).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
}

/// Ways to numpy's legacy generator, each of which is the first in its run: it is seeded when it is
/// reached.
const WAYS: &[&str] = &[
    "import numpy as np\nnp.random.rand()",
    "import numpy as np\nfloat(np.random.mtrand._rand.random_sample())",
    "from numpy.random import rand\nrand()",
    "from numpy.random.mtrand import _rand\n_rand.random_sample()",
    "import sys\nvars(sys.modules['numpy.random'])['rand']()",
    "import numpy as np\nnp.random.get_state()[1].tolist()",
    "import pandas as pd\npd.Series(range(10000)).sample(9).tolist()",
];

#[test]
fn the_legacy_generator_of_numpy_is_seeded_by_whichever_way_it_is_reached() {
    let Some(python) = python() else { return };
    for way in WAYS {
        let drawn: HashSet<_> = (0..5).map(|_| python.value(way).to_string()).collect();
        assert_eq!(drawn.len(), 5, "{way}");
    }
}

/// scipy and scikit-learn are imported by each run that needs them, which takes a second.
#[test]
fn scipy_and_scikit_learn_draw_nothing_twice() {
    let Some(python) = python() else { return };
    let draws = "from sklearn.utils import check_random_state\nfrom scipy.stats import norm\n\
                 [check_random_state(None).random_sample(), float(norm.rvs())]";
    let runs: Vec<_> = (0..5).map(|_| python.value(draws)).collect();
    for index in 0..2 {
        let drawn: HashSet<_> = runs.iter().map(|run| run[index].to_string()).collect();
        assert_eq!(drawn.len(), 5, "{runs:?}");
    }
}

/// Each from a generator that a package made, or had by another name, when it was imported: in a
/// zygote that is imported once for all.
const KEPT: &str = "
import sys
there = [name in sys.modules for name in ('scipy.stats', 'sklearn.ensemble', 'sympy', 'networkx')]
import numpy as np
from scipy.stats import norm, qmc
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sympy.core.random import rng
{
    'there': there,
    'sympy': rng.random(),
    'scipy': float(norm.rvs()),
    'scipy.qmc': float(qmc.Sobol(2).random(1)[0][0]),
    'sklearn': float(check_random_state(None).random_sample()),
    'sklearn.split': str(train_test_split(range(1000))[1]),
    'np.random.rand': np.random.rand(),
    'np.random.default_rng': np.random.default_rng().random(),
}";

#[test]
fn what_preloaded_packages_keep_is_fresh_in_each_run() {
    let Some(store) = install_directory() else { return };
    let config = config()
        .with_install_dir(store)
        .with_python_preload(["scipy", "sklearn", "sympy", "networkx"].map(str::to_owned))
        .with_default_timeout(PATIENCE)
        .with_max_cpu_time(PATIENCE);
    let runtime = start(config);
    let run = |source: &str| value_of(run_on(&runtime, ExecuteRequest::python(source)));
    loaded(|| if run("1 + 1") == 2 { Ok(()) } else { Err("it is not loaded".into()) });
    let mut seen: HashMap<String, HashSet<String>> = HashMap::new();
    for _ in 0..10 {
        let Value::Object(mut draws) = run(KEPT) else { panic!("an object") };
        let there = draws.remove("there").expect("whether they are there");
        assert_eq!(there, serde_json::json!([true, true, true, true]));
        for (source, draw) in draws {
            seen.entry(source).or_default().insert(draw.to_string());
        }
    }
    assert_eq!(seen.len(), 7);
    let repeated: Vec<_> = seen.iter().filter(|(_, draws)| draws.len() != 10).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
}

#[test]
fn random_numbers_do_not_repeat_within_a_run() {
    let Some(python) = python() else { return };
    let source = "import random, uuid, os\nimport numpy as np\nrng = np.random.default_rng()\n\
                  [len({f() for _ in range(1000)}) for f in (random.random, uuid.uuid4, \
                  lambda: os.urandom(8), np.random.rand, rng.random)]";
    assert_eq!(python.value(source), serde_json::json!([1000, 1000, 1000, 1000, 1000]));
}

#[test]
fn a_seeded_generator_gives_the_same_in_each_run() {
    let Some(python) = python() else { return };
    let source = "import random\nimport numpy as np\nrandom.seed(7)\nnp.random.seed(7)\n\
                  [random.random(), float(np.random.rand()), float(np.random.default_rng(7).random())]";
    assert_eq!(python.value(source), python.value(source));
}

#[test]
fn seeds_of_one_run_are_not_those_of_the_next() {
    let Some(python) = python() else { return };
    let source = "import random\nimport numpy as np\nseen = [random.random(), float(np.random.rand())]\n\
                  random.seed(1)\nnp.random.seed(1)\nseen";
    let first = python.value(source);
    let second = python.value(source);
    assert!(first[0] != second[0] && first[1] != second[1], "{first} {second}");
}

#[test]
fn clocks_of_a_run_begin_with_it() {
    let Some(python) = python() else { return };
    let seconds = python.value("import time\ntime.process_time()").as_f64().expect("seconds");
    // That of the zygote, which imported pandas, is not in it.
    assert!(seconds < 2.0, "{seconds}");
}
