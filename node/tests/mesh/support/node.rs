//! Node processes: started, asked, killed, and never left behind.

use super::{ports, secs, until, web};
use orbweave_model::NodeId;
use orbweave_node::api::types::{InstanceView, Phase, Status, TicketRequest, TicketResponse};
use orbweave_node::api::{Client, ClientError, event::Event};
use orbweave_node::state_dir::StateDir;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The binary under test.
pub const ORBWEAVE: &str = env!("CARGO_BIN_EXE_orbweave");
/// A node that does not answer by then is broken.
const START_TIME_MAX: Duration = secs(30);
/// A command that does not end by then hangs.
const COMMAND_TIME_MAX: Duration = secs(120);
/// Lines of a node's log that a failed test shows.
const LOG_LINES_SHOWN: usize = 40;

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Its standard output, if it succeeded.
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.err, self.out);
        self.out
    }

    /// Its complaint, if it failed with an error and not with a panic.
    pub fn failed(self) -> String {
        assert!(matches!(self.code, Some(1 | 2)), "{:?}\n{}\n{}", self.code, self.err, self.out);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err
    }

    pub fn json<T: DeserializeOwned>(self) -> T {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
    }
}

/// One node.
pub struct Node {
    pub name: String,
    pub dir: StateDir,
    pub port: u16,
    pub client: Client,
    pub flags: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Node {
    /// A node that does not run yet, with a directory below `root`.
    pub fn new(root: &Path, name: &str, flags: &[&str]) -> Self {
        let dir = StateDir::locate(Some(root.join(name))).unwrap();
        Self {
            name: name.to_owned(),
            client: Client::new(&dir),
            dir,
            port: ports::four(),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            log: root.join(format!("{name}.log")),
            child: None,
        }
    }

    /// Runs a command on its directory.
    pub async fn run(&self, args: &[&str]) -> Said {
        let mut command = tokio::process::Command::new(ORBWEAVE);
        command.arg("--dir").arg(self.dir.path()).args(args);
        command.env_remove("ORBWEAVE_DIR").env_remove("ORBWEAVE_ADMIN").stdin(Stdio::null());
        command.kill_on_drop(true);
        let output = tokio::time::timeout(COMMAND_TIME_MAX, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("orbweave {args:?} hangs")).unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Deploys a manifest and waits until it runs.
    pub async fn deploy(&self, manifest: &str) {
        let name = manifest.lines().find_map(|line| line.strip_prefix("  name: ")).unwrap();
        let file = self.dir.path().join(format!("{name}.yaml"));
        std::fs::write(&file, manifest).unwrap();
        self.run(&["deploy", "-f", file.to_str().unwrap(), "--wait", "--timeout", "60s"]).await.ok();
    }

    /// How to run it in the foreground, with `first` as the command.
    pub fn command(&self, program: &[&str], first: &[&str]) -> Command {
        let mut words = program.iter().copied().chain([ORBWEAVE]);
        let mut command = Command::new(words.next().unwrap_or(ORBWEAVE));
        command.args(words).arg("--dir").arg(self.dir.path()).args(first);
        command.arg(format!("--port={}", self.port)).args(&self.flags);
        command
    }

    /// Starts `first` (`up`, or `join` with a ticket) in the foreground.
    pub fn spawn(&mut self, first: &[&str]) {
        let mut command = self.command(&[], first);
        command.args(["--listen", "127.0.0.1", "--no-mdns"]);
        self.spawn_command(command);
    }

    /// Starts it by a command of the test's own.
    pub fn spawn_command(&mut self, mut command: Command) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        command.env_remove("ORBWEAVE_DIR").env_remove("ORBWEAVE_ADMIN");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) -> Status {
        let Self { child, client, name, .. } = self;
        until(&format!("an answer of {name}"), START_TIME_MAX, async || {
            if let Some(ended) = child.as_mut().and_then(|c| c.try_wait().ok()?) {
                panic!("{name} ended by itself: {ended}");
            }
            client.get::<Status>("/v1/status").await.ok()
        })
        .await
    }

    /// Starts it again, or for the first time, and waits until it answers.
    pub async fn up(&mut self) -> Status {
        self.spawn(&["up"]);
        self.ready().await
    }

    /// Kills it without warning (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks its admin API.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        self.client.get(path).await.unwrap_or_else(|e| panic!("{}: GET {path}: {e}", self.name))
    }

    /// Hands in a record: nothing, or the error that the node gives.
    pub async fn submit(&self, record: Vec<u8>) -> Result<(), String> {
        said(self.client.post_bytes("/v1/records", record.into()).await.map(drop))
    }

    /// Hands in a component.
    pub async fn upload(&self, component: &[u8]) -> Result<(), String> {
        said(self.client.post_bytes("/v1/blobs", component.to_vec().into()).await.map(drop))
    }

    /// What happened on it, oldest first.
    pub async fn events(&self) -> Vec<Event> {
        let Ok(mut lines) = self.client.lines("/v1/events?follow=false").await else { return Vec::new() };
        let mut events = Vec::new();
        while let Ok(Some(orbweave_node::api::client::Item::Value(event))) = lines.next().await {
            events.push(event);
        }
        events
    }

