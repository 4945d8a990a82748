//! Five real node processes on loopback, each with a state directory of its own under
//! one temporary directory. What is started here is stopped here, whatever happens.

use super::error::DemoError;
use super::show::Show;
use crate::api::Client;
use crate::api::types::{Status, TicketRequest, TicketResponse};
use crate::state_dir::StateDir;
use orbweave_model::NodeId;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// The nodes: name and tier.
pub const NODES: [(&str, &str); 5] =
    [("n1", "cloud"), ("n2", "edge"), ("n3", "edge"), ("n4", "ground"), ("n5", "orbit")];
/// Ports of one node.
const PORTS_PER_NODE: u16 = 4;
/// Where free ports are looked for: below those that the system hands out itself.
const PORTS: std::ops::Range<u16> = 12_000..31_000;
/// A node, a command or a mesh that takes longer is broken.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// Time between two questions while something is waited for.
pub const POLL_PAUSE: Duration = Duration::from_millis(50);
/// A node that is told to stop has this long.
const STOP_TIME_MAX: Duration = Duration::from_secs(3);

/// One node process.
pub struct NodeProcess {
    /// What it is called.
    pub name: &'static str,
    /// The label `tier`.
    pub tier: &'static str,
    /// The first of its ports.
    pub port: u16,
    /// Its state directory.
    pub dir: StateDir,
    /// Its admin API.
    pub client: Client,
    /// Its id, once it answered.
    pub id: NodeId,
    log: PathBuf,
    child: Option<Child>,
    frozen: bool,
}

/// All of them.
pub struct Fleet {
    /// In order of their names.
    pub nodes: Vec<NodeProcess>,
    executable: PathBuf,
    // Dropped after the processes were killed.
    root: Option<TempDir>,
}

impl Fleet {
    /// Finds the executable, a directory and ports. Nothing runs yet.
    pub fn prepare() -> Result<Self, DemoError> {
        let executable = std::env::current_exe().map_err(DemoError::io("find its own executable"))?;
        let root = tempfile::Builder::new()
            .prefix("orbweave-demo-")
            .tempdir()
            .map_err(DemoError::io("make a temporary directory"))?;
        let first = free_ports()?;
        let mut nodes = Vec::new();
        for (i, (name, tier)) in (0_u16..).zip(NODES) {
            let dir = StateDir::locate(Some(root.path().join(name)))?;
            dir.socket_checked()?;
            nodes.push(NodeProcess {
                name,
                tier,
                port: first + i * PORTS_PER_NODE,
                client: Client::new(&dir),
                dir,
                id: NodeId([0; 32]),
                log: root.path().join(format!("{name}.log")),
                child: None,
                frozen: false,
            });
        }
        Ok(Self { nodes, executable, root: Some(root) })
    }

    /// The directory that holds all.
    pub fn root(&self) -> &Path {
        self.root.as_ref().map_or(Path::new(""), |root| root.path())
    }

    /// Founds the mesh on the first node, starts it, and lets the others join with a
    /// ticket; returns when every node sees every other.
    pub async fn start(&mut self, show: &Show) -> Result<(), DemoError> {
        let founder = self.nodes.first().map(|n| n.name).unwrap_or_default();
        self.command(0, &["init", "demo", "--name", founder]).await?;
        self.spawn(0, &["up".into()])?;
        self.ready(0, show).await?;
        let ticket = self.ticket().await?;
        show.line("n1 made a ticket for four uses; n2, n3, n4 and n5 join with it");
        for i in 1..self.nodes.len() {
            let Some(name) = self.nodes.get(i).map(|n| n.name) else { continue };
            self.spawn(i, &["join".into(), ticket.clone(), "--name".into(), name.into()])?;
        }
        for i in 1..self.nodes.len() {
            self.ready(i, show).await?;
        }
        self.all_see_all().await
    }

