//! `join`: shows a ticket to the node that issued it, keeps what comes back, runs the node.

use super::args::{JoinArgs, UpArgs};
use super::failure::Failure;
use super::{daemon, init, output, up};
use crate::api::handshake::{JoinRequest, JoinResponse, mesh_of_hello};
use crate::manifest::contacts;
use crate::state_dir::{KeyFile, StateDir};
use orbweave_model::{MeshId, NodeId, Wall};
use orbweave_trust::{Authority, Certificate, Genesis, SecretKey, Strict, Ticket};

/// Joins the ticket's mesh, unless the directory is a member of it already, and runs.
pub async fn run(dir: StateDir, args: JoinArgs) -> Result<(), Failure> {
    let JoinArgs { ticket, name, up } = args;
    dir.create()?;
    let lock = dir.lock()?;
    if dir.genesis().exists() {
        same_mesh(&dir, ticket.mesh)?;
    }
    if dir.is_member() {
        output::note("this node is a member of that mesh already; the ticket was not used");
    } else {
        first_known(&up)?;
        let node = dir.key_or_new(KeyFile::Node)?;
        let name = name.unwrap_or_else(|| init::node_name(node.node_id()));
        let answer = ask(&node, &ticket, name.as_str()).await?;
        keep(&dir, &ticket, node.node_id(), &answer)?;
    }
    // The process that runs the node takes it for itself.
    drop(lock);
    if up.detach { daemon::run(&dir, &up.node).await } else { up::foreground(dir, up).await }
}

/// A node on scheduled links waits to be called, by members that know its record: first it
/// has to be known.
fn first_known(up: &UpArgs) -> Result<(), Failure> {
    let plan = up.node.contacts.as_deref().map(contacts::read).transpose().map_err(Failure::new)?;
    if plan.is_some_and(|plan| plan.is_scheduled()) {
        return Err(Failure::new("a node with an orbit or passes is called by those that know it, and nobody does yet")
            .fix("join without --contacts; when the others list the node, start it again with `orbweave up --contacts FILE`"));
    }
    Ok(())
}

fn same_mesh(dir: &StateDir, mesh: MeshId) -> Result<(), Failure> {
    let (own, genesis) = Genesis::verify(&dir.read(&dir.genesis())?, None, &Strict)
        .map_err(|e| Failure::new(format!("{}: {e}", dir.genesis().display())))?;
    if own == mesh {
        return Ok(());
    }
    let Genesis { name, .. } = genesis;
    Err(Failure::new(format!(
        "{} belongs to the mesh {name} ({}), and the ticket is for another one ({})",
        dir.path().display(),
        own.short(),
        mesh.short()
    ))
    .fix("give another --dir for another node"))
}

async fn ask(node: &SecretKey, ticket: &Ticket, name: &str) -> Result<Vec<u8>, Failure> {
    if ticket.expires <= Wall(output::now_ms()) {
        let over = output::moment(ticket.expires.0);
        return Err(Failure::new(format!("the ticket was good until {over} UTC"))
            .fix("make another one with `orbweave ticket create` on a member"));
    }
    let mesh = ticket.mesh;
    // The link has proved that it is the node which the ticket names; here it says of which mesh.
    let check = move |hello: &[u8]| match mesh_of_hello(hello) {
        Ok(found) if found == mesh => Ok(()),
        Ok(found) => {
            Err(format!("it belongs to the mesh {}, not to the ticket's ({})", found.short(), mesh.short()))
        }
        Err(error) => Err(error.to_string()),
    };
    let request = JoinRequest::with_token(ticket.token, name).encode();
    let tried: Vec<_> = ticket.addresses.iter().map(ToString::to_string).collect();
    orbweave_net::join(node, ticket.issuer, &ticket.addresses, check, request).await.map_err(|e| {
        Failure::new(format!("cannot join through node {} at {}: {e}", ticket.issuer.short(), tried.join(", ")))
            .fix("see that the node which made the ticket runs and can be reached, and that the ticket is not used up")
    })
}

/// Verifies the answer as if a stranger had sent it, and keeps it.
fn keep(dir: &StateDir, ticket: &Ticket, node: NodeId, answer: &[u8]) -> Result<(), Failure> {
    let wrong = |e: String| {
        Failure::new(format!("node {} answered with what is not right: {e}", ticket.issuer.short()))
    };
    let JoinResponse { genesis, certificate, documents } =
        JoinResponse::decode(answer).map_err(|e| wrong(e.to_string()))?;
    let (mesh, document) =
        Genesis::verify(&genesis, Some(ticket.mesh), &Strict).map_err(|e| wrong(e.to_string()))?;
    let mut authority = Authority::new(mesh, document);
    for document in &documents {
        authority.apply(document, &Strict).map_err(|e| wrong(e.to_string()))?;
    }
    let certified = Certificate::verify(&certificate, &authority, Wall(output::now_ms()), &Strict);
    let certified = certified.map_err(|e| wrong(e.to_string()))?;
    if certified.node != node {
        return Err(wrong("the certificate is for another node".to_owned()));
    }
    let peers: String =
        ticket.addresses.iter().map(|address| format!("{}@{address}\n", ticket.issuer)).collect();
    dir.write(&dir.peers(), peers.as_bytes())?;
    dir.write(&dir.certificate(), &certificate)?;
    dir.write_new(&dir.genesis(), &genesis)?;
    output::note(&format!("joined as {}", certified.name));
    Ok(())
}
