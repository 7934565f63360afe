//! Lanes whose engine does not load.

use super::super::pool::Pool;
use super::*;
use crate::protocol::Isolate;

/// A lane whose zygotes end at once.
fn broken(load: Load, is_required: bool) -> LaneConfig {
    LaneConfig {
        executable: "/bin/false".into(),
        setup: ZygoteSetup {
            kind: Kind::TypeScript,
            isolate: Isolate::Warm,
            max_memory: 1 << 20,
            max_cpu_seconds: 1,
            time_zone: "UTC".into(),
            without: Vec::new(),
            packages: None,
            python: None,
            checker: None,
        },
        load,
        is_required,
        standby: 1,
        max_frame: 1 << 10,
    }
}

#[tokio::test]
async fn an_engine_that_does_not_load_is_not_available_and_says_why() {
    let lane = Lane::new(broken(Load::WhenNeeded, false));
    assert!(matches!(lane.availability(), Availability::NotLoaded));
    let error = lane.acquire().await.err().expect("no worker");
    let Availability::NotAvailable(why) = lane.availability() else { panic!("it is broken") };
    assert_eq!(why.to_string(), error.to_string());
    assert!(why.to_string().starts_with("The zygote failed to start: it ended before"), "{why}");
    assert!(!lane.has_zygote() && lane.status().is_none());
}

#[tokio::test]
async fn an_engine_that_did_not_load_is_tried_again_after_a_pause() {
    let lane = Lane::new(broken(Load::WhenNeeded, false));
    lane.load().await.expect_err("it is broken");
    let pause = Instant::now() + Duration::from_secs(60);
    lane.state.restart.lock().await.retry_at = pause;
    lane.load().await.expect_err("it is broken");
    assert_eq!(lane.state.restart.lock().await.retry_at, pause, "it was tried in the pause");
    lane.state.restart.lock().await.retry_at = Instant::now();
    lane.load().await.expect_err("it is broken");
    let Restart { backoff, .. } = *lane.state.restart.lock().await;
    assert_eq!(backoff, 4 * MIN_BACKOFF, "two attempts");
}

#[tokio::test]
async fn a_load_goes_on_when_its_caller_gives_up() {
    let lane = Lane::new(broken(Load::WhenNeeded, false));
    let held = lane.state.restart.lock().await;
    timeout(Duration::from_millis(20), lane.load()).await.expect_err("another one is loading");
    drop(held);
    for _ in 0..500 {
        if matches!(lane.availability(), Availability::NotAvailable(_)) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody has loaded it");
}

fn installed() -> Generation {
    Generation { directory: "/packages/generations/1".into(), preload: Vec::new() }
}

#[tokio::test]
async fn packages_that_come_to_a_running_server_are_loaded_before_they_are_asked_for() {
    let lane = Lane::new(broken(Load::WhenNeeded, false));
    lane.set_packages(Some(installed()));
    for _ in 0..500 {
        if !matches!(lane.availability(), Availability::NotLoaded) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody has loaded it");
}

#[test]
fn one_worker_stands_by_for_programs_that_need_built_ins_only() {
    let mut config = broken(Load::WhenNeeded, false);
    (config.setup.kind, config.standby) = (Kind::Packages, 4);
    let lane = Lane::new(config);
    assert_eq!(lane.state.standby(), 1);
    *lane.state.packages.lock() = Some(installed());
    assert_eq!(lane.state.standby(), 4);
}

#[tokio::test]
async fn a_pool_starts_without_an_engine_that_is_not_required() {
    let pool = Pool::start(vec![broken(Load::AtStart, false)]).await.expect("a pool");
    pool.load(Kind::TypeScript).await;
    assert!(matches!(pool.availability(Kind::TypeScript), Availability::NotAvailable(_)));
    assert!(pool.acquire(Kind::TypeScript).await.is_err());
    assert_eq!((pool.has_zygote(), pool.standing_by()), (true, 0));
}

#[tokio::test]
async fn a_pool_does_not_start_without_an_engine_that_is_required() {
    let pool = Pool::start(vec![broken(Load::AtStart, true)]).await;
    assert!(matches!(pool, Err(PoolError::Zygote(_))));
}

#[tokio::test]
async fn a_lane_that_is_loaded_when_needed_costs_nothing_before() {
    let pool = Pool::start(vec![broken(Load::WhenNeeded, true)]).await.expect("a pool");
    assert!(matches!(pool.availability(Kind::TypeScript), Availability::NotLoaded));
    assert!(pool.status(Kind::TypeScript).is_none());
}

#[tokio::test]
async fn a_kind_without_a_lane_is_not_available() {
    let pool = Pool::start(Vec::new()).await.expect("a pool");
    let error = pool.acquire(Kind::TypeScript).await.err().expect("no worker");
    assert_eq!(error.to_string(), "There is no engine for typescript");
    assert!(matches!(pool.availability(Kind::TypeScript), Availability::NotAvailable(_)));
}

#[tokio::test]
async fn what_stands_by_is_renewed_when_packages_change_and_only_then() {
    let lane = Lane::new(broken(Load::WhenNeeded, false));
    assert!(lane.state.has_packages(None));
    let of = |preload: &[u16]| Generation {
        directory: "/packages/generations/2".into(),
        preload: preload.to_vec(),
    };
    let generation = of(&[0]);
    lane.set_packages(Some(generation.clone()));
    assert!(!lane.state.has_packages(Some(&of(&[0, 1]))), "another has other code compiled");
    assert!(lane.state.has_packages(Some(&generation)) && !lane.state.has_packages(None));
    let wanted = lane.state.wanted.notified();
    timeout(Duration::from_secs(1), wanted).await.expect("the keeper is told");
    lane.set_packages(Some(generation));
    let wanted = lane.state.wanted.notified();
    timeout(Duration::from_millis(20), wanted).await.expect_err("nothing has changed");
}

#[tokio::test]
async fn who_waits_for_a_zygote_is_told_why_it_does_not_start() {
    let lane = Lane::new(broken(Load::WhenNeeded, false));
    let waits = lane.state.has_usable();
    let fails = async {
        lane.state.wanted.notified().await;
        lane.state.zygote().await.err().expect("it is broken")
    };
    let (told, error) = tokio::join!(waits, fails);
    assert_eq!(told.unwrap_err().to_string(), error.to_string());
}