    /// Runs a command of the executable on a node's state directory to its end; gives
    /// what it said.
    pub async fn command(&self, node: usize, args: &[&str]) -> Result<String, DemoError> {
        let mut command = Command::new(&self.executable);
        if let Some(node) = self.nodes.get(node) {
            command.arg("--dir").arg(node.dir.path());
        }
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        let shown = args.join(" ");
        let failed = |said: String| DemoError::Command { command: shown.clone(), said };
        let ended = timeout(2 * START_TIME_MAX, command.output()).await;
        let output = ended
            .map_err(|_| failed(format!("it did not end within {:?}", 2 * START_TIME_MAX)))?
            .map_err(|e| failed(e.to_string()))?;
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        let said = said.trim().to_owned();
        if output.status.success() { Ok(said) } else { Err(failed(said)) }
    }

    /// Kills a node without warning.
    pub async fn kill(&mut self, node: usize) -> Result<(), DemoError> {
        let Some(node) = self.nodes.get_mut(node) else { return Ok(()) };
        if let Some(mut child) = node.child.take() {
            child.start_kill().map_err(DemoError::io(format!("kill {}", node.name)))?;
            // Reaped behind the story's back: the clock runs from the signal.
            tokio::spawn(async move { child.wait().await });
        }
        Ok(())
    }

    /// Stops a node's process where it stands (SIGSTOP).
    pub fn freeze(&mut self, node: usize) -> Result<(), DemoError> {
        self.signal(node, Signal::STOP, true)
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&mut self, node: usize) -> Result<(), DemoError> {
        self.signal(node, Signal::CONT, false)
    }

    fn signal(&mut self, node: usize, signal: Signal, frozen: bool) -> Result<(), DemoError> {
        let Some(node) = self.nodes.get_mut(node) else { return Ok(()) };
        node.frozen = frozen;
        let failed = DemoError::io(format!("signal {}", node.name));
        match node.pid() {
            Some(pid) => kill_process(pid, signal).map_err(|e| failed(e.into())),
            None => Ok(()),
        }
    }

    /// The nodes that were not killed and are not frozen.
    pub fn healthy(&self) -> impl Iterator<Item = (usize, &NodeProcess)> {
        self.nodes.iter().enumerate().filter(|(_, n)| n.child.is_some() && !n.frozen)
    }

    /// The place of a node.
    pub fn index_of(&self, id: NodeId) -> Option<usize> {
        self.nodes.iter().position(|n| n.id == id)
    }

    /// Stops every process and removes the directory.
    pub async fn stop(&mut self) {
        for node in &mut self.nodes {
            if let Some(pid) = node.pid() {
                // A frozen process takes no other signal than these two.
                let _ = kill_process(pid, Signal::TERM);
                let _ = kill_process(pid, Signal::CONT);
            }
        }
        let until = Instant::now() + STOP_TIME_MAX;
        for node in &mut self.nodes {
            if let Some(mut child) = node.child.take()
                && tokio::time::timeout_at(until, child.wait()).await.is_err()
            {
                let _ = child.kill().await;
            }
        }
        self.root = None;
    }

    /// Leaves everything running.
    pub fn keep(&mut self) {
        for node in &mut self.nodes {
            if let Some(child) = node.child.take() {
                // Its handle alone would not kill it; nobody waits for it any more.
                drop(child);
            }
        }
        if let Some(root) = self.root.take() {
            let _ = root.keep();
        }
    }

