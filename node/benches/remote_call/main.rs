//! A remote call of 64 bytes against its limit: a quinn server whose handler makes
//! that call of raw wasmtime, in one run.
//!
//! `cargo bench -p orbweave --bench remote_call` (by hand; figures in docs/PERFORMANCE.md).
//!
//! Ours are two linked nodes' networks and the node's own way through them: a route, a
//! choice of the replica, a stream, the frame, the service. Both pairs are in this
//! process, on loopback; all clients share one runtime of one worker and all servers
//! another. A fourth figure, bare quinn without any call, says what the link costs.

mod limit;
mod ours;

use orbweave_node::ingress::invoke::Values;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

const ROUNDS: usize = 20;
const CALLS_PER_ROUND: usize = 500;
/// 64 bytes; the component answers with a few more.
const TEXT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn one_worker(name: &str) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).thread_name(name).enable_all().build().expect("a runtime")
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

async fn timed(times: &mut Vec<Duration>, call: impl Future<Output = ()>) {
    let begun = Instant::now();
    call.await;
    times.push(begun.elapsed());
}

fn main() {
    orbweave_net::install_crypto_provider();
    let (clients, servers) = (one_worker("clients"), one_worker("servers"));
    let service = servers.block_on(ours::service());
    let caller = ours::linked(&clients, &servers, service);
    let call = limit::connected(&clients, &servers, limit::handler());
    let echo = limit::connected(&clients, &servers, |text: String| text);

    let (encoded, wave) = (ours::encoded(TEXT), Values::Wave(format!("\"{TEXT}\"")));
    let answer = clients.block_on(call.ask(TEXT));
    assert_eq!(clients.block_on(caller.ask(&encoded)), ours::encoded(&answer));
    let measured = async move {
        let mut times: [Vec<Duration>; 4] = Default::default();
        for round in 0..=ROUNDS {
            // The first round warms up.
            if round == 1 {
                times.iter_mut().for_each(Vec::clear);
            }
            let [of_encoded, of_wave, of_limit, of_echo] = &mut times;
            for _ in 0..CALLS_PER_ROUND {
                timed(of_limit, async { drop(call.ask(TEXT).await) }).await;
                timed(of_encoded, async { drop(caller.ask(&encoded).await) }).await;
                timed(of_echo, async { drop(echo.ask(TEXT).await) }).await;
                timed(of_wave, async { drop(caller.ask(&wave).await) }).await;
            }
        }
        times.map(median)
    };
    // As a task: a future driven by `block_on` would wake another thread at each answer.
    let [encoded, wave, limit, echo] =
        clients.block_on(clients.spawn(measured)).expect("the measurement ends");
    println!("quinn alone, an echo         {echo:7.1} µs");
    println!("quinn and raw wasmtime       {limit:7.1} µs   1.00x");
    println!("ours, encoded                {encoded:7.1} µs   {:.2}x", encoded / limit);
    println!("ours, WAVE                   {wave:7.1} µs   {:.2}x", wave / limit);
    clients.shutdown_background();
    servers.shutdown_background();
}
