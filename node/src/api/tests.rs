//! The server and the client against one another, over a real socket, without a node.

use super::backend::{Elsewhere, Source};
use super::client::Item;
use super::event::{Event, EventKind};
use super::types::{
    BlobResponse, CallRequest, CallResponse, Describe, InstanceView, LogLine, LogStream, MemberCounts,
    NodeRef, NodeSettings, NodeView, Plan, Ports, QuotaView, Status, TicketRequest, TicketResponse, Why,
    WorkloadView, ZONE_DEFAULT, ZoneState, ZoneView,
};
use super::{AdminServer, ApiError, Backend, Client, ClientError};
use crate::state_dir::StateDir;
use bytes::Bytes;
use http::StatusCode;
use orbweave_core::WorkloadSpec;
use orbweave_model::{Hash, InstanceId, MeshId, NodeId, Resources, WorkloadName, limit};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

const NODE: NodeId = NodeId([1; 32]);

#[derive(Clone)]
struct Fake {
    events: broadcast::Sender<Event>,
    logs: broadcast::Sender<LogLine>,
    stop: CancellationToken,
}

fn event(at_ms: u64, workload: &str) -> Event {
    let mut event = Event::new(at_ms, NODE, EventKind::Started, "runs");
    event.workload = Some(workload.parse().unwrap());
    event
}

fn zone(name: &str, own: bool, state: ZoneState) -> ZoneView {
    let gateways = vec![NodeRef { id: NODE, name: "a".into() }];
    let name = name.to_owned();
    ZoneView { name, own, state, leaders: Vec::new(), gateways, members: 5, replicas: 3, running: 2 }
}

impl Backend for Fake {
    async fn status(&self) -> Status {
        let address: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        Status {
            node: NODE,
            name: "a".into(),
            mesh: MeshId([2; 32]),
            mesh_name: "fleet".into(),
            version: "0".into(),
            pid: 1,
            uptime_ms: 5,
            peers: 0,
            members: MemberCounts { alive: 1, ..Default::default() },
            ports: Ports { http: address, mesh: address, admin: None },
            memory_bytes: 1,
            settings: None,
            conflicts: Vec::new(),
            counters: [("records".to_owned(), 3)].into(),
        }
    }

    async fn nodes(&self) -> Vec<NodeView> {
        Vec::new()
    }

    async fn zones(&self) -> Vec<ZoneView> {
        vec![zone("north", true, ZoneState::Alive), zone("south", false, ZoneState::Lost)]
    }

    async fn quotas(&self) -> Vec<QuotaView> {
        Vec::new()
    }

    async fn workloads(&self) -> Vec<WorkloadView> {
        Vec::new()
    }

    async fn instances(&self) -> Vec<InstanceView> {
        Vec::new()
    }

    async fn describe(&self, _: &WorkloadName) -> Option<Describe> {
        None
    }

    async fn why(&self, _: &WorkloadName, _: u32) -> Option<Why> {
        None
    }

    async fn plan(&self, workload: &WorkloadName, spec: WorkloadSpec) -> Option<Plan> {
        let (workload, changes) = (workload.clone(), spec.replicas > 0);
        Some(Plan { workload, changes, fits: true, refused: None, slots: Vec::new(), unsought: 0 })
    }

    async fn spec(&self, workload: &WorkloadName) -> Option<Vec<u8>> {
        (workload.as_str() == "known").then(|| WorkloadSpec::deletion(7).encode())
    }

    async fn submit(&self, record: Vec<u8>) -> Result<(), ApiError> {
        match record.first() {
            Some(0) => Err(ApiError::refused("the signature is wrong").fix("sign it again")),
            _ => Ok(()),
        }
    }

    async fn add_blob(&self, bytes: Bytes) -> Result<Hash, ApiError> {
        Ok(Hash::of(&bytes))
    }

    async fn create_ticket(&self, uses: u32, ttl: Duration) -> Result<String, ApiError> {
        Ok(format!("ow1-{uses}-{}", ttl.as_secs()))
    }

