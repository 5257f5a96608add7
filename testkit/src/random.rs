//! Randomness for ports, tokens and names.

use crate::{Error, Result};
use ring::rand::{SecureRandom, SystemRandom};

/// `N` unpredictable bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::new("the system gives no random bytes"))?;
    Ok(bytes)
}

/// 32 unpredictable hex digits.
pub(crate) fn hex() -> Result<String> {
    Ok(bytes::<16>()?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
