//! The operator in a pod of `deploy/` on a real node, and a workload that mounts the token: the kubelet, containerd and runc, started by
//! the test in namespaces of their own.
//!
//! The test has a `main` of its own: it starts itself again inside of the namespaces, it is the program of the workload's container,
//! and where the machine cannot run a node it is counted as ignored, with the reason. `cargo test --test node -- shell COMMAND` runs a
//! command on a cluster with a node in which nothing is installed, with `KUBECONFIG` set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod cluster;
mod protected;
mod story;
mod workload;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use testkit::clock::Stopwatch;
use testkit::node;
use testkit::process::Process;

const NAME: &str = "a_mounted_token_works_through_ten_refreshes_and_a_rolling_update";
/// Longer than ten refreshes on a machine that is busy with other tests.
const WITHIN: Duration = Duration::from_secs(900);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["inside"] => inside(),
        ["shell", command @ ..] => shell(command),
        ["inside-shell", command @ ..] => inside_shell(command),
        ["pause"] => workload::pause(),
        ["call", address, file] => workload::call(address, Path::new(file)),
        _ => as_a_test(&words),
    }
}

/// In the way of Rust's own test programs, as far as people and scripts use it: names narrow down, `--list` lists.
fn as_a_test(words: &[&str]) -> ExitCode {
    if words.contains(&"--list") {
        println!("{NAME}: test");
        return ExitCode::SUCCESS;
    }
    let mut names = words.iter().filter(|word| !word.starts_with('-'));
    if words.iter().any(|word| !word.starts_with('-')) && !names.any(|name| NAME.contains(name)) {
        println!("\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored\n");
        return ExitCode::SUCCESS;
    }
    println!("\nrunning 1 test");
    if let Some(reason) = node::missing() {
        println!("test {NAME} ... ignored, no node can run here: {reason}");
        println!("\ntest result: ok. 0 passed; 0 failed; 1 ignored\n");
        return ExitCode::SUCCESS;
    }
    let begun = Stopwatch::start();
    let worked = outside(&["inside"]);
    let (word, passed) = if worked { ("ok", 1) } else { ("FAILED", 0) };
    let seconds = begun.elapsed().as_secs();
    println!("test {NAME} ... {word}");
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; finished in {seconds} s\n",
        1 - passed
    );
    if worked {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Starts this program again in namespaces of its own, and puts the machine back afterwards.
fn outside(args: &[&str]) -> bool {
    let _machine = node::Machine::remember();
    let folder = tempfile::Builder::new().prefix("node-").tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let mut command = node::isolated(&program);
    command.args(args).env("TMPDIR", folder.path());
    let process = Process::start("the node", command).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match runtime.block_on(process.wait(WITHIN)) {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("{error}");
            false
        }
    }
}

fn inside() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(story::run());
    ExitCode::SUCCESS
}

fn shell(command: &[&str]) -> ExitCode {
    if let Some(reason) = node::missing() {
        eprintln!("no node can run here: {reason}");
        return ExitCode::FAILURE;
    }
    if outside(&[&["inside-shell"], command].concat()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn inside_shell(command: &[&str]) -> ExitCode {
    testkit::install_crypto();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = runtime.block_on(cluster::Cluster::start());
    let kubectl = cluster.plane.assets().dir().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let (program, args) = command.split_first().expect("a command");
    let status = std::process::Command::new(program)
        .args(args)
        .env("KUBECONFIG", cluster.plane.admin_kubeconfig())
        .env("PATH", format!("{kubectl}:{path}"))
        .status()
        .unwrap();
    if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
