//! Tokens of `ServiceAccounts`, read from files: without a cluster, nothing can issue them.

use crate::model::{Failure, Fetched};
use crate::oauth::ServiceAccountToken;
use crate::secret::Secret;

use super::files::Files;

/// Longer files are refused.
const LONGEST: u64 = 64 * 1024;

impl Files {
    /// The token of a `ServiceAccount`, read from its file now.
    pub(super) fn account_token(&self, wanted: &ServiceAccountToken) -> Result<Fetched, Failure> {
        let failed = |why: &str| Failure::account_token(wanted, why);
        let path = self
            .account_files
            .get(&wanted.account)
            .ok_or_else(|| failed("no file was given for it"))?;
        let size = std::fs::metadata(path).map(|metadata| metadata.len());
        if size.is_ok_and(|size| size > LONGEST) {
            return Err(failed("its file is too large for a token"));
        }
        let text = std::fs::read_to_string(path)
            .map(zeroize::Zeroizing::new)
            .map_err(|_| failed("its file cannot be read"))?;
        match text.trim() {
            "" => Err(failed("its file is empty")),
            token if token.chars().any(|c| c.is_control() || c.is_whitespace()) => {
                Err(failed("its file holds more than one line"))
            }
            token => Ok(Fetched::ServiceAccountToken(
                wanted.clone(),
                Secret::from(token),
            )),
        }
    }
}
