//! The first commands of the README, from the files of a release to a token, on a real API server.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::control_plane::{ControlPlane, Options};
use testkit::net::free_port;
use testkit::operator::Launch;
use testkit::process::Process;
use testkit::provider::{Behaviour, Provider, Script};
use testkit::tools::Tool;
use testkit::wait;

use super::dist::{Dist, path};

const OPERATOR: &str = env!("CARGO_BIN_EXE_oauthclient-operator");
const TOKEN_PATH: &str = "/oauth/token";
const SOON: Duration = Duration::from_secs(100);

/// The first block of the section "On a cluster", a command in each line.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(path("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## On a cluster\n").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.lines().map(str::to_owned).collect()
}

/// The differences from a reader's machine: the provider is a scripted one, `create` reads the secret from standard input because there
/// is no terminal, and without a kubelet the program is started where the image would run.
#[tokio::test(flavor = "multi_thread")]
async fn three_commands_of_the_readme_lead_to_a_token() {
    testkit::install_crypto();
    let behaviour = Behaviour::living(3600.0).with_client("your-client-id", "your-client-secret");
    let provider = Provider::plain(Script::default().with(TOKEN_PATH, behaviour)).unwrap();
    let plane = ControlPlane::start(Options::with_usual_controllers())
        .await
        .unwrap();

    // Somebody downloads a release.
    let downloads = free_port().unwrap();
    let url = format!("http://127.0.0.1:{downloads}");
    let dist = Dist::pack(&["--release-url", &url]);
    let mut server = Command::new("python3");
    server
        .args(["-m", "http.server", "--bind", "127.0.0.1"])
        .arg(downloads.to_string())
        .arg("--directory")
        .arg(dist.folder());
    let _server = Process::start("downloads", server).unwrap();
    wait::until_true("the downloads are served", SOON, || {
        std::net::TcpStream::connect(("127.0.0.1", downloads)).is_ok()
    })
    .await
    .unwrap();

    // Their machine has kubectl, Helm and krew.
    let home = tempfile::tempdir().unwrap();
    let programs = home.path().join("programs");
    fs::create_dir(&programs).unwrap();
    let kubectl = plane.assets().program("kubectl").unwrap();
    symlink(kubectl, programs.join("kubectl")).unwrap();
    symlink(Tool::Helm4.program().unwrap(), programs.join("helm")).unwrap();
    symlink(Tool::Krew.program().unwrap(), programs.join("kubectl-krew")).unwrap();
    let search = [
        home.path().join(".krew/bin").display().to_string(),
        programs.display().to_string(),
        "/usr/bin:/bin".to_owned(),
    ]
    .join(":");
    let shell = |commands: &str| {
        let mut shell = Command::new("bash");
        shell
            .args(["-euo", "pipefail", "-c", commands])
            .current_dir(dist.folder())
            .env_clear()
            .env("PATH", &search)
            .env("HOME", home.path())
            .env("KREW_NO_UPGRADE_CHECK", "1")
            .env("KUBECONFIG", plane.admin_kubeconfig())
            .stdin(Stdio::null());
        super::dist::run(&mut shell)
    };

    let [install, krew, create] = &commands()[..] else {
        panic!("the README has three commands: {:?}", commands());
    };
    shell(install);
    let identity = plane
        .service_account("oauthclient-system", "oauthclient-operator")
        .await
        .unwrap();
    let operator = Launch::run_as(OPERATOR, identity)
        .args(["--allow-loopback", "--allow-http"])
        .start()
        .unwrap();
    operator.wait_until_ready(SOON).await.unwrap();
    shell(krew);
    let here = create.replace(
        "https://auth.example.com/oauth/token",
        &format!("{} --allow-http --allow-loopback", provider.url(TOKEN_PATH)),
    );
    assert_ne!(&here, create);
    let said = shell(&format!(
        "{here} --client-id your-client-id --secret-from-stdin <<<your-client-secret"
    ));
    assert!(said.contains("TokenValid"), "{said}");
    let token =
        shell("kubectl get secret my-api-token -o jsonpath='{.data.access_token}' | base64 -d");
    assert!(provider.introspect(&token).is_some(), "{token}");
    assert_eq!(provider.count(TOKEN_PATH), 1);
    assert!(operator.terminate(SOON).await.unwrap().success());
}
