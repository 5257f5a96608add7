//! What a control plane is started with.

/// The controllers that make deletion work: of owned objects, of namespaces, and the ServiceAccount `default` of each namespace.
pub const USUAL_CONTROLLERS: [&str; 3] = [
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
];

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The controllers that run, by the names of `kube-controller-manager --controllers`. None, and it is not started.
    /// The default is none.
    pub controllers: Vec<String>,
    /// Whether the API server writes down every request, for [`ControlPlane::audit`](super::ControlPlane::audit). The default is yes.
    pub audit: bool,
    /// More users, beside the administrator, for [`ControlPlane::client_as`](super::ControlPlane::client_as).
    pub users: Vec<User>,
    /// How large etcd's data may grow, in bytes; the default is etcd's own, 2 GiB.
    pub etcd_quota_bytes: Option<u64>,
    /// Further arguments of `kube-apiserver`, as `--request-timeout=5s`.
    pub api_server_args: Vec<String>,
    /// Whether pods get tokens of their ServiceAccounts: the admission plugin `ServiceAccount` is on, and the API server's certificates
    /// are published for them. The default is no: without a node no pod runs.
    pub pods: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            controllers: Vec::new(),
            audit: true,
            users: Vec::new(),
            etcd_quota_bytes: None,
            api_server_args: Vec::new(),
            pods: false,
        }
    }
}

impl Options {
    /// The defaults with [`USUAL_CONTROLLERS`].
    pub fn with_usual_controllers() -> Self {
        Options {
            controllers: USUAL_CONTROLLERS.map(str::to_owned).to_vec(),
            ..Options::default()
        }
    }

    /// [`Options::with_usual_controllers`] for many thousand objects or hours of writes: without audit log, and etcd's data may grow to
    /// 8 GiB, since its default of 2 GiB is too little for the revisions.
    pub fn for_many_objects() -> Self {
        Options {
            audit: false,
            etcd_quota_bytes: Some(8 << 30),
            ..Options::with_usual_controllers()
        }
    }
}

/// A user with a fixed token, who may do what RBAC grants to the name or the groups.
#[derive(Clone, Debug)]
pub struct User {
    /// The name that RBAC and the audit log know.
    pub name: String,
    /// The bearer token.
    pub token: String,
    /// `system:masters` may do everything.
    pub groups: Vec<String>,
}
