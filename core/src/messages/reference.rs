//! Tokens of other resources that are exchanged.

use crate::command::Command;
use crate::conditions::Reason;

use super::catalogue::catalogue;
use super::text::{Text, text};
use super::{Audience, Explanation, Remedy};

catalogue! {
    /// What prevents using the token of another resource.
    pub enum ReferenceFinding {
        /// There is no such resource.
        NotFound {
            /// The other resource.
            client: String,
            /// Its namespace.
            namespace: String,
        },
        /// It has no token that can be used.
        NotReady {
            /// The other resource.
            client: String,
            /// Its namespace.
            namespace: String,
            /// Why.
            why: NoToken,
        },
        /// Its token Secret is not labelled.
        NotOptedIn {
            /// The other resource.
            client: String,
            /// Its namespace.
            namespace: String,
        },
        /// Its token Secret has no token under the key.
        KeyMissing {
            /// The other resource.
            client: String,
            /// Its token Secret.
            secret: String,
            /// The key.
            key: String,
        },
        /// Resources exchange each other's tokens.
        Cycle {
            /// Their names, the first one repeated.
            way: Vec<String>,
        },
    }
}

catalogue! {
    /// Why another resource has no token that can be used.
    pub enum NoToken {
        /// It never had one.
        NotIssued,
        /// Its token Secret was altered.
        Repairing,
        /// Its token has expired.
        Expired,
    }
}

/// The patch with which an `OAuthClient` opts in its token.
const OPT_IN: &str =
    r#"{"spec":{"tokenSecret":{"labels":{"oauthclient.dev/credentials":"true"}}}}"#;

fn client_command(verb: &'static str, name: &str, namespace: &str) -> Command {
    Command::kubectl(&[verb, "oauthclients.oauthclient.dev"])
        .value(name)
        .namespace(namespace)
}

impl ReferenceFinding {
    /// Why, in one word of the documented list.
    pub fn reason(&self) -> Reason {
        match self {
            ReferenceFinding::NotFound { .. } => Reason::ReferenceNotFound,
            ReferenceFinding::NotReady { .. } => Reason::ReferenceNotReady,
            ReferenceFinding::NotOptedIn { .. } => Reason::ReferenceNotOptedIn,
            ReferenceFinding::KeyMissing { .. } => Reason::ReferenceKeyMissing,
            ReferenceFinding::Cycle { .. } => Reason::ReferenceCycle,
        }
    }

    pub(super) fn explain(&self, audience: Audience) -> Explanation {
        match self {
            ReferenceFinding::NotFound { client, namespace } => Explanation::new(
                text![
                    "There is no OAuthClient ",
                    client,
                    " in namespace ",
                    namespace,
                    ", whose token is to be exchanged."
                ],
                Remedy::advice(text![
                    "Create it, or name another one in spec.grant.tokenExchange. It is used at once."
                ]),
            ),
            ReferenceFinding::NotReady {
                client,
                namespace,
                why,
            } => Explanation::new(
                text![
                    "OAuthClient ",
                    client,
                    ", whose token is needed for the request, ",
                    why.text(),
                    "."
                ],
                match audience {
                    Audience::Cluster => Remedy::run(
                        text![
                            "The operator continues as soon as it has a token. To see why it has none, run:"
                        ],
                        client_command("describe", client, namespace),
                    ),
                    Audience::Files => Remedy::advice(text![
                        "The operator continues as soon as it has a token. The lines about it say why it has none."
                    ]),
                },
            ),
            ReferenceFinding::NotOptedIn { client, namespace } => Explanation::new(
                text![
                    "The token Secret of OAuthClient ",
                    client,
                    " lacks the label oauthclient.dev/credentials=true."
                ],
                match audience {
                    Audience::Cluster => Remedy::run(
                        text!["If you own it and want it sent to this provider, run:"],
                        client_command("patch", client, namespace).fixed(&[
                            "--type=merge",
                            "-p",
                            OPT_IN,
                        ]),
                    ),
                    Audience::Files => Remedy::advice(text![
                        "If it may be sent to this provider, put the label into spec.tokenSecret.labels of its manifest."
                    ]),
                },
            ),
            ReferenceFinding::KeyMissing {
                client,
                secret,
                key,
            } => Explanation::new(
                text![
                    "The token Secret ",
                    secret,
                    " of OAuthClient ",
                    client,
                    " has no token under the key ",
                    key,
                    "."
                ],
                Remedy::advice(text![
                    "Correct the key in spec.grant.tokenExchange, or add it to spec.tokenSecret.data there."
                ]),
            ),
            ReferenceFinding::Cycle { way } => Explanation::new(
                text![
                    "OAuthClients exchange each other's tokens in a cycle: ",
                    cycle(way),
                    "."
                ],
                Remedy::advice(text![
                    "Change the source in spec.grant.tokenExchange of one of them."
                ]),
            ),
        }
    }
}

impl NoToken {
    fn text(&self) -> Text {
        match self {
            NoToken::NotIssued => text!["has no token yet"],
            NoToken::Repairing => text!["is repairing its altered token Secret"],
            NoToken::Expired => text!["has a token that has expired"],
        }
    }
}

/// The most names of a cycle that are shown.
const MOST_NAMES: usize = 4;

fn cycle(way: &[String]) -> Text {
    let shown = way.get(..MOST_NAMES).unwrap_or(way);
    match way.len() - shown.len() {
        0 => Text::list(shown, " -> "),
        more => text![Text::list(shown, " -> "), " -> (", more, " more)"],
    }
}
