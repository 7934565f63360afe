//! A Redis server that is away, slow, locked, full, or not one.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mcp_conductor_store::{
    CALL_TIMEOUT, Claim, Entry, Expected, Keep, Key, Namespace, RedisAddress, RedisSettings,
    Refill, Store, StoreError, redis,
};

mod support;

use support::{Server, no_tls, store_at};

/// What a call may take on a machine that does other things too.
const MARGIN: Duration = Duration::from_secs(2);

fn key() -> Key {
    Key::new(Namespace::Limits, "a")
}

async fn get(store: &Arc<dyn Store>) -> Result<Option<Entry>, StoreError> {
    let start = Instant::now();
    let got = store.get(&key()).await;
    let took = start.elapsed();
    assert!(took < CALL_TIMEOUT + MARGIN, "a call took {took:?}");
    got
}

/// Waits until the store answers again.
async fn answered(store: &Arc<dyn Store>) {
    while get(store).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_that_is_stopped_keeps_no_call_waiting() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.store("").await;
    get(&store).await.unwrap();
    server.signal("-STOP");
    assert_eq!(get(&store).await, Err(StoreError::Timeout));
    let calls = (0..500).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { get(&store).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        assert!(error.is_unavailable() || error == StoreError::Timeout, "{error}");
    }
    server.signal("-CONT");
    answered(&store).await;
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nobody_s_answer_with_it() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.store("").await;
    get(&store).await.unwrap();
    server.signal("-STOP");
    let stays = tokio::spawn({
        let store = Arc::clone(&store);
        async move { get(&store).await }
    });
    for _ in 0..3 {
        let key = key();
        let mut goes = Box::pin(store.get(&key));
        // It has asked once it was polled.
        assert!(futures::poll!(&mut goes).is_pending());
        tokio::task::yield_now().await;
    }
    server.signal("-CONT");
    assert_eq!(stays.await.unwrap(), Ok(None));
}

#[tokio::test]
async fn a_server_that_is_gone_is_said_to_be_and_is_found_again() {
    let Some(mut server) = Server::start(&[]) else { return };
    let store = server.store("").await;
    store.add(&key(), 1, Keep::Always).await.unwrap();
    server.kill();
    let error = get(&store).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let error = get(&store).await.unwrap_err().to_string();
    assert!(error.contains(&format!("{}/0", server.url())), "{error}");
    server.restart();
    answered(&store).await;
}

#[tokio::test]
async fn a_server_that_was_restarted_between_two_calls_is_asked_again() {
    let Some(mut server) = Server::start(&[]) else { return };
    let store = server.store("").await;
    get(&store).await.unwrap();
    server.restart();
    answered(&store).await;
    store.add(&key(), 1, Keep::Always).await.unwrap();
}

#[tokio::test]
async fn nothing_is_asked_before_the_first_call() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    nobody.set_nonblocking(true).unwrap();
    let port = nobody.local_addr().unwrap().port();
    let store = store_at(&format!("redis://127.0.0.1:{port}"), None, no_tls()).await;
    assert!(nobody.accept().is_err());
    get(&store).await.unwrap_err();
    nobody.accept().unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_keeps_no_call_waiting() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let store = store_at(&format!("redis://127.0.0.1:{port}"), None, no_tls()).await;
    let error = get(&store).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    // Until the next attempt, the answer is there at once.
    let start = Instant::now();
    get(&store).await.unwrap_err();
    assert!(start.elapsed() < CALL_TIMEOUT);
}

