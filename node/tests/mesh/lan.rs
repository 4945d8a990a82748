//! Two nodes on a local network find each other with no address at all: two network
//! namespaces, joined by a cable of the kernel's.

use crate::support::{Mesh, Node, ORBWEAVE, secs, turn, until};
use orbweave_node::api::types::Status;
use std::process::Command;

/// Two namespaces with a veth pair between them; gone with this value.
struct Lan {
    names: [String; 2],
}

fn ip(args: &str) -> Result<(), String> {
    let output = Command::new("ip").args(args.split_whitespace()).output().map_err(|e| format!("ip: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("ip {args}: {said}")) }
}

impl Lan {
    fn new() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("it takes root to make network namespaces".to_owned());
        }
        let id = std::process::id();
        let lan = Self { names: [format!("ow-a-{id}"), format!("ow-b-{id}")] };
        let [a, b] = &lan.names;
        ip(&format!("netns add {a}"))?;
        ip(&format!("netns add {b}"))?;
        ip(&format!("link add ow0 netns {a} type veth peer name ow0 netns {b}"))?;
        for (name, address) in lan.names.iter().zip(["10.77.0.1/24", "10.77.0.2/24"]) {
            ip(&format!("-n {name} address add {address} dev ow0"))?;
            ip(&format!("-n {name} link set ow0 up"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        Ok(lan)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

fn start(node: &mut Node, namespace: &str, first: &[&str]) {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, ORBWEAVE]).arg("--dir").arg(node.dir.path()).args(first);
    command.arg(format!("--port={}", node.port));
    node.spawn_command(command);
}

async fn sees_two(node: &Node) {
    until(&format!("{} sees two nodes", node.name), secs(30), async || {
        let status: Status = node.client.get("/v1/status").await.ok()?;
        (status.members.alive == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_on_a_local_network_need_no_address() {
    let _turn = turn().await;
    let lan = match Lan::new() {
        Ok(lan) => lan,
        Err(why) => return println!("SKIPPED, nothing was tested: {why}"),
    };
    let mut mesh = Mesh::prepare(&[("n1", &[]), ("n2", &[])]);
    mesh.nodes[0].run(&["init", "lan", "--name", "n1"]).await.ok();
    start(&mut mesh.nodes[0], &lan.names[0], &["up"]);
    mesh.nodes[0].ready().await;
    // The certificate comes with a ticket, which names an address.
    let ticket = mesh.ticket(1, secs(600)).await;
    start(&mut mesh.nodes[1], &lan.names[1], &["join", &ticket, "--name", "n2"]);
    mesh.nodes[1].ready().await;
    sees_two(&mesh.nodes[1]).await;

    // Now neither has an address of the other, on the command line or on the disk.
    for node in &mut mesh.nodes {
        node.kill();
        for file in [node.dir.peers(), node.dir.database()] {
            if file.exists() {
                std::fs::remove_file(file).unwrap();
            }
        }
    }
    for (node, namespace) in mesh.nodes.iter_mut().zip(&lan.names) {
        start(node, namespace, &["up"]);
    }
    for node in &mut mesh.nodes {
        node.ready().await;
        sees_two(node).await;
    }
}
