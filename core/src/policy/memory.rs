//! What the process keeps about a resource between two reconciles, and how that is updated from an observation.

use crate::model::{Observed, Repairs, SecretSeen, request_name, short};
use crate::policy::waits::MAX_STALE_READS;
use crate::time::Time;

impl Observed {
    /// Updates what is kept from the observation. Call this before any decision.
    pub fn bring_up_to_date(&mut self) {
        self.keep_only_opted_in();
        if let Some(requested) = &mut self.resource.refresh_request {
            *requested = request_name(requested);
        }
        self.remember_reservation();
        self.remember_attempt();
        if self.memory.repairs.count == 0 {
            let reported = Repairs::from_status(&self.resource.status);
            self.memory.repairs = reported.unwrap_or_default();
        }
        if self.contradicts_what_was_written() {
            if self.memory.stale_reads >= MAX_STALE_READS {
                // Observed often enough to be believed: a backup was restored, or it was deleted unnoticed.
                self.memory.written = self.target.as_ref().and_then(SecretSeen::written);
                self.memory.stale_reads = 0;
                self.memory.deletion_reported &= self.target.is_none();
            }
        } else {
            self.memory.stale_reads = 0;
            self.memory.deletion_reported &= self.target.is_none();
        }
    }

    fn remember_attempt(&mut self) {
        let published = self
            .target
            .as_ref()
            .filter(|target| target.is_owned_by(&self.resource))
            .and_then(SecretSeen::state)
            .map(|state| state.issued)
            // An issue time in the future means that the clock was set back, and says nothing about the order.
            .filter(|issued| *issued <= self.now);
        let version = self.credentials_version();
        let content = self.whole_content();
        let Some(attempt) = &mut self.memory.attempt else {
            return;
        };
        let over = |other: Option<Time>| other.is_some_and(|time| attempt.time < time);
        if over(published) || over(self.memory.last_sent) {
            // A later request is known, of this process or another one: the status is not up to date.
            self.memory.attempt = None;
            return;
        }
        // After a restart, the current bundle is assumed to be the one that was used.
        attempt.ca = attempt.ca.or(self.ca.hash());
        let Some(version) = version else {
            return;
        };
        if attempt.credentials == version {
            attempt.content = attempt.content.or(content);
        } else if attempt.content.is_some() && attempt.content == content {
            // A label or annotation was edited: the new version is recorded, so that a restart knows it.
            attempt.credentials = version;
        }
    }

    /// Whether the observed token Secret is older than what this process wrote, because a cache or proxy served an old
    /// version.
    pub(super) fn contradicts_what_was_written(&self) -> bool {
        let Some(written) = &self.memory.written else {
            return false;
        };
        match &self.target {
            // It still exists under its former name: it was not deleted, the resource names another one.
            None => {
                let renamed = self
                    .stale_secrets
                    .iter()
                    .any(|leftover| short(&leftover.uid) == written.uid);
                !self.memory.deletion_reported && !renamed
            }
            // The watch reported its deletion, and here it is as it was written: this view is from before its end.
            Some(target) if self.memory.deletion_reported && target.written() == Some(*written) => {
                true
            }
            Some(target) => target.is_older_than(written),
        }
    }
}
