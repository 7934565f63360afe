//! Tests: runs that do not take their answers cost others neither threads nor memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{Broker, Event, Services, ToolScope, run_account};
use crate::config::Config;
use crate::config::fixture::Directory;
use crate::memory::Account;
use crate::policy::RunTools;
use crate::protocol::{
    Answer, EnvironmentOperation, Failure, FileOperation, NetworkOperation, Operation,
    PermissionOperation, RequestBody, ServerMessage, ToolOperation, WorkerMessage, decode, encode,
};
use crate::runtime::services_of;
use crate::telemetry::ExecutionSpan;
use crate::threads::{MAX_BLOCKING, Threads};

/// A machine may stop for some time.
const LONG: Duration = Duration::from_secs(60);

/// Bytes of a file that is read in many pieces.
const LARGE: usize = 8 << 20;

/// Operations on files that a run has at the same time.
const AT_ONCE: u32 = 16;

/// Principals of one server.
struct Server {
    directory: Directory,
    threads: Threads,
    memory: Account,
}

impl Server {
    fn new(memory: usize) -> Self {
        let directory = Directory::new();
        std::fs::write(directory.0.join("large"), vec![7; LARGE]).unwrap();
        std::fs::write(directory.0.join("small"), "hello").unwrap();
        Self { directory, threads: Threads::of_server(), memory: Account::of_server(memory) }
    }

    fn principal(&self) -> Arc<Services> {
        let config = Config::default().with_workspace(&self.directory.0);
        let mut services = services_of(&config).expect("the configuration is valid");
        services.threads = self.threads.share();
        services.memory = self.memory.of_principal();
        Arc::new(services)
    }
}

fn run(services: &Arc<Services>) -> Broker {
    let scope = ToolScope { tools: RunTools::all(), ..ToolScope::default() };
    let account = run_account(&services.memory, 0);
    let span = ExecutionSpan::start(None, None);
    Broker::new(services.clone(), account, 1, scope, span)
}

fn reads(broker: &mut Broker, id: u32, path: &str) {
    broker.begin(id, Operation::read_file(path), 100).unwrap();
}

/// A run that reads as much as it may at the same time, and takes none of it.
fn takes_nothing(services: &Arc<Services>) -> Broker {
    let mut broker = run(services);
    (1..=AT_ONCE).for_each(|id| reads(&mut broker, id, "large"));
    broker
}

/// The bytes that answer a request, and how many came before the answer.
async fn answer(broker: &mut Broker, to: u32) -> Result<(Answer, usize), Failure> {
    let mut before = 0;
    loop {
        let event = timeout(LONG, broker.next()).await.expect("there is an answer");
        let Event::Frame { bytes, .. } = event else { continue };
        match decode(&bytes[4..]).expect("the broker sends messages") {
            ServerMessage::Reply { id, result } if id == to => {
                return result.map(|it| (it, before));
            }
            ServerMessage::Data { id, bytes, .. } if id == to => before += bytes.len(),
            _ => {}
        }
    }
}

fn text((answer, _): (Answer, usize)) -> Vec<u8> {
    let Answer::Bytes(bytes) = answer else { panic!("a file is bytes: {answer:?}") };
    bytes.into_vec()
}

/// More operations wait than there are threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_take_no_answers_hold_no_threads() {
    let server = Server::new(2 << 30);
    let (greedy, other) = (server.principal(), server.principal());
    let runs = MAX_BLOCKING / AT_ONCE as usize + 2;
    let mut unread: Vec<_> = (0..runs).map(|_| takes_nothing(&greedy)).collect();
    // Each has sent all that there is room for: no read goes on.
    for broker in &mut unread {
        while broker.run.room_is_left() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let all = tokio::task::spawn_blocking(|| "a thread");
    assert_eq!(timeout(LONG, all).await.expect("a thread is free").unwrap(), "a thread");
    for services in [&other, &greedy] {
        let mut broker = run(services);
        reads(&mut broker, 1, "small");
        assert_eq!(text(answer(&mut broker, 1).await.unwrap()), b"hello");
    }
    // What was not taken is still to be had, all of it.
    let (last, before) = answer(&mut unread[0], AT_ONCE).await.unwrap();
    assert_eq!(before + text((last, 0)).len(), LARGE);
}

