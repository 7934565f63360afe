//! Files of the workspace, as programs in Python expect them.

use std::fs;
use std::path::Path;

use mcp_conductor::ErrorKind;
use serde_json::json;

use super::{Python, python};

/// The value of a program that begins in a directory of its own.
#[track_caller]
fn value_in(python: Python, name: &str, source: &str) -> (serde_json::Value, std::path::PathBuf) {
    let directory = python.directory(name);
    (python.value(&format!("import os\nos.chdir('{name}')\n{source}")), directory)
}

fn read(directory: &Path, name: &str) -> Vec<u8> {
    fs::read(directory.join(name)).expect("the file was written")
}

#[test]
fn what_a_program_writes_is_on_the_disk_and_read_again() {
    let Some(python) = python() else { return };
    let source = "with open('a.txt', 'w', encoding='utf-8') as f:\n    n = f.write('äb\\n')\nopen('b.bin', 'wb').write(bytes(range(256)))\n[n, open('a.txt', encoding='utf-8').read(), len(open('b.bin', 'rb').read())]";
    let (value, directory) = value_in(python, "written", source);
    assert_eq!(value, json!([3, "äb\n", 256]));
    assert_eq!(read(&directory, "a.txt"), "äb\n".as_bytes());
    assert_eq!(read(&directory, "b.bin"), (0..=255).collect::<Vec<u8>>());
}

#[test]
fn modes_of_open_do_what_they_say() {
    let Some(python) = python() else { return };
    let source = "open('f', 'w').write('one')\nopen('f', 'a').write('two')\nwith open('f', 'r+') as f:\n    f.write('O')\n    f.seek(0, 2)\n    f.write('!')\ntry:\n    open('f', 'x')\nexcept FileExistsError as e:\n    exists = e.errno\nwith open('g', 'x+') as f:\n    f.write('new')\n    f.seek(0)\n    g = f.read()\n[open('f').read(), exists, g, open('f', 'w').close(), os.path.getsize('f')]";
    let (value, _) = value_in(python, "modes", source);
    assert_eq!(value[0], "Onetwo!");
    assert_eq!((&value[2], &value[4]), (&json!("new"), &json!(0)));
}

#[test]
fn a_file_can_be_read_in_parts_and_at_places() {
    let Some(python) = python() else { return };
    let source = "open('f', 'wb').write(b'0123456789' * 100_000)\nf = open('f', 'rb')\nf.seek(999_995)\na = f.read()\nf.seek(-3, 2)\nb = f.read(2)\nc = f.tell()\nf.seek(5)\nd = f.readinto(bytearray(7))\n[a.decode(), b.decode(), c, d, f.tell(), sum(len(chunk) for chunk in iter(lambda: f.read(65536), b''))]";
    let (value, _) = value_in(python, "parts", source);
    assert_eq!(value, json!(["56789", "78", 999_999, 7, 12, 999_988]));
}

#[test]
fn lines_of_a_large_file_are_iterated() {
    let Some(python) = python() else { return };
    let source = "with open('f', 'w') as f:\n    for i in range(50_000):\n        f.write(f'{i}\\n')\nwith open('f') as f:\n    total = sum(int(line) for line in f)\ntotal";
    assert_eq!(value_in(python, "lines", source).0, 1_249_975_000);
}

#[test]
fn truncate_and_positioned_calls_work() {
    let Some(python) = python() else { return };
    let source = "fd = os.open('f', os.O_RDWR | os.O_CREAT)\nos.write(fd, b'abcdef')\na = os.pread(fd, 3, 1)\nos.pwrite(fd, b'X', 2)\nos.ftruncate(fd, 4)\nos.lseek(fd, 0, 0)\nb = os.read(fd, 100)\nos.fsync(fd)\nos.close(fd)\nos.truncate('f', 2)\n[a.decode(), b.decode(), os.stat('f').st_size]";
    assert_eq!(value_in(python, "truncated", source).0, json!(["bcd", "abXd", 2]));
}

