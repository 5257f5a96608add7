//! What people, other programs and machines do meanwhile, each at its time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::coverage;
use super::draws::Draws;
use super::faults::{BETWEEN, Fault, HOUR, MINUTE};
use super::fleet::{Plan, Way, base64};
use super::objects::{Kind, Objects, text};
use super::{Scale, World};

/// What people do to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    Apply,
    Steal,
    EditScopes,
    EditTemplate,
    BreakSpec,
    MendSpec,
    RotateSecret,
    TouchSecret,
    BreakSecret,
    MendSecret,
    DeleteTokenSecret,
    AlterTokenSecret,
    AlterState,
    RequestRefresh,
    Delete,
    Recreate,
    StripOwners,
    RenameTokenSecret,
    Suspend,
    Resume,
    OptOut,
    OptIn,
    RefuseWrites,
    AllowWrites,
}

impl Deed {
    pub const ALL: [Deed; 24] = [
        Deed::Apply,
        Deed::Steal,
        Deed::EditScopes,
        Deed::EditTemplate,
        Deed::BreakSpec,
        Deed::MendSpec,
        Deed::RotateSecret,
        Deed::TouchSecret,
        Deed::BreakSecret,
        Deed::MendSecret,
        Deed::DeleteTokenSecret,
        Deed::AlterTokenSecret,
        Deed::AlterState,
        Deed::RequestRefresh,
        Deed::Delete,
        Deed::Recreate,
        Deed::StripOwners,
        Deed::RenameTokenSecret,
        Deed::Suspend,
        Deed::Resume,
        Deed::OptOut,
        Deed::OptIn,
        Deed::RefuseWrites,
        Deed::AllowWrites,
    ];
}

/// What befalls a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    Kill,
    Terminate,
    Freeze,
    Thaw(usize),
    CutLease,
    StepClock(i64),
}

#[derive(Clone, Copy, Debug)]
pub enum Act {
    On(usize, Deed),
    Blow(Blow),
    /// The checks of each minute.
    Audit,
    /// People who log in again where that is needed.
    LogIn,
}

/// All that happens, by its time in milliseconds.
pub fn timeline(scale: &Scale, plans: &[Plan]) -> Vec<(i64, Act)> {
    let (seed, end) = (scale.seed, scale.hours * HOUR);
    let mut acts: Vec<(i64, Act)> = Vec::new();
    for plan in plans {
        let mut draws = Draws::of(seed, "people", plan.index as u64);
        let applied = draws.between(0, 5 * MINUTE);
        acts.push((applied, Act::On(plan.index, Deed::Apply)));
        if plan.thief.is_some() {
            acts.push((applied + 15 * MINUTE, Act::On(plan.index, Deed::Steal)));
        }
        let mut at = HOUR + draws.between(0, 20 * HOUR);
        while at < end - 7 * HOUR && draws.chance(scale.meddling) {
            at = deeds(&mut acts, plan, at, &mut draws, scale.restores);
            at += HOUR + draws.between(0, 30 * HOUR);
        }
    }
    for minute in 1..end / MINUTE {
        acts.push((minute * MINUTE + 1, Act::Audit));
    }
    for time in 1..end / (20 * MINUTE) {
        acts.push((time * 20 * MINUTE + 2, Act::LogIn));
    }
    if scale.with_faults {
        blows(&mut acts, seed, end);
    }
    acts.sort_by_key(|(time, _)| *time);
    acts
}

/// One thing that is done, and what mends it; when that is over.
fn deeds(
    acts: &mut Vec<(i64, Act)>,
    plan: &Plan,
    at: i64,
    draws: &mut Draws,
    restores: bool,
) -> i64 {
    let later = at + draws.between(10 * MINUTE, 100 * MINUTE);
    let (deed, mended) = match draws.next() % 16 {
        0 => (Deed::EditScopes, None),
        1 => (Deed::EditTemplate, None),
        2 => (Deed::BreakSpec, Some(Deed::MendSpec)),
        3 => (Deed::RotateSecret, None),
        4 => (Deed::TouchSecret, None),
        5 => (Deed::BreakSecret, Some(Deed::MendSecret)),
        6 => (Deed::DeleteTokenSecret, None),
        7 => (Deed::AlterTokenSecret, None),
        8 => (Deed::AlterState, None),
        9 if plan.way.revokes() => (Deed::Delete, Some(Deed::Recreate)),
        9 => (Deed::RequestRefresh, None),
        // A thief that names the same token Secret would take over its name, as it may.
        10 | 13 if plan.shares_its_secret() => (Deed::RequestRefresh, None),
        10 => (Deed::Delete, Some(Deed::Recreate)),
        11 | 12 if restores => (Deed::StripOwners, None),
        11 | 12 => (Deed::RequestRefresh, None),
        13 => (Deed::RenameTokenSecret, None),
        14 => (Deed::RefuseWrites, Some(Deed::AllowWrites)),
        _ if draws.chance(0.5) => (Deed::Suspend, Some(Deed::Resume)),
        _ => (Deed::OptOut, Some(Deed::OptIn)),
    };
    let index = plan.index;
    acts.push((at, Act::On(index, deed)));
    match deed {
        // So that it meets a request that is on its way.
        Deed::Delete => acts.push((at - 100, Act::On(index, Deed::RequestRefresh))),
        Deed::RefuseWrites => acts.push((at + 1, Act::On(index, Deed::RequestRefresh))),
        _ => {}
    }
    match mended {
        Some(mended) => {
            acts.push((later, Act::On(index, mended)));
            later
        }
        None => at,
    }
}