    async fn ticket(&self) -> Result<String, DemoError> {
        let Some(founder) = self.nodes.first() else { return Ok(String::new()) };
        let uses = u32::try_from(self.nodes.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let request = TicketRequest { uses, ttl_ms: 10 * 60 * 1000 };
        let made: TicketResponse =
            founder.client.post("/v1/tickets", &request).await.map_err(DemoError::api(founder.name))?;
        Ok(made.ticket)
    }

    fn spawn(&mut self, node: usize, args: &[String]) -> Result<(), DemoError> {
        let executable = self.executable.clone();
        let Some(node) = self.nodes.get_mut(node) else { return Ok(()) };
        let what = format!("start {}", node.name);
        let log = File::create(&node.log).map_err(DemoError::io(what.clone()))?;
        let log_too = log.try_clone().map_err(DemoError::io(what.clone()))?;
        let child = Command::new(executable)
            .arg("--dir")
            .arg(node.dir.path())
            .args(args)
            .args(["--listen", "127.0.0.1", "--no-mdns"])
            .arg(format!("--port={}", node.port))
            .arg(format!("--label=tier={}", node.tier))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            // Ctrl-C in the terminal is for the demo, which then stops its nodes.
            .process_group(0)
            .spawn()
            .map_err(DemoError::io(what))?;
        node.child = Some(child);
        Ok(())
    }

    async fn ready(&mut self, node: usize, show: &Show) -> Result<(), DemoError> {
        let Some(node) = self.nodes.get_mut(node) else { return Ok(()) };
        let until = Instant::now() + START_TIME_MAX;
        loop {
            if let Ok(status) = node.client.get::<Status>("/v1/status").await {
                node.id = status.node;
                show.name(node.id, node.name);
                let text = format!(
                    "{} runs: tier={}, process {}, HTTP on {}, id {}",
                    node.name,
                    node.tier,
                    status.pid,
                    status.ports.http,
                    node.id.short()
                );
                show.line(&text);
                return Ok(());
            }
            node.check_alive()?;
            if Instant::now() > until {
                let what = format!("an answer of {}", node.name);
                return Err(DemoError::TooLate { what, within: START_TIME_MAX });
            }
            sleep(POLL_PAUSE).await;
        }
    }

    async fn all_see_all(&mut self) -> Result<(), DemoError> {
        let until = Instant::now() + START_TIME_MAX;
        let wanted = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        for node in &mut self.nodes {
            loop {
                let status = node.client.get::<Status>("/v1/status").await;
                if status.is_ok_and(|s| s.members.alive >= wanted) {
                    break;
                }
                node.check_alive()?;
                if Instant::now() > until {
                    let what = format!("{} seeing {wanted} nodes alive", node.name);
                    return Err(DemoError::TooLate { what, within: START_TIME_MAX });
                }
                sleep(POLL_PAUSE).await;
            }
        }
        Ok(())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().filter_map(|n| n.child.as_mut()) {
            let _ = child.start_kill();
        }
    }
}

impl NodeProcess {
    fn pid(&self) -> Option<Pid> {
        let id = self.child.as_ref()?.id()?;
        Pid::from_raw(i32::try_from(id).ok()?)
    }

    /// An error with the end of its log when the process has ended by itself.
    pub fn check_alive(&mut self) -> Result<(), DemoError> {
        let Some(child) = &mut self.child else { return Ok(()) };
        let Ok(Some(status)) = child.try_wait() else { return Ok(()) };
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.iter().skip(lines.len().saturating_sub(15)).copied().collect::<Vec<_>>().join("\n");
        Err(DemoError::NodeEnded {
            name: self.name.to_owned(),
            status: status.to_string(),
            log: self.log.clone(),
            tail,
        })
    }
}

/// The first port of a free range for all nodes. Two demos at once begin to look at
/// different places.
fn free_ports() -> Result<u16, DemoError> {
    let wanted = PORTS_PER_NODE * NODES.len() as u16;
    let room = (PORTS.end - PORTS.start) / wanted;
    let begin = u16::try_from(std::process::id() % u32::from(room)).unwrap_or_default();
    (0..room)
        .map(|i| PORTS.start + (begin + i) % room * wanted)
        .find(|&first| (first..first + wanted).all(is_free))
        .ok_or(DemoError::Ports(wanted))
}

fn is_free(port: u16) -> bool {
    let at = (Ipv4Addr::LOCALHOST, port);
    TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
}