#[test]
fn directories_are_made_listed_and_removed() {
    let Some(python) = python() else { return };
    let source = "os.makedirs('a/b/c')\nopen('a/f', 'w').close()\nlisted = sorted(os.listdir('a'))\nscanned = sorted((e.name, e.is_dir(), e.is_file()) for e in os.scandir('a'))\nos.rmdir('a/b/c')\ntry:\n    os.rmdir('a')\nexcept OSError as e:\n    full = type(e).__name__\nimport shutil\nshutil.rmtree('a')\n[listed, scanned, full, os.path.exists('a')]";
    assert_eq!(
        value_in(python, "directories", source).0,
        json!([["b", "f"], [["b", true, false], ["f", false, true]], "OSError", false])
    );
}

#[test]
fn ten_thousand_entries_are_listed_once_each() {
    let Some(python) = python() else { return };
    let directory = python.directory("many");
    for number in 0..2000 {
        fs::write(directory.join(format!("file {number}")), "").expect("a file");
    }
    assert_eq!(
        python.value("import os\nnames = os.listdir('many')\n[len(names), len(set(names))]"),
        json!([2000, 2000])
    );
}

#[test]
fn errors_of_files_have_their_classes() {
    let Some(python) = python() else { return };
    let source = "def name(f):\n    try:\n        f()\n        return 'nothing'\n    except OSError as e:\n        return type(e).__name__\nos.mkdir('d')\nopen('f', 'w').close()\n[name(lambda: open('missing')), name(lambda: open('d')), name(lambda: os.mkdir('d')), name(lambda: open('f/x')), name(lambda: os.listdir('f')), name(lambda: os.remove('missing'))]";
    assert_eq!(
        value_in(python, "errors", source).0,
        json!([
            "FileNotFoundError",
            "IsADirectoryError",
            "FileExistsError",
            "NotADirectoryError",
            "NotADirectoryError",
            "FileNotFoundError"
        ])
    );
}

#[test]
fn an_error_of_a_file_names_it_and_its_line() {
    let Some(python) = python() else { return };
    let (_, message, detail) = python.error("x = 1\nopen('no/such.txt')");
    assert_eq!(message, "FileNotFoundError: [Errno 44] No such file or directory: 'no/such.txt'");
    assert_eq!(detail.line, Some(2));
}

#[test]
fn rename_replace_copy_and_move_work() {
    let Some(python) = python() else { return };
    let source = "import shutil\nopen('a', 'w').write('a')\nos.rename('a', 'b')\nshutil.copy('b', 'c')\nos.replace('c', 'b')\nos.mkdir('d')\nshutil.move('b', 'd')\nshutil.copytree('d', 'e')\nshutil.copyfile('e/b', 'f')\n[sorted(os.listdir('.')), open('e/b').read(), open('f').read()]";
    assert_eq!(value_in(python, "moved", source).0, json!([["d", "e", "f"], "a", "a"]));
}

#[test]
fn pathlib_and_glob_work() {
    let Some(python) = python() else { return };
    let source = "from pathlib import Path\nimport glob\np = Path('x') / 'y'\np.mkdir(parents=True)\n(p / 'a.txt').write_text('text')\n(p / 'b.bin').write_bytes(b'12')\n[sorted(str(q) for q in Path('.').rglob('*')), (p / 'a.txt').read_text(), (p / 'b.bin').stat().st_size, sorted(glob.glob('x/*/*.txt')), Path('x').is_dir(), p.joinpath('none').exists(), Path('x/y').resolve() == Path.cwd() / 'x/y']";
    assert_eq!(
        value_in(python, "pathlib", source).0,
        json!([
            ["x", "x/y", "x/y/a.txt", "x/y/b.bin"],
            "text",
            2,
            ["x/y/a.txt"],
            true,
            false,
            true
        ])
    );
}

#[test]
fn symbolic_links_within_the_workspace_work() {
    let Some(python) = python() else { return };
    let source = "open('f', 'w').write('x')\nos.symlink('f', 'l')\n[os.readlink('l'), os.path.islink('l'), open('l').read(), os.path.realpath('l') == os.path.abspath('f'), os.lstat('l').st_size]";
    assert_eq!(value_in(python, "links", source).0, json!(["f", true, "x", true, 1]));
}

#[test]
fn times_of_files_are_those_of_the_disk() {
    let Some(python) = python() else { return };
    let source = "import time\nopen('f', 'w').close()\nos.utime('f', (1_000_000_000, 1_000_000_001))\ns = os.stat('f')\n[s.st_mtime, abs(time.time() - os.stat('.').st_mtime) < 3600]";
    assert_eq!(value_in(python, "times", source).0, json!([1_000_000_001.0, true]));
}

