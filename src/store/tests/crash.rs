//! A file that processes share, and that are killed while they write.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mcp_conductor_store::{
    CALL_TIMEOUT, Expected, Keep, Key, Limits, MAX_LIST, Namespace, Store, StoreError, embedded,
};
use tempfile::TempDir;

/// The directory of the store, for the child.
const DIRECTORY: &str = "STORE_TEST_DIRECTORY";

/// Kills of the issue.
const KILLS: usize = 200;

/// Tasks of a child that write at the same time.
const WRITERS: u64 = 4;

/// Keys of one writer, which are written again and again.
const KEYS: u64 = 20;

/// The most bytes of a value: more than a page.
const MOST: u64 = 6000;

fn key(writer: u64, number: u64) -> Key {
    Key::new(Namespace::Vectors, format!("{writer}/{}", number % KEYS))
}

fn counter() -> Key {
    Key::new(Namespace::Limits, "count")
}

/// The number, and as many bytes as it says.
fn value(number: u64) -> Bytes {
    let fill = usize::try_from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % MOST).unwrap();
    [&number.to_le_bytes()[..], &vec![7; fill]].concat().into()
}

fn number(value: &[u8]) -> u64 {
    let number = u64::from_le_bytes(value[..8].try_into().unwrap());
    assert_eq!(value, self::value(number), "a value that nobody set");
    number
}

async fn open(directory: &Path) -> Arc<dyn Store> {
    embedded(directory, Limits::DEFAULT).await.unwrap()
}

