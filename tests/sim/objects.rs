//! The objects of an API server: versions, UIDs, preconditions, finalizers, garbage collection, and what watches are told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value, json};

/// The kinds that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    OAuthClient,
    Secret,
    ConfigMap,
    ServiceAccount,
    Lease,
}

impl Kind {
    pub const ALL: [Kind; 5] = [
        Kind::OAuthClient,
        Kind::Secret,
        Kind::ConfigMap,
        Kind::ServiceAccount,
        Kind::Lease,
    ];

    pub fn of_plural(plural: &str) -> Option<Kind> {
        Some(match plural {
            "oauthclients" => Kind::OAuthClient,
            "secrets" => Kind::Secret,
            "configmaps" => Kind::ConfigMap,
            "serviceaccounts" => Kind::ServiceAccount,
            "leases" => Kind::Lease,
            _ => return None,
        })
    }

    fn type_meta(self) -> (&'static str, &'static str) {
        match self {
            Kind::OAuthClient => ("oauthclient.dev/v1alpha1", "OAuthClient"),
            Kind::Secret => ("v1", "Secret"),
            Kind::ConfigMap => ("v1", "ConfigMap"),
            Kind::ServiceAccount => ("v1", "ServiceAccount"),
            Kind::Lease => ("coordination.k8s.io/v1", "Lease"),
        }
    }
}

pub type Object = Arc<Value>;

/// Why the server does not do what it is asked.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Refusal {
            code,
            reason,
            message: message.into(),
        }
    }

    pub fn not_found(name: &str) -> Self {
        Refusal::new(404, "NotFound", format!("{name} not found"))
    }

    pub fn conflict() -> Self {
        let message = "Operation cannot be fulfilled: the object has been modified";
        Refusal::new(409, "Conflict", message)
    }
}

/// A change, as watches are told of it.
#[derive(Clone)]
pub struct Change {
    pub version: u64,
    pub at: i64,
    pub namespace: Arc<str>,
    pub old: Option<Object>,
    pub new: Option<Object>,
}

/// The changes of one kind; those that are older than etcd keeps are gone.
#[derive(Default)]
pub struct Log {
    pub first: u64,
    pub changes: VecDeque<Change>,
    /// The version of the newest change that is gone.
    pub compacted: u64,
}

impl Log {
    pub fn end(&self) -> u64 {
        self.first + self.changes.len() as u64
    }
}

/// How many changes of a kind are kept.
const KEPT: usize = 4096;

type Key = (Kind, Arc<str>, Arc<str>);

#[derive(Default)]
pub struct Objects {
    all: BTreeMap<Key, Object>,
    /// What an object was before its last change, and when that was: for reads that are answered by a cache that lags.
    before: BTreeMap<Key, (i64, Option<Object>)>,
    logs: BTreeMap<Kind, Log>,
    version: u64,
    uids: u64,
    pub now: i64,
    /// The resources whose token Secrets an admission webhook refuses.
    pub refused: BTreeSet<String>,
    /// Changes since the last look, for the checks.
    pub fresh: Vec<(Kind, Change)>,
}

/// A text in an object.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or("")
}

/// The resourceVersion of an object.
pub fn version_of(object: &Value) -> u64 {
    text(object, "/metadata/resourceVersion")
        .parse()
        .unwrap_or(0)
}

pub fn has_label(object: &Value, label: &str) -> bool {
    object
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get(label))
        .and_then(Value::as_str)
        == Some("true")
}

impl Objects {
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn log(&self, kind: Kind) -> Option<&Log> {
        self.logs.get(&kind)
    }

    fn key(kind: Kind, namespace: &str, name: &str) -> Key {
        (kind, namespace.into(), name.into())
    }

    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Object> {
        self.all.get(&Self::key(kind, namespace, name)).cloned()
    }

    /// The object as it was before its last change, if that is not longer ago than this.
    pub fn before(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        ago: i64,
    ) -> Option<Option<Object>> {
        let (at, before) = self.before.get(&Self::key(kind, namespace, name))?;
        (self.now - at < ago).then(|| before.clone())
    }

    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> impl Iterator<Item = &Object> {
        self.all
            .iter()
            .filter(move |((of, at, _), _)| *of == kind && namespace.is_none_or(|one| one == &**at))
            .map(|(_, object)| object)
    }