#[test]
fn temporary_files_are_made_and_removed() {
    let Some(python) = python() else { return };
    let source = "import tempfile\nwith tempfile.TemporaryDirectory() as d:\n    p = os.path.join(d, 'x')\n    open(p, 'w').write('t')\n    inside = open(p).read()\nwith tempfile.NamedTemporaryFile('w+') as f:\n    f.write('n')\n    f.flush()\n    named = os.path.getsize(f.name)\nwith tempfile.TemporaryFile() as f:\n    f.write(b'12')\n    f.seek(0)\n    plain = f.read().decode()\n[inside, os.path.exists(d), named, os.path.exists(f.name) if isinstance(f.name, str) else False, plain]";
    assert_eq!(value_in(python, "temporary", source).0, json!(["t", false, 1, false, "12"]));
}

#[test]
fn sqlite_keeps_a_database_in_a_file() {
    let Some(python) = python() else { return };
    let source = "import sqlite3\ndb = sqlite3.connect('a.db')\ndb.execute('create table t(n integer)')\nwith db:\n    db.executemany('insert into t values (?)', [(i,) for i in range(1000)])\ndb.close()\ndb = sqlite3.connect('a.db')\ntotal = db.execute('select sum(n) from t').fetchone()[0]\ndb.close()\n[total, open('a.db', 'rb').read(15).decode()]";
    assert_eq!(value_in(python, "sqlite", source).0, json!([499_500, "SQLite format 3"]));
}

#[test]
fn a_database_of_a_run_that_was_ended_inside_a_transaction_is_as_before_it() {
    let Some(python) = python() else { return };
    let directory = python.directory("sqlite-ended");
    let begin = "import os, sqlite3\nos.chdir('sqlite-ended')\ndb = sqlite3.connect('a.db')\n";
    let first =
        "db.execute('create table t(n)')\nwith db:\n    db.execute('insert into t values (1)')";
    python.value(&format!("{begin}{first}"));
    // More than its cache has room for: it writes to the database before the transaction ends.
    let ended = python.run_for(
        4000,
        &format!("{begin}for i in range(500):\n    db.execute('insert into t values (zeroblob(20000))')\nwhile True: pass"),
    );
    assert_eq!(ended.error.map(|error| error.kind), Some(ErrorKind::Timeout));
    assert!(directory.join("a.db-journal").exists() && !directory.join("a.db.lock").exists());
    let after = "[db.execute('select count(*) from t').fetchone()[0], \
                 db.execute('pragma integrity_check').fetchone()[0]]";
    assert_eq!(python.value(&format!("{begin}{after}")), json!([1, "ok"]));
}

#[test]
fn a_run_that_is_ended_while_it_reads_a_database_leaves_no_lock() {
    let Some(python) = python() else { return };
    let directory = python.directory("sqlite-read");
    let begin = "import os, sqlite3\nos.chdir('sqlite-read')\n";
    let make = "with sqlite3.connect('a.db') as db:\n    \
                db.execute('create table t as select 1 as n union select 2')";
    python.value(&format!("{begin}{make}"));
    let read = "db = sqlite3.connect('file:a.db?mode=ro', uri=True)\n\
                rows = db.execute('select n from t')\nfirst = next(rows)[0]\n";
    let ended = python.run_for(4000, &format!("{begin}{read}while True: pass"));
    assert_eq!(ended.error.map(|error| error.kind), Some(ErrorKind::Timeout));
    assert!(!directory.join("a.db.lock").exists());
    assert_eq!(python.value(&format!("{begin}{read}first")), 1);
    let both = "other = sqlite3.connect('a.db', timeout=0)\ntry:\n    \
                other.execute('insert into t values (3)')\n\
                except sqlite3.OperationalError as error:\n    told = str(error)\ntold";
    assert_eq!(python.value(&format!("{begin}{read}{both}")), "database is locked");
    let after = "other = sqlite3.connect('a.db', timeout=0)\n\
                 with other:\n    other.execute('insert into t values (3)').rowcount\n1";
    assert_eq!(python.value(&format!("{begin}{after}")), 1);
}