/// The child: writes for ever, and says what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that the others start"]
async fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let store = open(Path::new(&directory)).await;
    let first = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in first.. {
                let expires = Keep::For(Duration::from_millis(number % 50));
                let brief = Key::new(Namespace::Calls, format!("{writer}/{number}"));
                let brief = store.set(&brief, Expected::Absent, Bytes::new(), expires).await;
                let (long, kept) = (key(writer, number), Keep::Always);
                let long = store.set(&long, Expected::Any, value(number), kept).await;
                let count = store.add(&counter(), 1, kept).await;
                match (brief, long, count) {
                    (Ok(_), Ok(_), Ok(count)) => {
                        writeln!(std::io::stdout(), "did {writer} {number} {count}").unwrap();
                    }
                    // It was stopped meanwhile.
                    (Err(StoreError::Timeout), _, _)
                    | (_, Err(StoreError::Timeout), _)
                    | (_, _, Err(StoreError::Timeout)) => {}
                    failed => panic!("{failed:?}"),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

/// A child, and what it has said.
struct Writer {
    process: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    numbers: BTreeMap<(u64, u64), u64>,
    count: i64,
    said: usize,
}

impl Writer {
    fn start(directory: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--ignored", "--nocapture"]).env(DIRECTORY, directory);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines, numbers: BTreeMap::new(), count: 0, said: 0 }
    }

    /// Hears what was acknowledged next; false at the end.
    fn hear(&mut self) -> bool {
        let Some(line) = self.lines.next() else { return false };
        // A line that was cut by the end was not said.
        let line = line.unwrap();
        let parts: Vec<&str> = line.split(' ').collect();
        let ["did", writer, number, count] = parts[..] else { return true };
        let (writer, number): (u64, u64) = (writer.parse().unwrap(), number.parse().unwrap());
        self.numbers.insert((writer, number % KEYS), number);
        self.count = self.count.max(count.parse().unwrap_or(0));
        self.said += 1;
        true
    }

    /// Hears so many acknowledgements.
    fn hear_some(&mut self, some: usize) {
        while self.said < some {
            assert!(self.hear(), "the child ended by itself");
        }
    }

    /// Kills it, and hears the rest.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        while self.hear() {}
    }

    fn signal(&self, name: &str) {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Nothing that was acknowledged is missing.
async fn check(store: &Arc<dyn Store>, writer: &Writer) {
    for ((number_of, place), acknowledged) in &writer.numbers {
        let entry = store.get(&key(*number_of, *place)).await.unwrap().expect("lost");
        assert!(number(&entry.value) >= *acknowledged, "lost: {number_of}/{place}");
    }
    if writer.count > 0 {
        let entry = store.get(&counter()).await.unwrap().expect("the counter is lost");
        let count: i64 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
        assert!(count >= writer.count, "counts are lost: {count} after {}", writer.count);
    }
}

/// The sizes that the store has summed are those of what it has.
async fn check_sum(store: &Arc<dyn Store>) {
    let mut sum = 128 + "limit:count".len() as u64 + 8;
    let vectors = store.list(Namespace::Vectors, "", None, MAX_LIST).await.unwrap();
    for name in &vectors {
        let entry = store.get(&Key::new(Namespace::Vectors, name.as_str())).await.unwrap();
        sum += 128 + ("vector:".len() + name.len() + entry.unwrap().value.len()) as u64;
    }
    // All that is brief has expired, and is swept with changes.
    let brief = Key::new(Namespace::Calls, "none");
    loop {
        store.remove(&brief).await.unwrap();
        let status = store.check().await.unwrap();
        if status.entries == Some(vectors.len() as u64 + 1) {
            return assert_eq!(status.bytes, Some(sum));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_200_kills() {
    let directory = TempDir::new().unwrap();
    let start = Instant::now();
    let mut shared = None;
    let mut said = 0;
    for round in 0..KILLS {
        let mut writer = Writer::start(directory.path());
        let random = usize::try_from(start.elapsed().as_nanos() % 1_000_003).unwrap();
        writer.hear_some(random % 8);
        let moment = Instant::now() + Duration::from_micros((random % 4000) as u64);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        writer.kill();
        // In half of the rounds this process has the file open all the time.
        let store = match shared.take() {
            Some(store) => store,
            None => open(directory.path()).await,
        };
        check(&store, &writer).await;
        shared = (round % 4 < 2).then_some(store);
        said += writer.said;
    }
    check_sum(&open(directory.path()).await).await;
    println!("{KILLS} kills, {said} acknowledgements, {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_a_file_and_count_together() {
    let directory = TempDir::new().unwrap();
    let mut writers = [Writer::start(directory.path()), Writer::start(directory.path())];
    let store = open(directory.path()).await;
    for _ in 0..50 {
        store.add(&counter(), 1, Keep::Always).await.unwrap();
    }
    let mut least = 50;
    for writer in &mut writers {
        writer.hear_some(50);
        writer.kill();
        least += i64::try_from(writer.said).unwrap();
    }
    let count = store.add(&counter(), 0, Keep::Always).await.unwrap();
    // Each of the tasks that were killed may have counted once more than it said.
    let most = least + 2 * i64::try_from(WRITERS).unwrap();
    assert!((least..=most).contains(&count), "{count} is not between {least} and {most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_stopped_keeps_nobody_waiting() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    let mut writer = Writer::start(directory.path());
    for round in 1..=3 {
        writer.hear_some(round * 3);
        writer.signal("-STOP");
        let start = Instant::now();
        let added = store.add(&counter(), 1, Keep::Always).await;
        assert!(matches!(added, Ok(_) | Err(StoreError::Timeout)), "{added:?}");
        let read = store.get(&counter()).await;
        assert!(matches!(read, Ok(_) | Err(StoreError::Timeout)), "{read:?}");
        assert!(start.elapsed() < CALL_TIMEOUT * 3);
        writer.signal("-CONT");
    }
    writer.kill();
    store.add(&counter(), 1, Keep::Always).await.unwrap();
    check(&store, &writer).await;
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("a/store");
    drop(open(&directory).await);
    let file = directory.join("store.redb");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&file)), (0o700, 0o600));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&directory).await);
    assert_eq!(mode(&file), 0o600);
}

#[tokio::test]
async fn a_symbolic_link_in_place_of_the_file_is_not_followed() {
    let directory = TempDir::new().unwrap();
    let elsewhere = directory.path().join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, directory.path().join("store.redb")).unwrap();
    let error = embedded(directory.path(), Limits::DEFAULT).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(!elsewhere.exists());
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused_and_kept() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("store.redb");
    std::fs::write(&file, "a text of somebody").unwrap();
    let error = embedded(directory.path(), Limits::DEFAULT).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"a text of somebody");
}

#[tokio::test]
async fn what_was_stored_is_there_in_the_next_process() {
    let directory = TempDir::new().unwrap();
    let value = Bytes::from("1");
    let store = open(directory.path()).await;
    let version = store.set(&key(0, 0), Expected::Any, value, Keep::Always).await.unwrap();
    drop(store);
    let entry = open(directory.path()).await.get(&key(0, 0)).await.unwrap().unwrap();
    assert_eq!(entry.version, version);
}
