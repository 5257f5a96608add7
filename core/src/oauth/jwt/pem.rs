//! PEM as in real Secrets (RFC 7468): several blocks, text around them, lines of any length, Windows line ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::KeyProblem;

/// One block.
pub(super) struct Block<'a> {
    /// Its label, such as `PRIVATE KEY`.
    pub(super) label: &'a str,
    /// The text between its two lines.
    body: &'a str,
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Every block in a text.
///
/// # Errors
/// [`KeyProblem::CutOff`] if a block does not end.
pub(super) fn blocks(text: &str) -> Result<Vec<Block<'_>>, KeyProblem> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (label, after) = after.split_once(DASHES).ok_or(KeyProblem::CutOff)?;
        let end = format!("-----END {label}-----");
        let (body, after) = after.split_once(&end).ok_or(KeyProblem::CutOff)?;
        blocks.push(Block { label, body });
        rest = after;
    }
    Ok(blocks)
}

impl Block<'_> {
    /// Whether the key has the old form of encryption, with headers before the text (RFC 1421).
    pub(super) fn is_encrypted(&self) -> bool {
        self.body.contains("ENCRYPTED")
    }

    /// The decoded content.
    pub(super) fn document(&self) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
        let text: Zeroizing<String> = Zeroizing::new(
            self.body
                .chars()
                .filter(|c| !c.is_ascii_whitespace())
                .collect(),
        );
        if text.contains('\\') {
            return Err(KeyProblem::EscapedLineBreaks);
        }
        STANDARD
            .decode(text.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| KeyProblem::NotBase64)
    }
}
