//! What the process remembers of a resource between two walks, and how that is brought up to what is seen.

use crate::model::{Observed, Repairs, SecretSeen, request_name, short};
use crate::policy::waits::MOST_DOUBTS;
use crate::time::Time;

impl Observed {
    /// Brings what is remembered up to what is seen. To be called before anything is decided.
    pub fn bring_up_to_date(&mut self) {
        if let Some(asked) = &mut self.resource.refresh_request {
            *asked = request_name(asked);
        }
        self.remember_claim();
        self.remember_attempt();
        if self.memory.repairs.count == 0 {
            let told = Repairs::from_status(&self.resource.status);
            self.memory.repairs = told.unwrap_or_default();
        }
        if self.contradicts_what_was_written() {
            if self.memory.doubts >= MOST_DOUBTS {
                // Seen often enough to be believed: somebody restored a backup, or deleted it unseen.
                self.memory.written = self.target.as_ref().and_then(SecretSeen::written);
                self.memory.doubts = 0;
            }
        } else {
            self.memory.doubts = 0;
            self.memory.told_gone &= self.target.is_none();
        }
    }

    fn remember_attempt(&mut self) {
        let published = self
            .target
            .as_ref()
            .filter(|target| target.is_owned_by(&self.resource))
            .and_then(SecretSeen::state)
            .map(|state| state.issued)
            // A time of issue that lies ahead tells of a clock that was set back, and nothing of what came first.
            .filter(|issued| *issued <= self.now);
        let version = self.lent();
        let content = self.whole_content();
        let Some(attempt) = &mut self.memory.attempt else {
            return;
        };
        let over = |other: Option<Time>| other.is_some_and(|time| attempt.time < time);
        if over(published) || over(self.memory.last_sent) {
            // A later request is known, of this process or another: the status has not followed yet.
            self.memory.attempt = None;
            return;
        }
        // After a restart: what is there now is taken for what it was sent with.
        attempt.ca = attempt.ca.or(self.ca.hash());
        let Some(version) = version else {
            return;
        };
        if attempt.credentials == version {
            attempt.content = attempt.content.or(content);
        } else if attempt.content.is_some() && attempt.content == content {
            // A label or an annotation was edited: the new version is noted, so that a restart knows.
            attempt.credentials = version;
        }
    }

    /// Whether the token Secret that was read is older than what this process wrote: a cache or a proxy served an old view.
    pub(super) fn contradicts_what_was_written(&self) -> bool {
        let Some(written) = &self.memory.written else {
            return false;
        };
        match &self.target {
            // Under its former name it is still there: it was not deleted, the resource names another one.
            None => {
                let renamed = self
                    .stale_secrets
                    .iter()
                    .any(|leftover| short(&leftover.uid) == written.uid);
                !self.memory.told_gone && !renamed
            }
            Some(target) => target.is_older_than(written),
        }
    }
}