/// One blow between each two storms at most.
fn blows(acts: &mut Vec<(i64, Act)>, seed: u64, end: i64) {
    let mut draws = Draws::of(seed, "blows", 0);
    let mut at = HOUR + BETWEEN / 2;
    while at < end - 6 * HOUR {
        let blow = match draws.next() % 10 {
            0 | 1 => Blow::Kill,
            2 => Blow::Terminate,
            3 | 4 => Blow::Freeze,
            5 | 6 => Blow::CutLease,
            7 => Blow::StepClock(draws.pick(&[HOUR, -HOUR, 20 * MINUTE, -MINUTE])),
            _ => {
                at += BETWEEN;
                continue;
            }
        };
        acts.push((at, Act::Blow(blow)));
        if let Blow::StepClock(_) = blow {
            acts.push((at + BETWEEN, Act::Blow(Blow::StepClock(0))));
            at += BETWEEN;
        }
        at += BETWEEN * draws.between(1, 4);
    }
}

/// A change of an object that people make.
fn edit(
    objects: &mut Objects,
    kind: Kind,
    plan: &Plan,
    name: &str,
    change: impl FnOnce(&mut Value),
) {
    let _ = objects.change(kind, &plan.namespace, name, change);
}

/// The client secret that a resource has now, by its number.
#[derive(Default)]
pub struct Versions(BTreeMap<usize, u64>);

impl World {
    /// Does what is to be done now.
    pub fn act(self: &Arc<Self>, act: Act) {
        let now = self.now();
        self.objects.lock().unwrap().now = now;
        if !matches!(act, Act::Audit | Act::LogIn) {
            coverage::log(now, || format!("---- {act:?}"));
        }
        match act {
            Act::On(index, deed) => {
                *self.deeds.lock().unwrap().entry(deed).or_default() += 1;
                let plan = self.plans.get(&index).cloned();
                if let Some(plan) = plan {
                    self.deed(&plan, deed, now);
                }
            }
            Act::Blow(blow) => self.blow(blow, now),
            Act::Audit => {
                let provider = self.provider.lock().unwrap();
                self.checks.lock().unwrap().audit(now, &provider);
            }
            Act::LogIn => self.log_in(now),
        }
        self.look_at_changes_of_others();
    }