#[tokio::test]
async fn what_a_run_is_answered_is_charged_until_it_is_taken_and_given_back() {
    let server = Server::new(64 << 20);
    let principal = server.principal();
    let mut broker = run(&principal);
    reads(&mut broker, 1, "large");
    assert!(server.memory.used() > 0);
    while broker.run.room_is_left() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(server.memory.used() >= 2 << 20, "{} bytes", server.memory.used());
    answer(&mut broker, 1).await.unwrap();
    assert_eq!(server.memory.used(), 0);
    drop(takes_nothing(&principal));
    for _ in 0..10_000 {
        if server.memory.used() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{} bytes are charged to a run that has ended", server.memory.used());
}

#[tokio::test]
async fn a_request_without_memory_waits_and_the_worker_is_not_read() {
    let server = Server::new(8 << 20);
    let principal = server.principal();
    let held = principal.memory.try_charge(principal.memory.bytes()).unwrap();
    let mut broker = run(&principal);
    reads(&mut broker, 1, "small");
    reads(&mut broker, 2, "small");
    assert!(!broker.has_room());
    drop(held);
    // Each on a thread of its own: either may be first.
    let mut answered = Vec::new();
    while answered.len() < 2 {
        let event = timeout(LONG, broker.next()).await.expect("both are answered");
        let Event::Frame { bytes, .. } = event else { continue };
        if let Ok(ServerMessage::Reply { id, result }) = decode(&bytes[4..]) {
            assert_eq!(text((result.unwrap(), 0)), b"hello");
            answered.push(id);
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 2]);
    assert!(broker.has_room());
    assert_eq!(server.memory.used(), 0);
}

#[tokio::test]
async fn a_request_without_memory_fails_when_none_comes_free_and_says_so() {
    let server = Server::new(2 << 10);
    let mut broker = run(&server.principal());
    // Less than the smallest request and its answer: there is never any.
    reads(&mut broker, 1, "small");
    let failure = answer(&mut broker, 1).await.unwrap_err();
    assert!(failure.message.contains("holds too much"), "{failure:?}");
    assert!(broker.has_room());
}

/// A listing is as large as the directory is, which is known when it is there.
#[tokio::test]
async fn an_answer_that_is_larger_than_was_charged_waits_for_its_memory() {
    let server = Server::new(8 << 20);
    let principal = server.principal();
    for number in 0..2000 {
        std::fs::write(server.directory.0.join(format!("a file with a name {number}")), "")
            .unwrap();
    }
    let room = 16 << 10;
    let mut held = principal.memory.try_charge(principal.memory.bytes() - room).unwrap();
    let mut broker = run(&principal);
    broker.begin(1, Operation::File(FileOperation::ReadDir { path: ".".into() }), 100).unwrap();
    let early = timeout(Duration::from_millis(50), broker.next()).await;
    assert!(early.is_err(), "nothing is answered that is not charged");
    held.shrink_to(0);
    let (listing, _) = answer(&mut broker, 1).await.unwrap();
    assert!(matches!(listing, Answer::Entries(entries) if entries.len() == 2002));
    assert_eq!(server.memory.used(), 0);
}

#[tokio::test]
async fn what_the_server_does_for_a_run_is_counted_wherever_it_does_it() {
    let server = Server::new(64 << 20);
    let mut broker = run(&server.principal());
    let meter = broker.meter();
    let before = meter.used();
    // On a thread, then on the event loop.
    reads(&mut broker, 1, "large");
    answer(&mut broker, 1).await.unwrap();
    let files = meter.used();
    assert!(files > before);
    let search = ToolOperation::SearchTools { query: "x".repeat(1024), limit: 9 };
    broker.begin(2, Operation::Tool(search), 1).unwrap();
    answer(&mut broker, 2).await.unwrap();
    assert!(meter.used() > files);
}

/// For people: what a frame of each kind costs, beside what its sender spends on it.
#[tokio::test]
#[ignore = "prints figures"]
async fn costs_of_frames() {
    const FRAMES: u32 = 2000;
    let server = Server::new(256 << 20);
    let name = || "x".repeat(100);
    type Made = Box<dyn Fn() -> Operation>;
    let kinds: [(&str, Made); 9] = [
        ("envAll", Box::new(|| Operation::Environment(EnvironmentOperation::All))),
        (
            "envGet",
            Box::new(move || Operation::Environment(EnvironmentOperation::Get { name: name() })),
        ),
        ("servers", Box::new(|| Operation::Tool(ToolOperation::Servers))),
        (
            "searchTools",
            Box::new(move || {
                Operation::Tool(ToolOperation::SearchTools { query: name(), limit: 100 })
            }),
        ),
        (
            "toolSchema",
            Box::new(move || Operation::Tool(ToolOperation::ToolSchema { name: name() })),
        ),
        (
            "query",
            Box::new(|| {
                let (name, target) = ("run".into(), Some("sh".into()));
                Operation::Permission(PermissionOperation::Query { name, target })
            }),
        ),
        (
            "stat",
            Box::new(|| {
                Operation::File(FileOperation::Stat { path: "small".into(), follow: true })
            }),
        ),
        ("readFile", Box::new(|| Operation::read_file("small"))),
        (
            "fetch",
            Box::new(|| {
                Operation::Network(NetworkOperation::Fetch {
                    method: "GET".into(),
                    url: "http://denied.invalid/".into(),
                    headers: vec![(vec![b'a'].into(), vec![b'b'].into()); 4096],
                    body: RequestBody::None,
                })
            }),
        ),
    ];
    for (kind, operation) in kinds {
        let mut broker = run(&server.principal());
        let meter = broker.meter();
        let frame = |id| encode(&WorkerMessage::Request { id, operation: operation() });
        let start = Instant::now();
        let frames: Vec<_> = (1..=FRAMES).map(frame).collect();
        let sends = start.elapsed();
        for (id, frame) in (1..).zip(&frames) {
            let begun = meter.counts(|| match decode(&frame[4..]) {
                Ok(WorkerMessage::Request { id, operation }) => {
                    broker.begin(id, operation, frame.len())
                }
                _ => unreachable!("it was encoded above"),
            });
            begun.unwrap();
            let _ = answer(&mut broker, id).await;
        }
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(FRAMES);
        println!("{kind:12} {:6.1} us, {:5.1} us to make", each(meter.used()), each(sends));
    }
}