    /// The nodes that run this workload, in its view.
    pub async fn holders(&self, workload: &str) -> Vec<NodeId> {
        let instances: Vec<InstanceView> = self.client.get("/v1/instances").await.unwrap_or_default();
        let running = |i: &InstanceView| i.workload.as_str() == workload && i.phase == Phase::Running;
        let mut holders: Vec<_> = instances.iter().filter(|i| running(i)).filter_map(|i| i.node).collect();
        holders.sort_unstable();
        holders
    }

    /// Where its ingress listens.
    pub fn ingress(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Waits until a request for this host is answered, and gives the answer's text.
    pub async fn answers(&self, host: &str, within: Duration) -> String {
        let what = format!("an answer of {host} through {}", self.name);
        until(&what, within, async || {
            let answer = web(self.ingress(), host, "/", "").await.ok()?;
            answer.status.is_success().then(|| answer.text())
        })
        .await
    }
}

fn said(answer: Result<(), ClientError>) -> Result<(), String> {
    match answer {
        Err(ClientError::Refused(refused)) => Err(format!("{}: {refused}", refused.status.as_u16())),
        Err(broken) => panic!("{broken}"),
        Ok(()) => Ok(()),
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        // One that was started in the background.
        if let Some(pid) = self.dir.running_pid().filter(|_| self.dir.socket().exists()) {
            let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
            let runs =
                std::fs::read_link(format!("/proc/{}/exe", pid.map_or(0, |p| p.as_raw_nonzero().get())));
            if runs.is_ok_and(|exe| exe == Path::new(ORBWEAVE)) {
                let _ = rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL);
            }
        }
        if std::thread::panicking() {
            let log = [&self.log, &self.dir.log()].map(|p| std::fs::read_to_string(p).unwrap_or_default());
            for text in log.iter().filter(|text| !text.is_empty()) {
                let lines: Vec<&str> = text.lines().collect();
                let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
                eprintln!("--- the end of {}'s log\n{}", self.name, lines[from..].join("\n"));
            }
        }
    }
}

/// Several nodes of one mesh, the founder first.
pub struct Mesh {
    pub nodes: Vec<Node>,
    // Removed after the processes were killed.
    pub root: TempDir,
}

impl Mesh {
    /// Directories and ports; nothing runs.
    pub fn prepare(nodes: &[(&str, &[&str])]) -> Self {
        let root = tempfile::Builder::new().prefix("orbweave-test-").tempdir().unwrap();
        let nodes = nodes.iter().map(|(name, flags)| Node::new(root.path(), name, flags)).collect();
        Self { nodes, root }
    }

    /// Founds a mesh on the first node, lets the others join, waits until all see all.
    pub async fn start(nodes: &[(&str, &[&str])]) -> Self {
        let mut mesh = Self::prepare(nodes);
        mesh.found().await;
        if mesh.nodes.len() > 1 {
            let ticket = mesh.ticket(mesh.nodes.len() as u32 - 1, secs(600)).await;
            for node in &mut mesh.nodes[1..] {
                let name = node.name.clone();
                node.spawn(&["join", &ticket, "--name", &name]);
            }
            for node in &mut mesh.nodes[1..] {
                node.ready().await;
            }
            mesh.all_see_all(secs(60)).await;
        }
        mesh
    }

    /// Founds the mesh and starts its first node.
    pub async fn found(&mut self) {
        let first = &mut self.nodes[0];
        let name = first.name.clone();
        first.run(&["init", "test", "--name", &name]).await.ok();
        first.up().await;
    }

    /// A ticket of the founder's.
    pub async fn ticket(&self, uses: u32, ttl: Duration) -> String {
        let request = TicketRequest { uses, ttl_ms: ttl.as_millis() as u64 };
        let made: TicketResponse = self.nodes[0].client.post("/v1/tickets", &request).await.unwrap();
        made.ticket
    }

    /// Waits until every node that runs sees every other alive.
    pub async fn all_see_all(&self, within: Duration) {
        let running: Vec<&Node> = self.nodes.iter().filter(|n| n.child.is_some()).collect();
        for node in &running {
            until(&format!("{} sees all", node.name), within, async || {
                let status: Status = node.client.get("/v1/status").await.ok()?;
                (status.members.alive as usize >= running.len()).then_some(())
            })
            .await;
        }
    }

    /// The ids of the nodes, in order.
    pub async fn ids(&self) -> Vec<NodeId> {
        let mut ids = Vec::new();
        for node in &self.nodes {
            ids.push(node.get::<Status>("/v1/status").await.node);
        }
        ids
    }

    /// Waits until every running node sees `workload` run on exactly `replicas` nodes of
    /// `among`.
    pub async fn settled(&self, workload: &str, replicas: usize, among: &[NodeId], within: Duration) {
        for node in self.nodes.iter().filter(|n| n.child.is_some()) {
            let what = format!("{} sees {replicas} replicas of {workload}", node.name);
            until(&what, within, async || {
                let holders = node.holders(workload).await;
                (holders.len() == replicas && holders.iter().all(|h| among.contains(h))).then_some(())
            })
            .await;
        }
    }
}

/// Changes bytes in the middle of a file.
pub fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
    File::open(path).unwrap().sync_all().unwrap();
}