    fn deed(self: &Arc<Self>, plan: &Plan, deed: Deed, now: i64) {
        let (index, name) = (plan.index, &plan.name);
        let secret = plan.secret_name();
        let token = self.token_secret(plan);
        let has_secret = plan.way != Way::AccountAuthentication;
        let mut objects = self.objects.lock().unwrap();
        let objects = &mut *objects;
        let mut provider = self.provider.lock().unwrap();
        let mut checks = self.checks.lock().unwrap();
        let meddled = match deed {
            Deed::Apply => {
                provider.accept(index, plan.secret("secret", 1));
                provider.accept(index, plan.secret("password", 1));
                let login = plan.way.needs_login().then(|| provider.login(index));
                plan.apply(objects, &self.key, login);
                checks.created(index, now);
                (0, None)
            }
            Deed::Steal => {
                plan.apply_thief(objects, plan.thief.unwrap_or(0));
                (0, None)
            }
            Deed::EditScopes => {
                let scopes = json!([format!("scope-{now}")]);
                edit(objects, Kind::OAuthClient, plan, name, |client| {
                    client["spec"]["scopes"] = scopes
                });
                (1, None)
            }
            Deed::EditTemplate => {
                let template =
                    json!({"access_token": "{{ access_token }}", "at": format!("{now}")});
                edit(objects, Kind::OAuthClient, plan, name, |client| {
                    client["spec"]["tokenSecret"]["data"] = template;
                });
                (1, None)
            }
            Deed::BreakSpec => {
                edit(objects, Kind::OAuthClient, plan, name, |client| {
                    client["spec"]["tokenSecret"]["type"] = json!("kubernetes.io/tls");
                });
                (1, Some(now + 100 * MINUTE))
            }
            Deed::MendSpec => {
                edit(objects, Kind::OAuthClient, plan, name, |client| {
                    if let Some(secret) = client["spec"]["tokenSecret"].as_object_mut() {
                        secret.remove("type");
                    }
                });
                (1, Some(now))
            }
            Deed::RotateSecret if has_secret => {
                let version = self.new_version(index);
                self.put_secret(objects, plan, version);
                provider.accept(index, plan.secret("secret", version));
                provider.accept(index, plan.secret("password", version));
                (1, None)
            }
            Deed::TouchSecret if has_secret => {
                edit(objects, Kind::Secret, plan, &secret, |secret| {
                    secret["metadata"]["annotations"]["touched"] = json!(now.to_string());
                });
                // Only a process that has read it before knows that nothing but metadata changed.
                (u32::from(self.with_faults), None)
            }
            Deed::BreakSecret if has_secret => {
                let version = self.new_version(index);
                self.put_secret(objects, plan, version);
                (2, Some(now + 100 * MINUTE))
            }
            Deed::MendSecret if has_secret => {
                let version = self.new_version(index);
                provider.forget_secrets(index);
                provider.accept(index, plan.secret("secret", version));
                provider.accept(index, plan.secret("password", version));
                self.put_secret(objects, plan, version);
                (2, Some(now))
            }
            Deed::DeleteTokenSecret => {
                let _ = objects.delete(Kind::Secret, &plan.namespace, &token, "");
                (1, Some(now))
            }
            Deed::AlterTokenSecret => {
                edit(objects, Kind::Secret, plan, &token, |secret| {
                    secret["data"]["access_token"] = json!(base64("altered"));
                });
                (1, Some(now))
            }
            Deed::AlterState => {
                edit(objects, Kind::Secret, plan, &token, |secret| {
                    if let Some(annotations) = secret["metadata"]["annotations"].as_object_mut() {
                        annotations.remove("oauthclient.dev/state");
                    }
                });
                (1, Some(now))
            }
            Deed::RequestRefresh => {
                request_refresh(objects, plan, now);
                (1, None)
            }
            Deed::Delete => {
                let _ = objects.delete(Kind::OAuthClient, &plan.namespace, name, "");
                if let Some(item) = checks.items.get_mut(&index) {
                    item.exists = false;
                }
                (2, Some(now + 100 * MINUTE))
            }
            Deed::Recreate => {
                if plan.way.needs_login() {
                    let login = provider.login(index);
                    put(objects, plan, "refresh_token", &login);
                }
                plan.apply_client(objects);
                checks.created(index, now);
                (1, Some(now))
            }
            Deed::StripOwners => {
                for name in [&token, &format!("{name}-refresh-state")] {
                    edit(objects, Kind::Secret, plan, name, |secret| {
                        if let Some(metadata) = secret["metadata"].as_object_mut() {
                            metadata.remove("ownerReferences");
                        }
                    });
                }
                checks.restored += 1;
                (0, None)
            }
            Deed::RenameTokenSecret => {
                let new = format!("{name}-token-{now}");
                edit(objects, Kind::OAuthClient, plan, name, |client| {
                    client["spec"]["tokenSecret"]["name"] = json!(new);
                });
                (1, Some(now))
            }
            Deed::Suspend | Deed::Resume => {
                let suspend = deed == Deed::Suspend;
                edit(objects, Kind::OAuthClient, plan, name, |client| {
                    client["spec"]["suspend"] = json!(suspend);
                });
                (1, Some(if suspend { now + 100 * MINUTE } else { now }))
            }
            Deed::OptOut | Deed::OptIn if has_secret => {
                let out = deed == Deed::OptOut;
                edit(objects, Kind::Secret, plan, &secret, |secret| {
                    secret["metadata"]["labels"] = match out {
                        true => json!({}),
                        false => json!({"oauthclient.dev/credentials": "true"}),
                    };
                });
                (1, Some(if out { now + 100 * MINUTE } else { now }))
            }
            Deed::RefuseWrites => {
                objects.refused.insert(name.clone());
                // The operator tries again every hour.
                (3, Some(now + 100 * MINUTE))
            }
            Deed::AllowWrites => {
                objects.refused.remove(name);
                request_refresh(objects, plan, now);
                (1, Some(now))
            }
            _ => (0, None),
        };
        checks.meddled(index, meddled.0, meddled.1);
        // Whoever exchanges its token is met by all of it.
        checks.meddled_user(index, meddled);
    }

