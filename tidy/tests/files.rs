//! What every file and every crate's folder keeps to.

use orbweave_tidy::metadata::Metadata;
use orbweave_tidy::tree::File;
use orbweave_tidy::{assert_clean, calls, files, manifest, tree};
use std::fs;

fn file(path: &str, bytes: &[u8]) -> File {
    File { path: path.to_owned(), bytes: bytes.to_vec() }
}

#[test]
fn no_rust_file_outgrows_its_idea() {
    let sources = tree::rust_files();
    assert_clean(&sources.iter().flat_map(|(path, text)| files::length(path, text)).collect::<Vec<_>>());
}

#[test]
fn a_file_that_outgrew_its_idea_is_found() {
    assert_clean(&files::length("a.rs", &"\n".repeat(files::LINES_MAX)));
    assert_eq!(files::length("a.rs", &"\n".repeat(files::LINES_MAX + 1)).len(), 1);
}

#[test]
fn every_listed_long_file_is_there_and_still_long() {
    for (path, reason) in files::LONG {
        assert!(tree::read(path).lines().count() > files::LINES_MAX, "{path} need not be listed ({reason})");
    }
}

#[test]
fn no_file_mentions_a_path_of_one_machine() {
    let all = tree::files();
    assert_clean(&all.iter().flat_map(files::local_paths).collect::<Vec<_>>());
}

#[test]
fn a_path_of_one_machine_is_found_in_texts_and_in_binaries() {
    let local = ["/ho", "me/someone/x"].concat();
    assert_eq!(
        files::local_paths(&file("a.md", format!("one\nsee {local}\n").as_bytes()))[0].place,
        "a.md:2"
    );
    assert_clean(&files::local_paths(&file("a.md", format!("https://host{local}").as_bytes())));
    let mut binary = vec![0xff, 0xfe, b'q'];
    binary.extend(local.bytes());
    assert_eq!(files::local_paths(&file("a.wasm", &binary)).len(), 1);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let metadata = Metadata::of_repository();
    // Version 0.0.0 marks a scratch crate, which is not part of a release.
    let manifests = metadata.members.values().filter(|m| m.version != "0.0.0").map(|m| &m.manifest);
    let findings: Vec<_> = manifests
        .flat_map(|path| {
            manifest::own_lints(path, &fs::read_to_string(path).expect("cargo read it before us"))
        })
        .collect();
    assert_clean(&findings);
}

#[test]
fn a_crate_with_lints_of_its_own_is_found() {
    assert_clean(&manifest::own_lints("a", "[package]\nname = \"a\"\n[lints]\nworkspace = true\n"));
    assert_eq!(manifest::own_lints("a", "[package]\nname = \"a\"\nversion.workspace = true\n").len(), 1);
    assert_eq!(manifest::own_lints("a", "[dependencies.b]\nworkspace = true\n[lints]\n").len(), 1);
}

#[test]
fn sans_io_crates_share_one_clippy_toml() {
    let common = tree::read("clippy-sans-io.toml");
    let findings: Vec<_> = calls::SANS_IO
        .iter()
        .map(|folder| format!("{folder}/clippy.toml"))
        .flat_map(|path| {
            let own = fs::read_to_string(tree::root().join(&path)).ok();
            manifest::own_clippy(&path, own.as_deref(), &common)
        })
        .collect();
    assert_clean(&findings);
}

#[test]
fn a_clippy_toml_that_drifted_or_is_missing_is_found() {
    assert_clean(&manifest::own_clippy("a", Some("x = 1"), "x = 1"));
    assert_eq!(manifest::own_clippy("a", Some("x = 2"), "x = 1").len(), 1);
    assert_eq!(manifest::own_clippy("a", None, "x = 1").len(), 1);
}
