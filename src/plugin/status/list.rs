//! All resources, page by page.

use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use crate::api::spec::OAuthClient;
use crate::plugin::args::StatusArgs;
use crate::plugin::cluster::{ApiOperation, CLIENTS, Cluster};
use crate::plugin::problem::Problem;

/// The page size of list calls.
pub(crate) const PAGE: u32 = 500;

/// As in `kubectl get -o name`.
pub(crate) const CLIENT: &str = "oauthclient.oauthclient.dev";

pub(crate) fn nothing(cluster: &Cluster, args: &StatusArgs) -> String {
    let which = match &args.selector {
        Some(selector) => format!("no OAuthClient with {selector}"),
        None => "no OAuthClient".to_owned(),
    };
    if args.all_namespaces {
        format!("There is {which} in this cluster.")
    } else {
        format!(
            "There is {which} in namespace {} (-A looks in all).",
            cluster.namespace
        )
    }
}

/// All resources, sorted by name.
pub(crate) async fn all(
    cluster: &Cluster,
    everywhere: bool,
    selector: Option<&str>,
) -> Result<Vec<OAuthClient>, Problem> {
    let api: Api<OAuthClient> = if everywhere {
        cluster.everywhere()
    } else {
        cluster.api()
    };
    let operation = ApiOperation {
        verb: "list",
        resource: CLIENTS,
        name: "",
    };
    let (mut all, mut from) = (Vec::new(), None::<String>);
    loop {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = selector.map(str::to_owned);
        params.continue_token.clone_from(&from);
        let page = cluster.call(operation, api.list(&params)).await?;
        from = page.metadata.continue_.filter(|token| !token.is_empty());
        all.extend(page.items);
        if from.is_none() {
            all.sort_by_key(|one| (one.namespace(), one.name_any()));
            return Ok(all);
        }
    }
}