    fn new_version(&self, index: usize) -> u64 {
        let mut versions = self.versions.lock().unwrap();
        let version = versions.0.entry(index).or_insert(1);
        *version += 1;
        *version
    }

    fn put_secret(&self, objects: &mut Objects, plan: &Plan, version: u64) {
        put(
            objects,
            plan,
            "client_secret",
            &plan.secret("secret", version),
        );
        if matches!(plan.way, Way::Password | Way::PasswordRefresh) {
            put(objects, plan, "password", &plan.secret("password", version));
        }
    }

    /// The name of the token Secret as the spec has it now.
    fn token_secret(&self, plan: &Plan) -> String {
        let objects = self.objects.lock().unwrap();
        let client = objects.get(Kind::OAuthClient, &plan.namespace, &plan.name);
        client.map_or_else(String::new, |client| {
            text(&client, "/spec/tokenSecret/name").to_owned()
        })
    }

    /// People log in where the refresh tokens have come to an end.
    fn log_in(&self, now: i64) {
        let mut objects = self.objects.lock().unwrap();
        let mut provider = self.provider.lock().unwrap();
        let mut checks = self.checks.lock().unwrap();
        for plan in self.plans.values().filter(|plan| plan.way.needs_login()) {
            // Also where the outcome of two requests is unknown: then the operator asks for a person, and rightly so.
            let asked = || {
                let client = objects.get(Kind::OAuthClient, &plan.namespace, &plan.name);
                let conditions = client
                    .as_deref()
                    .and_then(|it| it.pointer("/status/conditions"));
                let conditions = conditions.and_then(Value::as_array);
                let reason = |one: &Value| text(one, "/reason") == "ReauthorizationRequired";
                conditions.is_some_and(|all| all.iter().any(reason))
            };
            if provider.family_is_dead(plan.index) || (checks.is_doubted(plan.index) && asked()) {
                let token = provider.login(plan.index);
                put(&mut objects, plan, "refresh_token", &token);
                checks.meddled(plan.index, 1, Some(now));
                checks.logins += 1;
            }
        }
    }

    fn blow(self: &Arc<Self>, blow: Blow, now: i64) {
        let worker = self.checks.lock().unwrap().worker;
        let process = self.processes.lock().unwrap()[worker].clone();
        let (fault, lasts) = match (blow, process) {
            (Blow::Kill, Some(process)) => {
                process.kill();
                (Fault::ProcessKilled, 6 * MINUTE)
            }
            (Blow::Terminate, Some(process)) => {
                process.terminate();
                (Fault::ProcessTerminated, 6 * MINUTE)
            }
            (Blow::Freeze, Some(process)) => {
                process.freeze(true);
                let world = Arc::clone(self);
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
                    world.act(Act::Blow(Blow::Thaw(worker)));
                });
                (Fault::ProcessFrozen, 10 * MINUTE)
            }
            (Blow::Thaw(slot), _) => {
                if let Some(process) = &self.processes.lock().unwrap()[slot] {
                    process.freeze(false);
                }
                return;
            }
            (Blow::CutLease, Some(process)) => {
                process.cut_lease(now + 5 * MINUTE);
                (Fault::LeaseLost, 9 * MINUTE)
            }
            (Blow::StepClock(offset), _) => {
                self.clock_offset.store(offset, Ordering::Relaxed);
                let mut checks = self.checks.lock().unwrap();
                checks.clock_set(offset);
                let all: Vec<usize> = checks.items.keys().copied().collect();
                for index in all {
                    checks.meddled(index, 2, Some(now));
                }
                (Fault::ClockStep, 5 * MINUTE)
            }
            (_, None) => return,
        };
        self.checks.lock().unwrap().disturbed(now, now + lasts);
        self.faults.lock().unwrap().note(fault);
    }
}

/// Requests a refresh of a resource.
fn request_refresh(objects: &mut Objects, plan: &Plan, now: i64) {
    let requested = json!(now.to_string());
    edit(objects, Kind::OAuthClient, plan, &plan.name, |client| {
        client["metadata"]["annotations"]["oauthclient.dev/refresh-requested-at"] = requested;
    });
}

/// Puts a value into the credentials of a resource.
fn put(objects: &mut Objects, plan: &Plan, key: &str, value: &str) {
    let value = json!(base64(value));
    edit(objects, Kind::Secret, plan, &plan.secret_name(), |secret| {
        secret["data"][key] = value
    });
}
