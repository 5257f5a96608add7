//! What the authors of resources and the owners of Secrets do.

use super::*;

impl Namespace {
    /// Another spec, or a resource where there is none.
    pub(crate) fn edit_resource(&self, owner: &str) {
        let mut inner = self.inner();
        // To check a manifest takes longer than all that follows: most are drawn from those that were checked before.
        let (spec, inputs) = match inner.dice.chance(10) {
            true => accepted(owner, &mut inner.dice),
            false => {
                let all = &POOL[owner];
                all[inner.dice.below(all.len())].clone()
            }
        };
        let version = inner.next_version();
        let fresh = Resource {
            namespace: "shop".into(),
            name: owner.into(),
            uid: format!("uid-{version}"),
            generation: 0,
            deleting: false,
            meta: ResourceMeta::default(),
            spec: Err(Vec::new()),
            inputs: String::new(),
            refresh_request: None,
            status: OAuthClientStatus::default(),
        };
        let resource = inner.resources.entry(owner.into()).or_insert(fresh);
        if !resource.deleting {
            resource.generation += 1;
            resource.inputs = inputs;
            resource.spec = Ok(spec);
        }
    }

    /// The owner of a Secret or of the ServiceAccount changes its mind.
    pub(crate) fn edit_lender(&self) {
        let mut inner = self.inner();
        if inner.dice.chance(25) {
            if let Some((uid, _)) = inner.account.clone() {
                inner.make_account();
                let audiences = inner.dice.one(&AUDIENCES).to_owned();
                if let Some(account) = &mut inner.account {
                    account.0 = uid;
                    let name = "oauthclient.dev/allowed-audiences";
                    account.1.insert(name.into(), audiences);
                }
            }
            return;
        }
        let name = inner.dice.one(&SECRETS);
        let (labels, annotations, version) =
            (inner.labels(), inner.annotations(), inner.next_version());
        if let Some(secret) = inner.secrets.get_mut(name)
            && secret.owners.is_empty()
        {
            (secret.labels, secret.annotations) = (labels, annotations);
            secret.resource_version = version;
        }
    }

    /// A Secret or the ServiceAccount goes, and perhaps another one of its name comes.
    pub(crate) fn replace_lender(&self) {
        let mut inner = self.inner();
        let comes_back = inner.dice.chance(60);
        if inner.dice.chance(20) {
            inner.account = None;
            if comes_back {
                inner.make_account();
            }
            return;
        }
        let name = inner.dice.one(&SECRETS);
        inner.secrets.remove(name);
        if comes_back {
            inner.make_secret(name);
        }
    }

    pub(crate) fn delete_resource(&self, owner: &str) {
        let mut inner = self.inner();
        let Some(resource) = inner.resources.get_mut(owner) else {
            return;
        };
        if resource.has_finalizer() {
            resource.deleting = true;
        } else {
            inner.gone(owner);
        }
    }

    pub(crate) fn request_refresh(&self, owner: &str) {
        let mut inner = self.inner();
        let version = inner.next_version();
        if let Some(resource) = inner.resources.get_mut(owner) {
            resource.refresh_request = Some(version);
        }
    }
}