#[test]
fn two_runs_at_the_same_time_do_not_lose_what_they_insert() {
    let Some(python) = python() else { return };
    python.directory("sqlite-both");
    let begin = "import os, sqlite3\nos.chdir('sqlite-both')\n\
                 db = sqlite3.connect('a.db', timeout=60)\n";
    python.value(&format!("{begin}db.execute('create table t(n)')\ndb.commit()"));
    let insert = format!(
        "{begin}for i in range(30):\n    with db:\n        db.execute('insert into t values (?)', (i,))"
    );
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(python.run(&insert).error, None));
        }
    });
    let count = python.value(&format!("{begin}db.execute('select count(*) from t').fetchone()[0]"));
    assert_eq!(count, 60);
}

#[test]
fn the_usual_formats_are_written_and_read() {
    let Some(python) = python() else { return };
    let source = "import csv, json, zipfile, tarfile, gzip, pickle, shelve\nwith open('a.csv', 'w', newline='') as f:\n    csv.writer(f).writerows([['a', 'b'], [1, 2]])\nrows = list(csv.DictReader(open('a.csv')))\nwith zipfile.ZipFile('a.zip', 'w') as z:\n    z.write('a.csv')\n    z.writestr('n/b.txt', 'b')\nnames = zipfile.ZipFile('a.zip').namelist()\nwith tarfile.open('a.tgz', 'w:gz') as t:\n    t.add('a.csv')\nmembers = tarfile.open('a.tgz').getnames()\nwith gzip.open('a.gz', 'wt') as f:\n    f.write('zipped')\npickle.dump({1, 2}, open('a.pkl', 'wb'))\n[rows, names, members, gzip.open('a.gz', 'rt').read(), pickle.load(open('a.pkl', 'rb'))]";
    assert_eq!(
        value_in(python, "formats", source).0,
        json!([[{ "a": "1", "b": "2" }], ["a.csv", "n/b.txt"], ["a.csv"], "zipped", [1, 2]])
    );
}

#[test]
fn pandas_reads_and_writes_files() {
    let Some(python) = python() else { return };
    let source = "import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', 'y']}).to_csv('a.csv', index=False)\npd.DataFrame({'n': [3]}).to_excel('a.xlsx', index=False)\n[pd.read_csv('a.csv')['a'].sum(), pd.read_excel('a.xlsx')['n'].tolist(), pd.read_csv('a.csv')]";
    assert_eq!(
        value_in(python, "pandas", source).0,
        json!([3, [3], [{ "a": 1, "b": "x" }, { "a": 2, "b": "y" }]])
    );
}

#[test]
fn a_figure_is_saved() {
    let Some(python) = python() else { return };
    let source = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('f.png')\nplt.close()\nopen('f.png', 'rb').read(4)[1:].decode()";
    assert_eq!(value_in(python, "figure", source).0, "PNG");
}

#[test]
fn the_working_directory_is_the_workspace_and_can_be_changed() {
    let Some(python) = python() else { return };
    python.directory("working");
    assert_eq!(
        python.value("import os\nstart = os.getcwd()\nos.chdir('working')\n[start == WORKSPACE_DIR, os.path.relpath(os.getcwd(), start), os.path.isabs(start)]"),
        json!([true, "working", true])
    );
    assert_eq!(python.value("import os\nos.getcwd() == WORKSPACE_DIR"), true);
}

#[test]
fn two_handles_of_one_file_see_what_the_other_wrote() {
    let Some(python) = python() else { return };
    let source = "a = open('f', 'w+')\nb = open('f')\na.write('one')\na.flush()\nx = b.read()\nos.truncate('f', 0)\na.seek(0)\n[x, a.read()]";
    assert_eq!(value_in(python, "handles", source).0, json!(["one", ""]));
}

#[test]
fn what_was_not_closed_is_written_all_the_same() {
    let Some(python) = python() else { return };
    let directory = python.directory("unclosed");
    python.run("f = open('unclosed/f', 'w')\nf.write('kept')\ng = [f]");
    assert_eq!(read(&directory, "f"), b"kept");
}

#[test]
fn names_that_are_not_ascii_and_long_work() {
    let Some(python) = python() else { return };
    let source = "names = ['ä b', '日本', '😀', 'x' * 255, \"q'\\\"\", '.hidden', '-dash']\nfor n in names:\n    open(n, 'w').close()\nsorted(os.listdir('.')) == sorted(names)";
    assert_eq!(value_in(python, "names", source).0, true);
}
