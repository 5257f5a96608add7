//! Bytes that must not be shown: credentials, tokens, and everything derived from them.

use std::sync::Arc;

use zeroize::Zeroizing;

/// A secret value. Clones share one buffer, which is wiped when the last of them is dropped.
///
/// It has no `Debug`, `Display` or `Serialize`, so that it cannot get into a log, an event or a status. To find all
/// places that read it, search for [`Secret::expose`] and [`Secret::expose_bytes`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// Takes ownership of the bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Secret(Arc::new(Zeroizing::new(bytes.into())))
    }

    /// The bytes. The caller is responsible for where they go.
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, or `None` if they are not UTF-8. The caller is responsible for where it goes.
    pub fn expose(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret::new(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret::new(text.as_bytes())
    }
}
