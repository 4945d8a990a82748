//! The task that owns the node.

use super::executor::Executor;
use super::handle::NodeHandle;
use super::storage::{Storage, Writer};
use super::streams::SyncStreams;
use super::view;
use bytes::Bytes;
use orbweave_core::io::{BatchId, CommandId, Output, SyncId};
use orbweave_core::{Input, Node};
use orbweave_model::{Mono, NodeId, Now, Wall};
use orbweave_net::{NetEvent, PeerAddress, StreamKind};
use orbweave_wasm::Runtime;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};

/// Inputs that are taken before a waiting timeout is looked at.
const BURST: usize = 64;
/// How often links are measured anew.
const MEASURE: Duration = Duration::from_secs(15);
/// What a node that leaves has for handing its work over.
const LEAVE: Duration = Duration::from_millis(2_500);

/// A question about the node, answered between two inputs.
pub type Question = Box<dyn FnOnce(&Node) + Send>;

/// What reaches the node's task.
pub enum Message {
    /// An input.
    Input(Input),
    /// A record that a person hands in, and where the answer goes.
    Submit(Vec<u8>, oneshot::Sender<Result<(), String>>),
    /// A question.
    Ask(Question),
    /// The node shall leave and the task end.
    Stop,
}

/// The wall clock of the operating system.
pub fn wall_now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The node and all that carries out its outputs.
pub struct Actor {
    node: Node,
    handle: NodeHandle,
    writer: Writer,
    durable: watch::Receiver<BatchId>,
    reported: u64,
    executor: Executor,
    streams: SyncStreams,
    commands: BTreeMap<CommandId, oneshot::Sender<Result<(), String>>>,
    command_count: u64,
    started: Instant,
    routes_changed: bool,
    documents: usize,
    leaving: Option<Instant>,
}

impl Actor {
    /// Puts the parts together.
    pub fn new(
        node: Node,
        handle: NodeHandle,
        storage: Storage,
        runtime: Arc<Runtime>,
        started: Instant,
    ) -> Self {
        let inbox = handle.inbox().clone();
        let (writer, durable) = Writer::spawn(storage);
        Self {
            node,
            writer,
            durable,
            reported: 0,
            executor: Executor::new(runtime, handle.clone()),
            streams: SyncStreams::new(handle.net().clone(), inbox),
            commands: BTreeMap::new(),
            command_count: 0,
            handle,
            started,
            routes_changed: true,
            documents: 0,
            leaving: None,
        }
    }

    fn now(&self) -> Now {
        let mono = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Now { mono: Mono(mono), wall: wall_now() }
    }

