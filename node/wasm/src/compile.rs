//! The parent's side of the compile child.

use crate::child::{COMPILE_ARGUMENT, order};
use crate::config::RuntimeConfig;
use crate::error::{LoadError, shortened};
use crate::limit;
use orbweave_model::Hash;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGXCPU: i32 = 24;

/// Machine code for a component, made by a child within the limits.
pub(crate) async fn compile(
    config: &RuntimeConfig,
    component: Hash,
    wasm: &[u8],
) -> Result<Vec<u8>, LoadError> {
    let failed = |why: String| LoadError::Compiler { component, why };
    let mut child = Command::new(&config.compiler)
        .arg(COMPILE_ARGUMENT)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed(format!("{} cannot be started: {e}", config.compiler.display())))?;
    let talked = tokio::time::timeout(config.compile_time, talk(&mut child, config, wasm)).await;
    let Ok(talked) = talked else {
        let _ = child.kill().await;
        return Err(LoadError::TooSlow { component, limit: config.compile_time });
    };
    let Talk { code, complaint, status } = talked.map_err(|e| failed(e.to_string()))?;
    if code.len() as u64 > limit::ARTEFACT_BYTES_MAX {
        return Err(LoadError::TooLarge { component });
    }
    if status.success() {
        return Ok(code);
    }
    Err(blame(config, component, status, &complaint))
}

struct Talk {
    code: Vec<u8>,
    complaint: String,
    status: ExitStatus,
}

async fn talk(child: &mut Child, config: &RuntimeConfig, wasm: &[u8]) -> std::io::Result<Talk> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    // All threads together: the parent's clock strikes first, this one holds if the parent cannot.
    let cpu_seconds = config.compile_time.as_secs().saturating_add(1).saturating_mul(cores);
    let order = order(config.compile_memory_bytes, cpu_seconds);
    let write = async move {
        if let Some(mut stdin) = stdin {
            // A child that died early says why on standard error; a broken pipe says nothing more.
            let _ = async {
                stdin.write_all(&order).await?;
                stdin.write_all(wasm).await?;
                stdin.shutdown().await
            }
            .await;
        }
    };
    let ((), code, complaint) = tokio::join!(
        write,
        read(stdout, limit::ARTEFACT_BYTES_MAX),
        read(stderr, limit::COMPILE_ERROR_BYTES_MAX)
    );
    let (code, complaint) = (code?, complaint?);
    if code.len() as u64 > limit::ARTEFACT_BYTES_MAX {
        child.kill().await?;
    }
    let status = child.wait().await?;
    Ok(Talk { code, complaint: String::from_utf8_lossy(&complaint).trim().to_owned(), status })
}

/// Reads to the end or one byte past the bound.
async fn read(pipe: Option<impl AsyncRead + Unpin>, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(bytes_max + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn blame(config: &RuntimeConfig, component: Hash, status: ExitStatus, complaint: &str) -> LoadError {
    let why = shortened(complaint, limit::TRAP_TEXT_BYTES_MAX);
    let starved = ["memory allocation of", "out of memory", "os error 12", "Cannot allocate memory"]
        .iter()
        .any(|sign| complaint.contains(sign));
    match status.signal() {
        Some(SIGABRT) if complaint.contains("overflowed its stack") => {
            LoadError::Invalid { component, why: "it nests too deeply for the compiler's stack".into() }
        }
        Some(SIGXCPU) => LoadError::TooSlow { component, limit: config.compile_time },
        // An allocation that fails aborts; SIGKILL that was not ours is the kernel's, out of memory.
        Some(SIGABRT | SIGKILL | SIGSEGV) => {
            LoadError::TooMuchMemory { component, limit_bytes: config.compile_memory_bytes }
        }
        None if starved => LoadError::TooMuchMemory { component, limit_bytes: config.compile_memory_bytes },
        None if status.code() == Some(1) => LoadError::Invalid { component, why },
        _ => LoadError::Compiler { component, why: format!("{status}; {why}") },
    }
}
