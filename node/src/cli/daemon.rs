//! `up -d`: the same program again, in a session of its own, and a wait for its word.
//!
//! The child says one line on its standard output when it is up: its status. If the
//! pipe closes without that line, the child has ended, and what it wrote tells why.

use super::args::NodeArgs;
use super::failure::Failure;
use super::output;
use super::up::{require_membership, told};
use crate::api::types::Status;
use crate::state_dir::StateDir;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What is shown of a log when the node did not come up.
const LOG_TAIL_BYTES: u64 = 4 * 1024;

/// Starts the node in the background and returns once it answers.
pub async fn run(dir: &StateDir, args: &NodeArgs) -> Result<(), Failure> {
    require_membership(dir)?;
    dir.create()?;
    // Says who runs there already, if anybody; the child takes the lock for good.
    drop(dir.lock()?);
    let path = dir.log();
    let failed = |e| Failure::new(format!("cannot write {}: {e}", path.display()));
    let mut log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
    let before = log.seek(SeekFrom::End(0)).map_err(failed)?;
    let mut child = start(dir, args, log)?;
    match first_line(&mut child).await {
        Some(status) => output::say(&format!(
            "{}  process       {}\n  log           {}\n",
            told(&status),
            status.pid,
            dir.log().display()
        )),
        None => {
            let code = child.wait().await.map_or_else(|e| e.to_string(), |status| status.to_string());
            let said = tail(dir, before);
            let said = if said.is_empty() { String::new() } else { format!(":\n{said}") };
            Err(Failure::new(format!("the node did not come up ({code}){said}"))
                .fix(format!("all that it wrote is in {}", dir.log().display())))
        }
    }
}

fn start(dir: &StateDir, args: &NodeArgs, log: File) -> Result<Child, Failure> {
    let program =
        std::env::current_exe().map_err(|e| Failure::new(format!("cannot find this program: {e}")))?;
    Command::new(&program)
        .arg("--dir")
        .arg(dir.path())
        .args(["up", "--detached"])
        .args(args.to_args())
        // What it keeps open must not hold a file system that the user wants to leave.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(false)
        .spawn()
        .map_err(|e| Failure::new(format!("cannot start {}: {e}", program.display())))
}

async fn first_line(child: &mut Child) -> Option<Status> {
    let mut line = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut line).await.ok()?;
    serde_json::from_str(&line).ok()
}

/// What the child wrote since then, at most its last part.
fn tail(dir: &StateDir, since: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(dir.log())?;
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(since.max(end.saturating_sub(LOG_TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).trim_end().to_owned()
}

/// In the child: says that it is up, and leaves the pipe.
pub fn tell_parent(status: &Status) {
    let mut line = serde_json::to_vec(status).unwrap_or_default();
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    // A parent that was interrupted does not matter to the node.
    let _ = out.write_all(&line).and_then(|()| out.flush());
    drop(out);
    if let Ok(null) = OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}