    /// Runs until it was told to stop and the node had the time to leave.
    /// The result is whether the disk held.
    pub async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
        mut events: mpsc::Receiver<NetEvent>,
    ) -> bool {
        let mut failed = false;
        self.drain().await;
        let mut measure = tokio::time::interval(MEASURE);
        measure.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let due = Duration::from_nanos(self.node.next_timeout().0);
            let mut deadline = tokio::time::Instant::from_std(self.started + due);
            if let Some(end) = self.leaving {
                if Instant::now() >= end || self.node.holds_nothing() {
                    break;
                }
                deadline = deadline.min(tokio::time::Instant::from_std(end));
            }
            tokio::select! {
                message = inbox.recv() => {
                    let Some(message) = message else { break };
                    self.take(message);
                }
                event = events.recv() => {
                    let Some(event) = event else { break };
                    self.on_net(event);
                }
                changed = self.durable.changed() => {
                    if changed.is_err() {
                        failed = true;
                        break;
                    }
                }
                () = tokio::time::sleep_until(deadline) => {}
                _ = measure.tick() => self.measure(),
            }
            self.report_durable();
            // What has arrived comes before what is due: an answer that waits unread
            // would look like silence. But a flood cannot starve a timeout.
            for _ in 0..BURST {
                let Ok(event) = events.try_recv() else { break };
                self.on_net(event);
            }
            for _ in 0..BURST {
                let Ok(message) = inbox.try_recv() else { break };
                self.take(message);
            }
            let now = self.now();
            if now.mono >= self.node.next_timeout() {
                self.node.handle_timeout(now);
            }
            self.drain().await;
        }
        self.executor.stop_all();
        self.writer.finish().await;
        self.handle.mark_stopped();
        !failed
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Input(input) => self.input(input),
            Message::Submit(bytes, answer) => {
                self.command_count += 1;
                let id = CommandId(self.command_count);
                self.commands.insert(id, answer);
                self.input(Input::Submit { id, bytes });
            }
            Message::Ask(question) => question(&self.node),
            Message::Stop => {
                if self.leaving.is_none() {
                    self.leaving = Some(Instant::now() + LEAVE);
                    self.input(Input::Leave);
                }
            }
        }
    }

    /// Batches have consecutive numbers and are written in order.
    fn report_durable(&mut self) {
        let durable = self.durable.borrow_and_update().0;
        while self.reported < durable {
            self.reported += 1;
            self.input(Input::Persisted { batch: BatchId(self.reported) });
        }
    }

    fn input(&mut self, input: Input) {
        self.node.handle(self.now(), input);
    }

    fn on_net(&mut self, event: NetEvent) {
        let input = match event {
            NetEvent::LinkUp { peer, rtt, .. } => Input::LinkUp { peer, rtt },
            NetEvent::LinkDown { peer } => Input::LinkDown { peer },
            NetEvent::Datagram { peer, bytes } => Input::Datagram { from: peer, bytes: bytes.to_vec() },
            NetEvent::Gossip { bytes } => Input::Gossip { bytes: bytes.to_vec() },
            NetEvent::Found { peer } => Input::Found { peer: peer.node, addresses: peer.addresses },
            NetEvent::Refused { peer, reason } => return self.handle.peer_refused(peer, reason),
            NetEvent::Stream { peer, kind: StreamKind::Sync, send, recv } => {
                return self.streams.accept(peer, send, recv);
            }
            // The gate takes the others as they arrive.
            NetEvent::Stream { mut send, .. } => return send.reset(0),
        };
        self.input(input);
    }

    fn ask_renewal(&self, peer: NodeId, addresses: Vec<SocketAddr>) {
        let (gate, inbox) = (Arc::clone(self.handle.gate()), self.handle.inbox().clone());
        tokio::spawn(async move {
            match gate.ask_renewal(peer, &addresses).await {
                Ok(certificate) => {
                    let _ = inbox.send(Message::Input(Input::Certified { certificate })).await;
                }
                Err(why) => tracing::info!("node {} does not renew our certificate: {why}", peer.short()),
            }
        });
    }

    fn measure(&mut self) {
        for peer in self.handle.net().peers() {
            if let Some(rtt) = self.handle.net().rtt(peer) {
                self.input(Input::Rtt { peer, rtt });
            }
        }
        self.routes_changed = true;
    }

    /// Carries out all that the node decided.
    async fn drain(&mut self) {
        // The gate first: whom a revocation cuts off must not slip back in meanwhile.
        let documents = self.node.authority().documents().count();
        if documents != self.documents {
            self.documents = documents;
            self.handle.gate().set_authority(self.node.authority().clone());
        }
        let now = self.now();
        self.handle.set_corrected_wall(self.node.corrected(now.wall));
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Datagram { to, bytes } => {
                    self.handle.net().send_datagram(to, Bytes::from(bytes));
                }
                Output::Publish { bytes } => self.handle.net().publish(Bytes::from(bytes)),
                Output::Sync { id, bytes } => self.streams.send(id, bytes),
                Output::SyncClose { id } => self.streams.close(id),
                Output::Renewed { certificate } => self.handle.gate().renew(certificate),
                Output::Dial { peer, addresses } => {
                    self.handle.net().dial(PeerAddress { node: peer, addresses });
                }
                Output::AskRenewal { peer, addresses } => self.ask_renewal(peer, addresses),
                Output::Evict { peer } => self.handle.net().evict(peer),
                Output::Fetch { hash, size, providers } => self.executor.fetch(hash, size, providers),
                Output::Prepare { release } => self.executor.prepare(release),
                Output::Start(start) => self.executor.start(*start),
                Output::Stop { instance } => {
                    self.executor.stop(instance);
                    self.routes_changed = true;
                }
                Output::Persist { batch, writes } => self.writer.write(batch, writes).await,
                Output::Reply { id, result } => {
                    if let Some(answer) = self.commands.remove(&id) {
                        let _ = answer.send(result);
                    }
                }
                Output::Notify(event) => self.handle.record(*event),
                Output::RoutesChanged => self.routes_changed = true,
            }
        }
        if std::mem::take(&mut self.routes_changed) {
            self.handle.gate().set_components(self.node.components());
            self.handle.set_routes(view::route_table(&self.node));
        }
    }
}

/// Names used by the parts beside this one.
pub type Inbox = mpsc::Sender<Message>;

/// Tells the node of a frame of a reconciliation.
pub async fn sync_frame(inbox: &Inbox, id: SyncId, bytes: Vec<u8>) -> bool {
    inbox.send(Message::Input(Input::Sync { id, bytes })).await.is_ok()
}