    /// Puts an object in the place of another one, or none.
    fn put(&mut self, key: Key, new: Option<Value>) -> Option<Object> {
        self.version += 1;
        let version = self.version;
        let old = self.all.get(&key).cloned();
        let new = new.map(|mut new| {
            new["metadata"]["resourceVersion"] = json!(version.to_string());
            Arc::new(new)
        });
        match &new {
            Some(new) => self.all.insert(key.clone(), Arc::clone(new)),
            None => self.all.remove(&key),
        };
        self.before.insert(key.clone(), (self.now, old.clone()));
        let change = Change {
            version,
            at: self.now,
            namespace: Arc::clone(&key.1),
            old: old.clone(),
            new: new.clone(),
        };
        if matches!(key.0, Kind::OAuthClient | Kind::Secret) {
            self.fresh.push((key.0, change.clone()));
            let log = self.logs.entry(key.0).or_default();
            log.changes.push_back(change);
            while log.changes.len() > KEPT {
                log.first += 1;
                let gone = log.changes.pop_front();
                log.compacted = gone.map_or(0, |gone| gone.version);
            }
        }
        if new.is_none()
            && let Some(old) = old
        {
            self.collect_garbage(&key.1, text(&old, "/metadata/uid"));
        }
        new
    }

    /// What an object that is gone has owned goes too.
    fn collect_garbage(&mut self, namespace: &str, uid: &str) {
        let owned = |object: &Object| {
            let owners = object.pointer("/metadata/ownerReferences");
            let owners = owners.and_then(Value::as_array);
            owners.is_some_and(|owners| owners.iter().any(|owner| text(owner, "/uid") == uid))
        };
        let names: Vec<String> = self
            .list(Kind::Secret, Some(namespace))
            .filter(|object| owned(object))
            .map(|object| text(object, "/metadata/name").to_owned())
            .collect();
        for name in names {
            self.put(Self::key(Kind::Secret, namespace, &name), None);
        }
    }

