//! The requests to the API server and who sent them, from its audit log.

use super::ControlPlane;
use crate::{Context, Error, Result, random, wait};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

/// Every request once, when it was answered; the API server's talks to itself are left out.
pub(super) const POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: ["system:apiserver"]}
- {level: Metadata}
"#;

/// The request by which [`ControlPlane::audit`] sees that the log has caught up; it is left out of the results.
const SETTLE_PATH: &str = "/version?testkit-settle=";

/// A position in the audit log, from which it can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditMark(u64);

/// One request that the API server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// `system:serviceaccount:NAMESPACE:NAME` for a ServiceAccount.
    pub user: String,
    /// The verb as RBAC knows it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; in lower case
    /// the HTTP method where there is no resource.
    pub verb: String,
    /// Empty for the core group.
    pub api_group: String,
    /// In the plural, as `secrets`; empty for paths such as `/version`.
    pub resource: String,
    /// As `status`; empty for the resource itself.
    pub subresource: String,
    /// Empty for what has no namespace.
    pub namespace: String,
    /// Empty for lists and watches of many.
    pub name: String,
    /// The HTTP status; 0 where the connection ended before there was one.
    pub code: u16,
    /// Path and query as they were sent.
    pub uri: String,
    /// Who the client said it was.
    pub user_agent: String,
}

impl AuditEvent {
    /// Whether the request may have changed something: a writing verb that was allowed, and not a review that is
    /// created but never
    /// stored (such as `SelfSubjectAccessReview`).
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        ) && (200..300).contains(&self.code)
            && !self.resource.ends_with("reviews")
    }

    /// `resource`, or `resource/subresource`, as a Role spells it.
    pub fn rule_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

/// The lines of the log, as Kubernetes writes them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(rename = "auditID")]
    id: String,
    verb: String,
    #[serde(rename = "requestURI")]
    uri: String,
    #[serde(default)]
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
}

#[derive(Default, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    api_group: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

impl ControlPlane {
    /// The end of the audit log as it is now: give it to [`ControlPlane::audit_since`] later.
    ///
    /// # Errors
    /// When the control plane runs without audit log, or its API server is down.
    pub async fn audit_mark(&self) -> Result<AuditMark> {
        self.settle_audit().await?;
        let path = self.files.audit_log();
        let length = std::fs::metadata(&path)
            .context(|| format!("cannot read {}", path.display()))?
            .len();
        Ok(AuditMark(length))
    }

    /// Every request since the start, oldest first, the administrator's and the controllers' own included.
    ///
    /// # Errors
    /// As [`ControlPlane::audit_since`].
    pub async fn audit(&self) -> Result<Vec<AuditEvent>> {
        self.audit_since(AuditMark::default()).await
    }

    /// Every request that was answered after `mark`, oldest first. On a shared control plane other tests' requests are among
    /// them: filter by user or namespace.
    ///
    /// # Errors
    /// When the control plane runs without audit log, or its API server is down.
    pub async fn audit_since(&self, mark: AuditMark) -> Result<Vec<AuditEvent>> {
        self.settle_audit().await?;
        let mut events = read(&self.files.audit_log(), mark)?;
        events.retain(|event| !event.uri.starts_with(SETTLE_PATH));
        Ok(events)
    }

    /// Asks for something unmistakable and waits until the log has it: what was answered before is then in the log too.
    async fn settle_audit(&self) -> Result<()> {
        if !self.options.audit {
            return Err(Error::new(
                "this control plane was started without audit log: set Options::audit",
            ));
        }
        let path = format!("{SETTLE_PATH}{}", random::hex()?);
        let log = self.files.audit_log();
        self.get(&path).await?;
        wait::until(
            "the audit log to catch up",
            Duration::from_secs(10),
            || async {
                // The log can be large; the line looked for is at its end.
                let length = std::fs::metadata(&log).map_or(0, |file| file.len());
                let tail = tail(&log, length.saturating_sub(1 << 20))?;
                tail.contains(&path)
                    .then_some(())
                    .context(|| "the marker is not in the log")
            },
        )
        .await
    }
}

/// The requests in the log after `mark`, oldest first.
fn read(path: &Path, mark: AuditMark) -> Result<Vec<AuditEvent>> {
    parse(&tail(path, mark.0)?)
}

/// The log from byte `start` on; what is not UTF-8, because `start` is within a character, is replaced.
fn tail(path: &Path, start: u64) -> Result<String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.read_to_end(&mut bytes)
        })
        .context(|| format!("cannot read the audit log {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse(text: &str) -> Result<Vec<AuditEvent>> {
    let mut events: Vec<AuditEvent> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    // A last line without its end is still being written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        let line: Line = serde_json::from_str(line).map_err(|error| {
            Error::new(format!(
                "cannot make sense of a line of the audit log: {error}: {line}"
            ))
        })?;
        // A watch is logged twice, when it starts and when it ends. It is one request.
        if let Some(event) = known.get(&line.id).and_then(|index| events.get_mut(*index)) {
            event.code = line.response_status.code;
            continue;
        }
        known.insert(line.id, events.len());
        events.push(AuditEvent {
            user: line.user.username,
            verb: line.verb,
            api_group: line.object_ref.api_group,
            resource: line.object_ref.resource,
            subresource: line.object_ref.subresource,
            namespace: line.object_ref.namespace,
            name: line.object_ref.name,
            code: line.response_status.code,
            uri: line.uri,
            user_agent: line.user_agent,
        });
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_one_request_and_a_half_written_line_is_none() {
        let start = r#"{"auditID":"a","stage":"ResponseStarted","verb":"watch","requestURI":"/api/v1/secrets?watch=1","user":{"username":"u"},"objectRef":{"resource":"secrets"},"responseStatus":{"code":200}}"#;
        let end = start.replace("Started", "Complete");
        let other = r#"{"auditID":"b","verb":"get","requestURI":"/version","user":{"username":"u"},"respon"#;
        let events = parse(&format!("{start}\n{end}\n{other}")).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(
            (
                events[0].verb.as_str(),
                events[0].resource.as_str(),
                events[0].code
            ),
            ("watch", "secrets", 200)
        );
    }

    #[test]
    fn an_answered_patch_is_a_write_and_a_refused_one_is_not() {
        let line = r#"{"auditID":"a","verb":"patch","requestURI":"/x","objectRef":{"resource":"oauthclients","subresource":"status","apiGroup":"oauthclient.dev"},"responseStatus":{"code":200}}"#;
        let refused = line.replace("200", "403").replace("\"a\"", "\"b\"");
        let events = parse(&format!("{line}\n{refused}\n")).unwrap();
        assert_eq!(events[0].rule_resource(), "oauthclients/status");
        assert!(events[0].is_write());
        assert!(!events[1].is_write());
        let question = line
            .replace("patch", "create")
            .replace("oauthclients", "selfsubjectaccessreviews");
        assert!(!parse(&format!("{question}\n")).unwrap()[0].is_write());
    }
}