#[tokio::test]
async fn a_server_of_another_kind_is_an_error() {
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port();
    let answers = std::thread::spawn(move || {
        let (mut connection, _) = web.accept().unwrap();
        connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let store = store_at(&format!("redis://127.0.0.1:{port}"), None, no_tls()).await;
    let error = get(&store).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    answers.join().unwrap();
}

#[tokio::test]
async fn a_password_is_sent_and_never_shown() {
    let Some(server) = Server::start(&["--requirepass", "s3cret"]) else { return };
    let url = format!("redis://:env:REDIS_PASSWORD@127.0.0.1:{}", server.port);
    let store = store_at(&url, Some("s3cret"), no_tls()).await;
    assert_eq!(get(&store).await, Ok(None));
    assert!(!format!("{store:?}").contains("s3cret"), "{store:?}");
    let wrong = store_at(&url, Some("wr0ng"), no_tls()).await;
    let error = get(&wrong).await.unwrap_err();
    assert!(error.is_unavailable() && !error.to_string().contains("wr0ng"), "{error}");
    let none = store_at(&server.url(), None, no_tls()).await;
    let error = get(&none).await.unwrap_err().to_string();
    assert!(error.contains("NOAUTH") || error.contains("uthentication"), "{error}");
}

#[tokio::test]
async fn a_user_with_the_rights_of_the_documentation_can_do_everything() {
    let rights = "on >s3cret ~mcp-conductor:* -@all +get +getrange +set +del +eval +scan +info \
                  +select +incrby +pexpire +time";
    let rights: Vec<&str> = ["--user", "conductor"].into_iter().chain(rights.split(' ')).collect();
    let Some(server) = Server::start(&rights) else { return };
    let url = format!("redis://conductor:env:REDIS_PASSWORD@127.0.0.1:{}/0", server.port);
    let store = store_at(&url, Some("s3cret"), no_tls()).await;
    let minute = Keep::For(Duration::from_secs(60));
    let set = async |expected| store.set(&key(), expected, Bytes::new(), minute).await;
    let version = set(Expected::Absent).await.unwrap();
    set(Expected::Version(version)).await.unwrap();
    set(Expected::Any).await.unwrap();
    get(&store).await.unwrap();
    store.remove(&key()).await.unwrap();
    store.add(&key(), 1, minute).await.unwrap();
    let refill = Refill { per_minute: 1, burst: 2 };
    assert_eq!(store.take(&Key::new(Namespace::Calls, "b"), 3, refill).await.unwrap().granted, 2);
    let time = Duration::from_secs(60);
    let claim = Claim { holder: "me", used: 0, wanted: 3, limit: 2, time };
    assert_eq!(store.hold(&Key::new(Namespace::Calls, "c"), claim).await.unwrap().held, 2);
    assert_eq!(store.list(Namespace::Limits, "", None, 9).await.unwrap(), ["a"]);
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_password_that_is_not_set_is_said_before_anything_is_asked() {
    let address = RedisAddress::parse("redis://:env:REDIS_PASSWORD@127.0.0.1").unwrap();
    let settings = RedisSettings { address, password: None, tls: no_tls() };
    let error = redis(settings).await.unwrap_err().to_string();
    assert!(error.contains("REDIS_PASSWORD"), "{error}");
}

#[tokio::test]
async fn a_full_server_says_what_it_may_hold() {
    let Some(server) = Server::start(&["--maxmemory", "3mb"]) else { return };
    let store = server.store("").await;
    let mut number = 0;
    let error = loop {
        let key = Key::new(Namespace::Vectors, format!("{number}"));
        let value = Bytes::from(vec![7; 100_000]);
        match store.set(&key, Expected::Any, value, Keep::Always).await {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 100);
    };
    assert_eq!(error, StoreError::Full { limit: 3 << 20 });
    assert_eq!(store.check().await.unwrap().limit, Some(3 << 20));
    assert_eq!(get(&store).await, Ok(None));
}

#[tokio::test]
async fn another_format_is_refused() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.store("?prefix=x:").await;

    get(&store).await.unwrap();
    let client = ::redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let set = ::redis::cmd("SET").arg("y:format").arg(7).to_owned();
    let _: () = set.query_async(&mut connection).await.unwrap();
    let other = server.store("?prefix=y:").await;
    assert_eq!(get(&other).await, Err(StoreError::Format { found: 7, known: 1 }));
    assert_eq!(get(&store).await, Ok(None));
}

#[tokio::test]
async fn stores_with_other_prefixes_and_databases_are_apart() {
    let Some(server) = Server::start(&[]) else { return };
    let stores = [
        server.store("").await,
        server.store("?prefix=team*:").await,
        server.store("?prefix=team-a:").await,
        server.store("/3").await,
    ];
    for (number, store) in stores.iter().enumerate() {
        let key = Key::new(Namespace::Owners, format!("{number}"));
        store.set(&key, Expected::Absent, Bytes::new(), Keep::Always).await.unwrap();
    }
    for (number, store) in stores.iter().enumerate() {
        let names = store.list(Namespace::Owners, "", None, 9).await.unwrap();
        assert_eq!(names, [number.to_string()]);
    }
}

#[tokio::test]
async fn replicas_count_together() {
    let Some(server) = Server::start(&[]) else { return };
    let mut calls = Vec::new();
    for _ in 0..4 {
        let store = server.store("").await;
        calls.push(tokio::spawn(async move {
            for _ in 0..50 {
                store.add(&key(), 1, Keep::Always).await.unwrap();
            }
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    let total = server.store("").await.add(&key(), 0, Keep::Always).await;
    assert_eq!(total, Ok(200));
}

#[tokio::test]
async fn a_value_that_is_not_the_store_s_is_an_error() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.store("").await;
    let client = ::redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let large = format!("v{}", "x".repeat((1 << 20) + 9));
    for value in ["v1234567", "x", "1.5", &large] {
        let set = ::redis::cmd("SET").arg("mcp-conductor:limit:a").arg(value).to_owned();
        let _: () = set.query_async(&mut connection).await.unwrap();
        let error = get(&store).await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
    }
    let set = ::redis::cmd("DEL").arg("mcp-conductor:limit:a").to_owned();
    let _: () = set.query_async(&mut connection).await.unwrap();
    let set = ::redis::cmd("LPUSH").arg("mcp-conductor:limit:a").arg("x").to_owned();
    let _: () = set.query_async(&mut connection).await.unwrap();
    let error = store.add(&key(), 1, Keep::Always).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
}

/// A server that says OK to what it is asked, then `said`, until nobody listens. Returns its port,
/// and what tells how many bytes it could say.
fn talkative(answers: usize, said: &'static [u8]) -> (u16, std::thread::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let talks = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        for _ in 0..answers {
            let _ = std::io::Read::read(&mut connection, &mut request).unwrap();
            connection.write_all(b"$1\r\n1\r\n").unwrap();
        }
        let mut bytes = 0;
        while bytes < (256 << 20) {
            let Ok(()) = connection.write_all(said) else { break };
            bytes += said.len();
        }
        bytes
    });
    (port, talks)
}

/// The beginning of a value, again and again.
const ENDLESS: &[u8] = b"$99999999999\r\n$99999999999\r\n$99999999999\r\n$99999999999\r\n";

/// What sockets hold on both sides.
const IN_SOCKETS: usize = 32 << 20;

#[tokio::test]
async fn a_server_that_speaks_while_nobody_asks_loses_its_connection() {
    // The two of the format, and the call.
    let (port, talks) = talkative(3, ENDLESS);
    let store = store_at(&format!("redis://127.0.0.1:{port}"), None, no_tls()).await;
    let _ = get(&store).await;
    let said = tokio::task::spawn_blocking(|| talks.join().unwrap()).await.unwrap();
    assert!(said < IN_SOCKETS, "{said} bytes were read");
}

#[tokio::test]
async fn a_value_without_an_end_ends_with_its_connection() {
    let (port, talks) = talkative(2, ENDLESS);
    let store = store_at(&format!("redis://127.0.0.1:{port}"), None, no_tls()).await;
    get(&store).await.unwrap_err();
    let said = tokio::task::spawn_blocking(|| talks.join().unwrap()).await.unwrap();
    assert!(said < IN_SOCKETS, "{said} bytes were read");
}
