//! The points of a crash: before and after every recorded action, and what must be true after it.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use testkit::clock::Stopwatch;
use testkit::fault_proxy::{Fault as ApiFault, Rule};
use testkit::provider::Fault;

use super::record::{Deed, PERIOD, Recorded};
use super::scene::{Run, Scene};
use crate::harness::SOON;

/// Where a process crashes.
#[derive(Clone, Debug)]
pub struct Point {
    /// The step, counted from 0.
    pub step: usize,
    /// What it is about to do, or has just done.
    pub deed: Deed,
    /// How often it has done the same in this step before.
    pub nth: usize,
    /// What kills it.
    pub moment: Moment,
    /// A token request has been sent of which the answer is not yet stored.
    pub in_hand: bool,
}

/// Before or after an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The other side has not heard of it.
    Before,
    /// The other side has done it, and the answer is lost.
    After,
}

impl std::fmt::Display for Point {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (moment, kind) = (self.moment, self.deed.kind());
        let step = self.step + 1;
        write!(out, "{moment:?} {kind} ({}) in step {step}", self.nth + 1)
    }
}

/// Every point of a recording.
pub fn enumerate(recording: &[Recorded]) -> Vec<Point> {
    let mut points = Vec::new();
    for (step, recorded) in recording.iter().enumerate() {
        let mut in_hand = false;
        for (at, deed) in recorded.deeds.iter().enumerate() {
            let before = &recorded.deeds[..at];
            let nth = before.iter().filter(|other| *other == deed).count();
            // What the provider has not heard of is asked for again by the rules of any other token.
            let sent = in_hand || *deed == Deed::Token;
            in_hand = sent && !deed.writes_secret();
            for (moment, in_hand) in [(Moment::Before, sent), (Moment::After, in_hand)] {
                points.push(Point {
                    step,
                    deed: deed.clone(),
                    nth,
                    moment,
                    in_hand,
                });
            }
        }
    }
    points
}

/// How the steps end after a death.
pub struct Aftermath {
    /// How many token requests there were in all.
    pub requests: usize,
    /// The refresh tokens that were sent, in order.
    pub sent: Vec<String>,
    /// A person had to authorize again.
    pub authorized_again: bool,
}

impl Point {
    /// Whether the provider has responded and the response was not stored.
    pub fn loses_answer(&self) -> bool {
        let unheard = self.deed == Deed::Token && self.moment == Moment::Before;
        self.in_hand && !unheard
    }
}

/// Runs the scenario, kills the operator at one point, starts another, and runs to the end. After each step the state
/// must be that
/// of the undisturbed run; with `may_need_person`, a person may have to authorize again first.
pub async fn die_at(
    scene: &Scene,
    recording: &[Recorded],
    point: &Point,
    may_need_person: bool,
) -> Result<Aftermath, String> {
    let run = scene.run().await;
    run.start().await;
    let mut authorized_again = false;
    for (at, recorded) in recording.iter().enumerate() {
        if at == point.step {
            run.die(recorded, point).await?;
            run.start().await;
        } else {
            run.act(recorded.step).await;
        }
        let undisturbed = |now: &Value| *now == recorded.standing;
        let may_need_person = may_need_person && at == point.step;
        let ends = |now: &Value| undisturbed(now) || (may_need_person && needs_person(now));
        let now = run.until_it_stands(recorded, ends).await?;
        if needs_person(&now) {
            authorized_again = true;
            run.authorize_again().await;
            run.until_it_stands(recorded, undisturbed).await?;
        }
    }
    // What would be asked for too much would be asked for now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    run.end().await;
    run.nothing_leaked().await;
    Ok(Aftermath {
        requests: scene.provider.count(&run.path),
        sent: run.sent(),
        authorized_again,
    })
}

/// Whether the resource says that a person has to authorize it again.
fn needs_person(standing: &Value) -> bool {
    let conditions = standing["resource"]["conditions"].as_array();
    let says = |condition: &Value| {
        condition[0] == "Stalled"
            && condition[1] == "True"
            && condition[2] == "ReauthorizationRequired"
    };
    conditions.is_some_and(|all| all.iter().any(says))
}

impl Run<'_> {
    /// Does the step, and kills the operator where it is held.
    async fn die(&self, recorded: &Recorded, point: &Point) -> Result<(), String> {
        match &point.deed {
            Deed::Token => self.die_at_token(recorded, point).await,
            Deed::Write { method, path } => {
                let fault = match point.moment {
                    Moment::Before => ApiFault::HoldRequest,
                    Moment::After => ApiFault::HoldAnswer,
                };
                let path = path.replace("{namespace}", &self.namespace);
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let rule = Rule::new(fault).method(method).path(&path).skip(point.nth);
                let rule = self.proxy.add(rule.once());
                self.act(recorded.step).await;
                let held = || {
                    let requests = self.proxy.requests();
                    let held = requests.iter().find(|request| request.rule == Some(rule));
                    held.is_some_and(|request| {
                        point.moment == Moment::Before || request.upstream.is_some()
                    })
                };
                self.kill_when(held).await?;
                self.proxy.clear();
                Ok(())
            }
        }
    }

    async fn die_at_token(&self, recorded: &Recorded, point: &Point) -> Result<(), String> {
        let provider = &self.scene.provider;
        let fault = match point.moment {
            Moment::Before => Fault::Hang,
            // The token is issued, and not a byte of the answer's body comes.
            Moment::After => Fault::StallBody { after_bytes: 0 },
        };
        let before = provider.count(&self.path) + point.nth;
        provider.update(&self.path, |behaviour| {
            behaviour.faults = vec![None; point.nth];
            behaviour.faults.push(Some(fault));
        });
        self.act(recorded.step).await;
        let held = || {
            let requests = provider.requests_to(&self.path);
            let held = requests.get(before);
            held.is_some_and(|request| point.moment == Moment::Before || request.token.is_some())
        };
        self.kill_when(held).await?;
        provider.set_fault(&self.path, None);
        Ok(())
    }

    async fn kill_when(&self, held: impl Fn() -> bool) -> Result<(), String> {
        let started = Stopwatch::start();
        while !held() {
            if started.elapsed() > SOON {
                return Err(format!("it was not reached\n{}", self.log_end()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.kill().await;
        Ok(())
    }

    /// Waits until this state is reached after a step.
    async fn until_it_stands(
        &self,
        recorded: &Recorded,
        so: impl Fn(&Value) -> bool,
    ) -> Result<Value, String> {
        let started = Stopwatch::start();
        loop {
            let now = self.standing().await;
            if so(&now) {
                return Ok(now);
            }
            if started.elapsed() > SOON {
                let deeds: Vec<String> = self.deeds().iter().map(Deed::kind).collect();
                let (step, undisturbed) = (recorded.step, &recorded.standing);
                let log = self.log_end();
                return Err(format!(
                    "after {step:?}: it is {now:#}\nundisturbed: {undisturbed:#}\n{deeds:?}\n{log}"
                ));
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}
