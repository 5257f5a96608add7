//! The flags that select a cluster.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::plugin::cluster::Connection;
use crate::plugin::completers;

/// Flags that select cluster and namespace; the same for all commands.
#[derive(Clone, Debug, Default, Args)]
pub struct ConnectionArgs {
    /// Namespace. Defaults to the namespace of the kubeconfig's context.
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAMESPACE",
        display_order = 800,
        add = ArgValueCandidates::new(completers::namespaces)
    )]
    pub namespace: Option<String>,
    /// Context of the kubeconfig. Defaults to its current context.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        display_order = 801,
        add = ArgValueCandidates::new(completers::contexts)
    )]
    pub context: Option<String>,
    /// Kubeconfig to use. Defaults to KUBECONFIG, or ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE", display_order = 802)]
    pub kubeconfig: Option<PathBuf>,
}

impl From<&ConnectionArgs> for Connection {
    fn from(arguments: &ConnectionArgs) -> Self {
        Connection {
            namespace: arguments.namespace.clone(),
            context: arguments.context.clone(),
            kubeconfig: arguments.kubeconfig.clone(),
        }
    }
}
