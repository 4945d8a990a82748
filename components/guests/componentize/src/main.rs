//! `componentize MODULE.wasm COMPONENT.wasm`: the step `wasm-tools component new` does, from the
//! library that it is built on, so that the lock file pins it.
//!
//! `componentize --hashes FILE…`: BLAKE3 and size of each, the form a release names them in.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;

const USAGE: &str = "usage: componentize MODULE.wasm COMPONENT.wasm | componentize --hashes FILE…";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [flag, files @ ..] if flag == "--hashes" => files.iter().try_for_each(|file| hashes(file)),
        [module, component] => componentize(module.as_ref(), component.as_ref()),
        _ => Err(USAGE.into()),
    }
}

fn componentize(module: &Path, component: &Path) -> Result<(), Box<dyn Error>> {
    let bytes = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&std::fs::read(module)?)?
        .encode()?;
    std::fs::write(component, bytes)?;
    Ok(())
}

fn hashes(file: &OsString) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    println!("{}  {}  {}", blake3::hash(&bytes), bytes.len(), file.to_string_lossy());
    Ok(())
}
