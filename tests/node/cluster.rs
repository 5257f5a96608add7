//! The control plane and its node, with the operator as `deploy/` installs it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use testkit::control_plane::{ControlPlane, Options, USUAL_CONTROLLERS};
use testkit::deploy::install_deploy;
use testkit::node::{self, Node};
use testkit::tcp_proxy::TcpProxy;
use testkit::wait;

pub(crate) const SOON: Duration = Duration::from_secs(200);
pub(crate) const SYSTEM: &str = "oauthclient-system";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How often the kubelet looks at a pod without a reason. The default is a minute, and a mounted Secret then follows within 90 s.
const SYNC_SECONDS: u32 = 2;

/// All that runs.
pub(crate) struct Cluster {
    pub(crate) plane: ControlPlane,
    pub(crate) node: Node,
    _service: TcpProxy,
}

impl Cluster {
    /// A control plane that pods reach at the address of its Service, and a node with the images of the operator and the workload.
    pub(crate) async fn start() -> Cluster {
        node::make_network().unwrap();
        let more = [
            "deployment-controller",
            "replicaset-controller",
            "root-ca-certificate-publisher-controller",
        ];
        let controllers = USUAL_CONTROLLERS.iter().chain(&more);
        let options = Options {
            controllers: controllers.map(|name| (*name).to_owned()).collect(),
            api_server_args: vec![format!("--advertise-address={}", node::ADDRESS)],
            pods: true,
            ..Options::default()
        };
        let plane = ControlPlane::start(options).await.unwrap();
        let api = plane.server_url().replace("https://", "").parse().unwrap();
        let service = TcpProxy::start_at((node::API_SERVICE, 443).into(), api).unwrap();

        let images = tempfile::tempdir().unwrap();
        let this = std::env::current_exe().unwrap();
        let workload = images.path().join("workload.tar");
        node::write_image(&workload, "1", &this, "pause").unwrap();
        let node = Node::start(&plane, &workload, SYNC_SECONDS).await.unwrap();
        let operator = operator_image(images.path());
        node.import(&operator, "docker.io/library/oauthclient-operator")
            .unwrap();
        Cluster {
            plane,
            node,
            _service: service,
        }
    }

    /// `kubectl apply -k deploy/`, with two replicas that name their node, as there is no scheduler.
    pub(crate) async fn install(&self) {
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
        install_deploy(&self.plane, &deploy, SYSTEM).await.unwrap();
        let patch = format!(
            r#"{{"spec": {{"replicas": 2, "template": {{"spec": {{"nodeName": "{}"}}}}}}}}"#,
            node::NAME
        );
        let args = ["patch", "deployment", "oauthclient-operator", "-n", SYSTEM];
        let args: Vec<&str> = args.into_iter().chain(["--patch", &patch]).collect();
        self.kubectl(&args).await;
    }

    pub(crate) async fn kubectl(&self, args: &[&str]) -> String {
        self.plane.run_kubectl(args, "").await.unwrap()
    }

    pub(crate) async fn apply(&self, yaml: &str) {
        self.plane.apply(yaml).await.unwrap();
    }

    /// Waits until the Deployment has all its pods, of its newest template alone; their names.
    pub(crate) async fn rolled_out(&self) -> Vec<String> {
        let rollout = ["rollout", "status", "deployment/oauthclient-operator"];
        let args: Vec<&str> = rollout
            .into_iter()
            .chain(["-n", SYSTEM, "--timeout=1s"])
            .collect();
        self.until("the rollout of the operator", || async {
            self.plane.run_kubectl(&args, "").await?;
            let pods = self.pods().await;
            if pods.len() == 2 {
                return Ok(pods);
            }
            Err(testkit::Error::new(format!("there are {pods:?}")))
        })
        .await
    }

    /// The names of the operator's pods.
    pub(crate) async fn pods(&self) -> Vec<String> {
        let names = "jsonpath={.items[*].metadata.name}";
        let text = self
            .kubectl(&["get", "pods", "-n", SYSTEM, "-o", names])
            .await;
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// The pod that holds the Lease.
    pub(crate) async fn leader(&self) -> Option<String> {
        let lease = ["get", "lease", "oauthclient-operator", "-n", SYSTEM];
        let args: Vec<&str> = lease.into_iter().chain(["-o", "json"]).collect();
        let lease = self.plane.run_kubectl(&args, "").await.ok()?;
        let lease: Value = serde_json::from_str(&lease).unwrap();
        let holder = lease.pointer("/spec/holderIdentity")?.as_str()?.to_owned();
        let pods = self.pods().await;
        pods.into_iter()
            .find(|pod| holder.starts_with(pod.as_str()))
    }

    /// How often containers of the operator were started again.
    pub(crate) async fn restarts(&self) -> u64 {
        let counts = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
        let text = self
            .kubectl(&["get", "pods", "-n", SYSTEM, "-o", counts])
            .await;
        text.split_whitespace()
            .map(|count| count.parse::<u64>().unwrap())
            .sum()
    }

    /// Waits until `probe` says `Ok`; shows the state of all pods where it never does.
    pub(crate) async fn until<T, Fut>(&self, what: &str, probe: impl FnMut() -> Fut) -> T
    where
        Fut: Future<Output = testkit::Result<T>>,
    {
        match wait::until(what, SOON, probe).await {
            Ok(found) => found,
            Err(error) => {
                let pods = self.kubectl(&["describe", "pods", "-A"]).await;
                let log = self.node.kubelet_log();
                panic!("{error}\n{pods}\n{}\nkubelet:\n{log}", self.node.logs());
            }
        }
    }
}

/// The operator's image: the file that `NODE_IMAGE` names, as `make release` writes it, else one with the program of this build.
fn operator_image(folder: &Path) -> PathBuf {
    if let Some(image) = std::env::var_os("NODE_IMAGE") {
        return PathBuf::from(image);
    }
    let image = folder.join("operator.tar");
    let program = Path::new(env!("CARGO_BIN_EXE_oauthclient-operator"));
    node::write_image(&image, VERSION, program, "run").unwrap();
    image
}
