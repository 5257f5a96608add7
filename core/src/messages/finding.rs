//! A finding: what prevents something, of every kind.

use crate::conditions::Reason;

use super::catalogue::{Example, Values};
use super::{
    Audience, CredentialsFinding, Explanation, ReferenceFinding, RequestFinding, SpecFinding,
    TokenSecretFinding, TrustFinding, WriteFinding,
};

/// Lists the kinds of findings, and what each of them can do.
macro_rules! kinds {
    ($($(#[$about:meta])* $kind:ident($type:ty),)*) => {
        /// What is wrong with a resource, or with what it needs.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Finding {
            $($(#[$about])* $kind($type),)*
        }

        impl Finding {
            /// Why, in one word of the documented list.
            pub fn reason(&self) -> Reason {
                match self {
                    $(Finding::$kind(finding) => finding.reason(),)*
                }
            }

            /// The finding in words: what happened, and what to do.
            pub fn explain(&self, audience: Audience) -> Explanation {
                match self {
                    $(Finding::$kind(finding) => finding.explain(audience),)*
                }
            }
        }

        impl Example for Finding {
            fn examples(field: &str, values: Values) -> Vec<Finding> {
                let mut all = Vec::new();
                $(all.extend(<$type>::examples(field, values).into_iter().map(Finding::$kind));)*
                all
            }
        }

        $(
            impl From<$type> for Finding {
                fn from(finding: $type) -> Finding {
                    Finding::$kind(finding)
                }
            }
        )*
    };
}

kinds! {
    /// About the spec.
    Spec(SpecFinding),
    /// About the token Secret, or the Secret with the refresh token.
    TokenSecret(TokenSecretFinding),
    /// About what a request is made with.
    Credentials(CredentialsFinding),
    /// About what may be sent where, and about permissions.
    Trust(TrustFinding),
    /// About other resources whose tokens are exchanged.
    Reference(ReferenceFinding),
    /// About writing Secrets.
    Write(WriteFinding),
    /// About requests that gave no token.
    Request(RequestFinding),
}
