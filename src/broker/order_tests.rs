//! Tests: requests that come one after the other without a pause are answered as
//! if each had been waited for, whichever task runs first.

use std::sync::Arc;

use tokio::net::TcpSocket;

use super::{Broker, Event, ToolScope, run_account};
use crate::config::Config;
use crate::config::fixture::Directory;
use crate::policy::RunTools;
use crate::protocol::{
    Answer, Failure, NetworkOperation, Operation, RequestBody, ServerMessage, decode,
};
use crate::runtime::services_of;
use crate::telemetry::ExecutionSpan;

fn broker(grants: &str) -> (Broker, Directory) {
    let directory = Directory::new();
    let config = Config::default().with_workspace(&directory.0).with_run_args(grants);
    let services = Arc::new(services_of(&config).expect("the configuration is valid"));
    let scope = ToolScope { tools: RunTools::all(), ..ToolScope::default() };
    let account = run_account(&services.memory, 0);
    (Broker::new(services, account, 1, scope, ExecutionSpan::start(None, None)), directory)
}

async fn answer(broker: &mut Broker, to: u32) -> Result<Answer, Failure> {
    loop {
        let Event::Frame { bytes, .. } = broker.next().await else { continue };
        match decode(&bytes[4..]).expect("the broker sends messages") {
            ServerMessage::Reply { id, result } if id == to => return result,
            _ => {}
        }
    }
}

/// A worker whose body is no longer taken asks for the response and closes the
/// body in one breath.
#[tokio::test]
async fn a_response_is_told_though_its_body_is_closed_right_after() {
    // Bound, so that nobody else gets the port; connect(2) is refused as nobody listens.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = held.local_addr().unwrap().port();
    let (mut broker, _directory) = broker(&format!("allow-net=127.0.0.1:{port}"));
    let fetch = Operation::Network(NetworkOperation::Fetch {
        method: "POST".into(),
        url: format!("http://127.0.0.1:{port}/"),
        headers: Vec::new(),
        body: RequestBody::Stream,
    });
    broker.begin(1, fetch, 1).unwrap();
    let Ok(Answer::Handle(handle)) = answer(&mut broker, 1).await else {
        panic!("a request with a streamed body has a handle")
    };
    // The request has ended when nobody takes its body.
    let mut id = 2;
    loop {
        broker.begin(id, Operation::write(handle, vec![0; 9]), 9).unwrap();
        match answer(&mut broker, id).await {
            Err(failure) if failure.class == "BrokenPipe" => break,
            _ => id += 1,
        }
    }
    let waits = Operation::Network(NetworkOperation::FetchResponse { handle });
    broker.begin(100, waits, 1).unwrap();
    broker.begin(101, Operation::close(handle), 1).unwrap();
    let failure = answer(&mut broker, 100).await.expect_err("nobody listens");
    assert_eq!(failure.class, "TypeError");
    assert!(failure.message.contains("connection refused"), "{failure:?}");
}