    fn uid(&mut self) -> String {
        self.uids += 1;
        let number = super::draws::spread(self.uids);
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            number >> 32,
            number >> 16 & 0xffff,
            number & 0xfff,
            number >> 8 & 0xfff,
            self.uids
        )
    }

    pub fn create(
        &mut self,
        kind: Kind,
        namespace: &str,
        mut object: Value,
    ) -> Result<Object, Refusal> {
        let name = text(&object, "/metadata/name").to_owned();
        let key = Self::key(kind, namespace, &name);
        if self.all.contains_key(&key) {
            return Err(Refusal::new(
                409,
                "AlreadyExists",
                format!("{name} already exists"),
            ));
        }
        let (api_version, kind_name) = kind.type_meta();
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind_name);
        let uid = self.uid();
        let metadata = &mut object["metadata"];
        metadata["namespace"] = json!(namespace);
        metadata["uid"] = json!(uid);
        metadata["creationTimestamp"] = json!("2026-11-30T00:00:00Z");
        if kind == Kind::OAuthClient {
            metadata["generation"] = json!(1);
        }
        tidy(&mut object);
        self.put(key, Some(object))
            .ok_or_else(|| Refusal::not_found(&name))
    }

    /// Changes an object; where nothing changes by it, nobody is told.
    pub fn change(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Object, Refusal> {
        let key = Self::key(kind, namespace, name);
        let Some(old) = self.all.get(&key).cloned() else {
            return Err(Refusal::not_found(name));
        };
        let mut new = (*old).clone();
        change(&mut new);
        tidy(&mut new);
        if new == *old {
            return Ok(old);
        }
        if kind == Kind::OAuthClient && new.get("spec") != old.get("spec") {
            let generation = old.pointer("/metadata/generation").and_then(Value::as_i64);
            new["metadata"]["generation"] = json!(generation.unwrap_or(0) + 1);
        }
        let held = new.pointer("/metadata/finalizers").is_some();
        let deleting = new.pointer("/metadata/deletionTimestamp").is_some();
        if deleting && !held {
            self.put(key, None);
            return Ok(Arc::new(new));
        }
        self.put(key, Some(new))
            .ok_or_else(|| Refusal::not_found(name))
    }

    /// A merge patch, or a strategic one of the few lists there are, with preconditions.
    pub fn patch(
        &mut self,
        kind: Kind,
        (namespace, name): (&str, &str),
        patch: &Value,
        status_only: bool,
    ) -> Result<Object, Refusal> {
        let Some(old) = self.get(kind, namespace, name) else {
            return Err(Refusal::not_found(name));
        };
        preconditions(
            &old,
            text(patch, "/metadata/uid"),
            text(patch, "/metadata/resourceVersion"),
        )?;
        self.change(kind, namespace, name, |object| {
            if status_only {
                if let Some(status) = patch.get("status") {
                    merge(&mut object["status"], status);
                }
                return;
            }
            let status = object.get("status").cloned();
            merge(object, patch);
            if let Some(object) = object.as_object_mut() {
                match status {
                    Some(status) => object.insert("status".to_owned(), status),
                    None => object.remove("status"),
                };
            }
        })
    }

    pub fn replace(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        new: Value,
    ) -> Result<Object, Refusal> {
        let Some(old) = self.get(kind, namespace, name) else {
            return Err(Refusal::not_found(name));
        };
        preconditions(&old, "", text(&new, "/metadata/resourceVersion"))?;
        self.change(kind, namespace, name, |object| {
            let kept = object["metadata"].clone();
            *object = new;
            for field in ["uid", "namespace", "creationTimestamp"] {
                object["metadata"][field] = kept[field].clone();
            }
            let (api_version, kind_name) = kind.type_meta();
            object["apiVersion"] = json!(api_version);
            object["kind"] = json!(kind_name);
        })
    }

    /// Replaces the status, and nothing else.
    pub fn replace_status(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        new: &Value,
    ) -> Result<Object, Refusal> {
        let Some(old) = self.get(kind, namespace, name) else {
            return Err(Refusal::not_found(name));
        };
        preconditions(
            &old,
            text(new, "/metadata/uid"),
            text(new, "/metadata/resourceVersion"),
        )?;
        self.change(kind, namespace, name, |object| {
            object["status"] = new["status"].clone();
        })
    }

    pub fn delete(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<(), Refusal> {
        let Some(old) = self.get(kind, namespace, name) else {
            return Err(Refusal::not_found(name));
        };
        preconditions(&old, uid, "")?;
        if old.pointer("/metadata/finalizers").is_some() {
            let now = super::clock::EPOCH + self.now;
            let time = oauthclient_operator::time::Time::from_millis(now).rfc3339_millis();
            let seconds = format!("{}Z", &time[..19]);
            self.change(kind, namespace, name, |object| {
                if object.pointer("/metadata/deletionTimestamp").is_none() {
                    object["metadata"]["deletionTimestamp"] = json!(seconds);
                    object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
                }
            })?;
        } else {
            self.put(Self::key(kind, namespace, name), None);
        }
        Ok(())
    }
}

fn preconditions(old: &Value, uid: &str, version: &str) -> Result<(), Refusal> {
    let there = text(old, "/metadata/uid");
    if !uid.is_empty() && uid != there {
        let message =
            format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {there}");
        return Err(Refusal::new(409, "Conflict", message));
    }
    if !version.is_empty() && version != text(old, "/metadata/resourceVersion") {
        return Err(Refusal::conflict());
    }
    Ok(())
}

/// Empty maps and lists are not stored.
fn tidy(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let empty = match metadata.get(field) {
            Some(Value::Object(map)) => map.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Null) => true,
            _ => false,
        };
        if empty {
            metadata.remove(field);
        }
    }
}

/// RFC 7396, except that owner references are merged by UID.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else {
        return;
    };
    for (key, value) in patch {
        match (key.as_str(), value) {
            (_, Value::Null) => {
                target.remove(key);
            }
            ("resourceVersion" | "uid", _) => {}
            ("ownerReferences", Value::Array(new)) => {
                let there = target.entry(key.clone()).or_insert_with(|| json!([]));
                merge_owners(there, new);
            }
            _ => merge(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

fn merge_owners(there: &mut Value, new: &[Value]) {
    let Some(there) = there.as_array_mut() else {
        return;
    };
    for owner in new {
        let uid = text(owner, "/uid");
        let same = there.iter_mut().find(|one| text(one, "/uid") == uid);
        if text(owner, "/$patch") == "delete" {
            there.retain(|one| text(one, "/uid") != uid);
            continue;
        }
        match same {
            Some(one) => *one = owner.clone(),
            None => there.push(owner.clone()),
        }
    }
}