    async fn call(&self, request: CallRequest) -> Result<CallResponse, ApiError> {
        Ok(CallResponse { result: format!("{}({})", request.function, request.args), node: Some(NODE) })
    }

    fn logs(&self, _: Option<&WorkloadName>) -> (Vec<LogLine>, broadcast::Receiver<LogLine>) {
        (Vec::new(), self.logs.subscribe())
    }

    fn events(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        (vec![event(1, "a"), event(2, "b")], self.events.subscribe())
    }

    async fn elsewhere(&self, what: Source, workload: &WorkloadName, follow: bool) -> Elsewhere {
        let line = |at: u64, text: &str| {
            let event = Event { text: text.to_owned(), ..event(at, workload.as_str()) };
            Bytes::from(serde_json::to_string(&event).unwrap() + "\n")
        };
        let (sender, follows) = tokio::sync::mpsc::channel(4);
        if follow {
            sender.send(line(9, "later")).await.unwrap();
        }
        let text = format!("{what:?} elsewhere");
        Elsewhere { lines: vec![(3, line(3, &text)), (0, line(0, &text))], follows }
    }

    async fn shutdown(&self) {
        self.stop.cancel();
    }
}

struct Served {
    _temp: tempfile::TempDir,
    dir: StateDir,
    fake: Fake,
    tcp: SocketAddr,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn served() -> Served {
    let temp = tempfile::tempdir().unwrap();
    let dir = StateDir::locate(Some(temp.path().join("s"))).unwrap();
    dir.create().unwrap();
    let server = AdminServer::bind(&dir, Some("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let tcp = server.tcp_address().unwrap();
    let stop = CancellationToken::new();
    let fake = Fake { events: broadcast::channel(4).0, logs: broadcast::channel(4).0, stop: stop.clone() };
    let task = tokio::spawn(server.serve(fake.clone(), stop));
    Served { _temp: temp, dir, fake, tcp, task }
}

fn refusal(error: ClientError) -> ApiError {
    match error {
        ClientError::Refused(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_the_node_says_reaches_the_client() {
    let served = served().await;
    let client = Client::new(&served.dir);
    assert_eq!(client.get::<Status>("/v1/status").await.unwrap(), served.fake.status().await);
    assert_eq!(client.get::<Vec<ZoneView>>("/v1/zones").await.unwrap(), served.fake.zones().await);
    let request = CallRequest {
        workload: "a".parse().unwrap(),
        function: "f".into(),
        args: "1".into(),
        deadline_ms: 9,
    };
    let answer: CallResponse = client.post("/v1/calls", &request).await.unwrap();
    assert_eq!(answer.result, "f(1)");
    for beyond in [0, 3_600_001, u64::MAX] {
        let request = CallRequest { deadline_ms: beyond, ..request.clone() };
        let error = refusal(client.post::<CallResponse>("/v1/calls", &request).await.unwrap_err());
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        assert!(error.error.contains("1ms to 1h are allowed"), "{}", error.error);
    }
    let ticket: TicketResponse =
        client.post("/v1/tickets", &TicketRequest { uses: 2, ttl_ms: 60_000 }).await.unwrap();
    assert_eq!(ticket.ticket, "ow1-2-60");
    let bytes = Bytes::from(vec![7; 3_000_000]);
    let blob: BlobResponse =
        serde_json::from_slice(&client.post_bytes("/v1/blobs", bytes.clone()).await.unwrap()).unwrap();
    assert_eq!(blob, BlobResponse { hash: Hash::of(&bytes), size: 3_000_000 });
}

#[tokio::test]
async fn a_refusal_carries_its_reason_and_its_remedy() {
    let served = served().await;
    let client = Client::new(&served.dir);
    let error = refusal(client.post_bytes("/v1/records", Bytes::from_static(&[0])).await.unwrap_err());
    assert_eq!(error, ApiError::refused("the signature is wrong").fix("sign it again"));
    assert!(client.post_bytes("/v1/records", Bytes::from_static(&[1])).await.unwrap().is_empty());
    let error = refusal(client.get::<Describe>("/v1/workloads/nobody").await.unwrap_err());
    assert_eq!((error.status, error.error.as_str()), (StatusCode::NOT_FOUND, "no workload is called nobody"));
    let error = refusal(client.get::<Describe>("/v1/workloads/No%20Name").await.unwrap_err());
    assert_eq!(error.status, StatusCode::BAD_REQUEST);
    let error = refusal(client.get::<Status>("/v2/status").await.unwrap_err());
    assert_eq!(error.error, "the admin API has no GET /v2/status");
    let error = refusal(
        client.post::<TicketResponse>("/v1/tickets", &serde_json::json!({"uses": 1})).await.unwrap_err(),
    );
    assert!(error.error.contains("missing field `ttlMs`"), "{}", error.error);
}

#[tokio::test]
async fn bodies_beyond_their_bound_are_refused() {
    let served = served().await;
    let client = Client::new(&served.dir);
    let large = Bytes::from(vec![1; limit::RECORD_BYTES_MAX + 1]);
    let error = refusal(client.post_bytes("/v1/records", large).await.unwrap_err());
    assert_eq!(error.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Judged by what it declares, before a byte of it is read.
    let stream = tokio::net::UnixStream::connect(served.dir.socket()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let head = format!(
        "POST /v1/blobs HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        limit::COMPONENT_BYTES_MAX + 1
    );
    tokio::io::AsyncWriteExt::write_all(&mut write, head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut read, &mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn only_the_owner_opens_the_socket_and_only_the_token_opens_tcp() {
    let served = served().await;
    let mode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(served.dir.socket()), 0o600);
    assert_eq!(mode(served.dir.token()), 0o600);
    for wrong in ["", "wrong"] {
        let client = Client::over_tcp(served.tcp, wrong.to_owned());
        let error = refusal(client.get::<Status>("/v1/status").await.unwrap_err());
        assert_eq!(error.status, StatusCode::UNAUTHORIZED);
    }
    let token = std::fs::read_to_string(served.dir.token()).unwrap().trim().to_owned();
    let client = Client::over_tcp(served.tcp, token);
    assert_eq!(client.get::<Status>("/v1/status").await.unwrap().name, "a");
}

#[tokio::test]
async fn the_api_does_not_listen_beyond_loopback() {
    let temp = tempfile::tempdir().unwrap();
    let dir = StateDir::locate(Some(temp.path().to_owned())).unwrap();
    let error = AdminServer::bind(&dir, Some("0.0.0.0:0".parse().unwrap())).await.unwrap_err();
    assert_eq!(error.to_string(), "the admin API listens on loopback only, and 0.0.0.0:0 is not");
}

async fn next(lines: &mut super::client::Lines) -> Option<Item<Event>> {
    lines.next().await.unwrap()
}

#[tokio::test]
async fn a_stream_begins_with_what_was_and_follows_what_comes() {
    let served = served().await;
    let client = Client::new(&served.dir);
    let mut ended = client.lines("/v1/events").await.unwrap();
    assert!(matches!(next(&mut ended).await, Some(Item::Value(e)) if e.at_ms == 1));
    assert!(matches!(next(&mut ended).await, Some(Item::Value(e)) if e.at_ms == 2));
    assert!(next(&mut ended).await.is_none());

    let mut followed = client.lines("/v1/events?follow=true&workload=b").await.unwrap();
    assert!(matches!(next(&mut followed).await, Some(Item::Value(e)) if e.at_ms == 2));
    served.fake.events.send(event(3, "a")).unwrap();
    served.fake.events.send(event(4, "b")).unwrap();
    assert!(matches!(next(&mut followed).await, Some(Item::Value(e)) if e.at_ms == 4));

    let line = LogLine {
        at_ms: 1,
        node: NODE,
        workload: "a".parse().unwrap(),
        instance: InstanceId(1),
        stream: LogStream::Stdout,
        text: "x\ny".into(),
    };
    let mut logs = client.lines("/v1/logs?follow=true").await.unwrap();
    served.fake.logs.send(line.clone()).unwrap();
    assert!(matches!(logs.next::<LogLine>().await.unwrap(), Some(Item::Value(l)) if l == line));
}

#[tokio::test]
async fn what_other_nodes_say_is_put_in_its_place_in_time() {
    let served = served().await;
    let client = Client::new(&served.dir);
    let mut lines = client.lines("/v1/events?workload=a&everywhere=true").await.unwrap();
    let mut at = Vec::new();
    while let Some(Item::Value(event)) = next(&mut lines).await {
        at.push((event.at_ms, event.text));
    }
    let said = |at: u64, text: &str| (at, text.to_owned());
    assert_eq!(at, [said(0, "Events elsewhere"), said(1, "runs"), said(3, "Events elsewhere")]);
    let mut lines = client.lines("/v1/events?workload=a&everywhere=true&follow=true").await.unwrap();
    for expected in [0, 1, 3, 9] {
        assert!(matches!(next(&mut lines).await, Some(Item::Value(e)) if e.at_ms == expected));
    }
    served.fake.events.send(event(10, "a")).unwrap();
    assert!(matches!(next(&mut lines).await, Some(Item::Value(e)) if e.at_ms == 10));
    let error = refusal(client.lines("/v1/logs?everywhere=true").await.unwrap_err());
    assert!(error.error.contains("workload"), "{}", error.error);
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_told_how_much_it_missed() {
    let served = served().await;
    let mut lines = Client::new(&served.dir).lines("/v1/events?follow=true&workload=b").await.unwrap();
    assert!(matches!(next(&mut lines).await, Some(Item::Value(_))));
    // Sent at once, without a pause in which the server could read: four of ten are kept.
    for at in 10..20 {
        served.fake.events.send(event(at, "b")).unwrap();
    }
    assert!(matches!(next(&mut lines).await, Some(Item::Skipped(6))));
    assert!(matches!(next(&mut lines).await, Some(Item::Value(e)) if e.at_ms == 16));
}

#[tokio::test]
async fn shutting_down_ends_streams_and_takes_the_socket_away() {
    let served = served().await;
    let client = Client::new(&served.dir);
    let mut lines = client.lines("/v1/events?follow=true").await.unwrap();
    client.post_bytes("/v1/shutdown", Bytes::new()).await.unwrap();
    while next(&mut lines).await.is_some() {}
    served.task.await.unwrap().unwrap();
    assert!(!served.dir.socket().exists());
    let error = client.get::<Status>("/v1/status").await.unwrap_err();
    assert_eq!(error.to_string(), format!("no node runs in {}", served.dir.path().display()));
}

#[test]
fn a_zone_says_what_it_is_in_the_words_of_the_api() {
    let zone = zone("north", true, ZoneState::Split);
    let text = r#"{"name":"north","own":true,"state":"Split","leaders":[],"gateways":[{"id":"NODE","name":"a"}],"members":5,"replicas":3,"running":2}"#;
    assert_eq!(serde_json::to_string(&zone).unwrap(), text.replace("NODE", &NODE.to_string()));
}

#[test]
fn a_node_of_a_version_before_zones_is_in_the_default_one() {
    let text = r#"{"labels":{},"capacity":CAPACITY,"peers":[],"mdns":true,"gossip":true}"#;
    let capacity = serde_json::to_string(&Resources::default()).unwrap();
    let settings: NodeSettings = serde_json::from_str(&text.replace("CAPACITY", &capacity)).unwrap();
    assert_eq!(settings.zone, ZONE_DEFAULT);
}

#[test]
fn a_kind_of_event_of_a_later_version_is_read_as_unknown() {
    let text = r#"{"atMs":1,"node":"NODE","kind":"moon-landing","text":"t","later":7}"#;
    let event: Event = serde_json::from_str(&text.replace("NODE", &NODE.to_string())).unwrap();
    assert_eq!(event.kind, EventKind::Unknown);
    assert_eq!(EventKind::AnsweredFirstRequest.to_string(), "answered-first-request");
}
