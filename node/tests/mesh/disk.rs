//! What lies on a node's disk is checked before it is used.

use crate::support::{Keys, Mesh, component_bytes, damage, secs, turn, until};
use orbweave_model::Hash;
use orbweave_node::api::event::{Event, EventKind};
use std::path::{Path, PathBuf};

fn files_with(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, suffix));
        } else if path.to_string_lossy().ends_with(suffix) {
            found.push(path);
        }
    }
    found
}

fn compiled(events: &[Event]) -> Vec<&str> {
    events.iter().filter(|e| e.kind == EventKind::Compiled).map(|e| e.text.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_runs_again_what_it_held_after_checking_it() {
    let _turn = turn().await;
    let mut mesh = Mesh::start(&[("n1", &[]), ("n2", &["--label=role=worker"])]).await;
    let keys = Keys::of(&mesh.nodes[0]).await;
    mesh.nodes[0].upload(&component_bytes("hello-http")).await.unwrap();
    let requires = "role=worker".parse().unwrap();
    let spec = keys.spec(1, keys.release("hello", "hello-http"));
    let spec = orbweave_core::workload::WorkloadSpec { requires, ..spec };
    mesh.nodes[0].submit(keys.record("hello", &spec)).await.unwrap();
    mesh.nodes[1].answers("hello.mesh", secs(30)).await;

    // From here on the holder is alone: nobody whom it could ask for anything.
    mesh.nodes[0].kill();
    let holder = &mut mesh.nodes[1];
    holder.kill();
    holder.up().await;
    holder.answers("hello.mesh", secs(20)).await;
    assert_eq!(compiled(&holder.events().await), ["the component of hello was found compiled"]);

    // A compilation that was tampered with is not used: it is made again.
    holder.kill();
    let cached = files_with(&holder.dir.cache(), ".cwasm");
    assert_eq!(cached.len(), 1);
    damage(&cached[0]);
    let damaged = std::fs::read(&cached[0]).unwrap();
    holder.up().await;
    holder.answers("hello.mesh", secs(30)).await;
    assert_eq!(compiled(&holder.events().await), ["the component of hello is compiled"]);
    assert_ne!(std::fs::read(&cached[0]).unwrap(), damaged, "the file was replaced");

    // A component that was tampered with does not run, compiled before or not.
    holder.kill();
    let hash = Hash::of(&component_bytes("hello-http")).to_string();
    let blobs: Vec<_> = files_with(&holder.dir.blobs(), ".data");
    let blob = blobs.iter().find(|path| path.to_string_lossy().contains(&hash));
    damage(blob.unwrap_or_else(|| panic!("{hash} is not among {blobs:?}")));
    holder.up().await;
    let failed = until("the refusal of a damaged component", secs(20), async || {
        let refused = [EventKind::Failed, EventKind::FetchFailed, EventKind::ReleaseRefused];
        holder.events().await.into_iter().find(|e| refused.contains(&e.kind))
    })
    .await;
    println!("a damaged component: {}", failed.cause.unwrap_or_default());
    let answer = crate::support::web(holder.ingress(), "hello.mesh", "/", "").await.unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
}
