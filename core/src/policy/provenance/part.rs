//! Which part of a request a lender has a share in.

/// The maximum number of lenders of one token, because they are stored with it.
pub(super) const MOST_LENDERS: usize = 16;

/// What is sent of a lender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPart<'a> {
    /// Its own content.
    Content,
    /// The access token in this Secret, which was obtained with it.
    Token(&'a str),
    /// An access token that returns to its provider for revocation.
    Returned,
    /// The refresh token, which was obtained with it.
    RefreshToken,
}
