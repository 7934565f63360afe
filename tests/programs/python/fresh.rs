//! Workers are copies of one process: whatever is random or new must be so in each.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::python;

const RUNS: usize = 200;

/// One draw from each source of randomness, by name. `tempfile` keeps a generator of its
/// own, and numpy has two.
const DRAWS: &str = "
import random, secrets, uuid, os, tempfile, time
import numpy as np
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
    assert_eq!(seen.len(), 17);
    let repeated: Vec<_> = seen.iter().filter(|(_, draws)| draws.len() != RUNS).collect();
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
