//! Which part of a request a lender has a share in.

/// So many lenders may have a part in one token: they are stored with it.
pub(crate) const MOST_LENDERS: usize = 16;

/// What is sent of a lender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Its own content.
    Content,
    /// The access token in this Secret, which was obtained with it.
    Token(&'a str),
    /// An access token that goes back to its provider, to be revoked.
    Returned,
    /// The refresh token, which was obtained with it.
    RefreshToken,
}
