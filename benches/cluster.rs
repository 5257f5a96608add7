//! The operator on a real control plane, measured beside a bare loop of the same calls. Prints ratios from one run.
//!
//! `cargo bench --bench cluster -- [burst] [steady] [memory] [restart] [trickle] [hung]`; all of them without a name. `PROGRAM`
//! and `DEPLOY` are the paths of another version's program and manifests, to measure that one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "a benchmark reads clocks, prints, and may fail loudly"
)]

#[path = "cluster/bare.rs"]
mod bare;
#[path = "cluster/burst.rs"]
mod burst;
#[path = "cluster/fleet.rs"]
mod fleet;
#[path = "cluster/memory.rs"]
mod memory;
#[path = "cluster/stage.rs"]
mod stage;
#[path = "cluster/steady.rs"]
mod steady;

/// What this run measures beside something else, for the comparison with the recorded run.
pub static RATIOS: testkit::ratios::Ratios = testkit::ratios::Ratios::new();

#[tokio::main]
async fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    if wanted("burst") {
        burst::burst(1000).await;
        burst::burst(5000).await;
    }
    if wanted("trickle") {
        burst::trickle(100).await;
    }
    if wanted("steady") {
        steady::steady("always", 2.0).await;
        steady::steady("transitions", 1.0).await;
    }
    if wanted("restart") {
        steady::restart(1000).await;
    }
    if wanted("hung") {
        steady::hung().await;
    }
    if wanted("memory") {
        memory::memory(10_000).await;
    }
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/recorded.txt");
    println!("\n## compared with benches/recorded.txt");
    let worse = RATIOS.compare(&file).unwrap();
    if worse.is_empty() {
        println!("nothing got worse by more than 10 %");
    }
    for line in worse {
        println!("{line}");
    }
}
