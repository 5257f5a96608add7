//! Finding a secret in text, raw or encoded, in a time that does not depend on where the two agree.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::oauth::disclosure::sent::{MIN_CONTAINED, SentSecret};

type Text = Zeroizing<String>;

/// So many times text may be encoded in another form.
const ROUNDS: usize = 4;
/// Text in more forms than this is taken for one that hides a secret: nothing honest is encoded in so many ways at once, and each
/// form costs time.
const MOST_FORMS: usize = 16;
/// Longer text, in bytes, is decoded once only. Nothing of that length is shown to people.
const LONG: usize = 64 << 10;

/// The texts that a text may encode.
pub(crate) struct Forms {
    /// As it is, and decoded from percent encoding, form encoding and JSON's escapes.
    plain: Vec<Text>,
    /// The same in base64's first alphabet.
    base64: Vec<Text>,
    /// There are more.
    pub(super) too_many: bool,
}

/// A secret in the forms that are looked for.
pub(crate) struct Needle {
    raw: Zeroizing<Vec<u8>>,
    /// The whole of it in base64, without padding.
    base64: Vec<Text>,
    /// What base64 makes of it at each of three places in other text, without the letters that depend on what is beside it.
    within_base64: Vec<Text>,
}

#[cfg(test)]
impl Forms {
    pub(super) fn count(&self) -> usize {
        self.plain.len()
    }
}

impl Needle {
    pub(super) fn new(sent: &SentSecret) -> Needle {
        let raw = Zeroizing::new(sent.value.expose_bytes().to_vec());
        let mut values = vec![raw.clone()];
        // Basic authentication encodes as a form first (RFC 6749 section 2.3.1).
        let form: Vec<u8> = url::form_urlencoded::byte_serialize(&raw)
            .collect::<String>()
            .into_bytes();
        if form != *raw {
            values.push(Zeroizing::new(form));
        }
        // A JSON body or a claim of an assertion holds it as JSON writes it.
        if let Ok(text) = str::from_utf8(&raw)
            && let Ok(json) = serde_json::to_string(text).map(Zeroizing::new)
            && let Some(inner) = json.get(1..json.len().saturating_sub(1))
            && inner.as_bytes() != raw.as_slice()
        {
            values.push(Zeroizing::new(inner.as_bytes().to_vec()));
        }
        let base64 = values
            .iter()
            .map(|value| Text::new(STANDARD_NO_PAD.encode(value)))
            .collect();
        let within_base64 = values
            .iter()
            .filter(|value| value.len() >= MIN_CONTAINED)
            .flat_map(|value| (0..3).map(|offset| inner_base64(value, offset)))
            .collect();
        Needle {
            raw,
            base64,
            within_base64,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.raw.len()
    }

    pub(super) fn equals(&self, text: &str) -> bool {
        text.as_bytes().ct_eq(&self.raw).into()
    }

    /// Whether the text has it as it is.
    pub(super) fn is_in_raw(&self, text: &str) -> bool {
        self.equals(text) || (self.len() >= MIN_CONTAINED && contains(text.as_bytes(), &self.raw))
    }

    /// Whether a text equals or contains it, in any form.
    pub(crate) fn is_in(&self, forms: &Forms) -> bool {
        forms.plain.iter().any(|text| self.is_in_raw(text))
            || forms.base64.iter().any(|text| {
                let whole = text.trim_end_matches('=').as_bytes();
                let is_whole = |one: &Text| bool::from(whole.ct_eq(one.as_bytes()));
                self.base64.iter().any(is_whole)
                    || self
                        .within_base64
                        .iter()
                        .any(|part| contains(text.as_bytes(), part.as_bytes()))
            })
    }
}

/// The base64 characters of a value that starts `offset` bytes into the encoded text, whatever surrounds it.
fn inner_base64(value: &[u8], offset: usize) -> Text {
    let mut padded = Zeroizing::new(vec![0_u8; offset]);
    padded.extend_from_slice(value);
    let encoded = Text::new(STANDARD_NO_PAD.encode(&padded));
    // A character encodes six bits: those of the previous bytes end within the character at `offset * 8 / 6`, rounded
    // up.
    let first = (offset * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    Text::new(encoded.get(first..end).unwrap_or_default().to_owned())
}

/// The texts that a text may encode.
pub(crate) fn forms(text: &str) -> Forms {
    let mut plain = vec![Text::new(text.to_owned())];
    let mut from = 0;
    let mut too_many = false;
    let rounds = if text.len() > LONG { 1 } else { ROUNDS };
    for _ in 0..rounds {
        let until = plain.len();
        for at in from..until {
            let Some(text) = plain.get(at).cloned() else {
                break;
            };
            for decoded in [percent_decoded(&text), with_spaces(&text), unescaped(&text)] {
                let Some(decoded) = decoded.filter(|decoded| !plain.contains(decoded)) else {
                    continue;
                };
                match plain.len() < MOST_FORMS {
                    true => plain.push(decoded),
                    false => too_many = true,
                }
            }
        }
        from = until;
        if from == plain.len() {
            break;
        }
    }
    let base64 = plain.iter().map(|text| first_alphabet(text)).collect();
    Forms {
        plain,
        base64,
        too_many,
    }
}

fn percent_decoded(text: &str) -> Option<Text> {
    text.contains('%').then(|| {
        let decoded = percent_encoding::percent_decode_str(text);
        Text::new(decoded.decode_utf8_lossy().into_owned())
    })
}

fn with_spaces(text: &str) -> Option<Text> {
    text.contains('+')
        .then(|| Text::new(text.replace('+', " ")))
}

/// Without the escapes of a JSON string (RFC 8259 section 7).
fn unescaped(text: &str) -> Option<Text> {
    if !text.contains('\\') {
        return None;
    }
    let mut out = Text::default();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let c = u32::from_str_radix(&digits, 16).ok();
                out.extend(c.and_then(char::from_u32));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    Some(out)
}

/// Base64url in the letters of base64, and without white space.
fn first_alphabet(text: &str) -> Text {
    let mapped = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        });
    Text::new(mapped.collect())
}

/// Whether `text` contains `part`: a rolling sum over every place, and a comparison in constant time where the sums agree.
fn contains(text: &[u8], part: &[u8]) -> bool {
    const BASE: u64 = 0x0100_0000_01b3;
    if part.is_empty() || text.len() < part.len() {
        return false;
    }
    let sum = |bytes: &[u8]| {
        bytes.iter().fold(0_u64, |sum, byte| {
            sum.wrapping_mul(BASE).wrapping_add(u64::from(*byte))
        })
    };
    let wanted = sum(part);
    // BASE to the power of one less than the length: what the byte that leaves has become.
    let leaving = (1..part.len()).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut found = false;
    let mut rolling = 0_u64;
    for (at, window) in text.windows(part.len()).enumerate() {
        rolling = match at.checked_sub(1).and_then(|before| text.get(before)) {
            None => sum(window),
            Some(gone) => rolling
                .wrapping_sub(u64::from(*gone).wrapping_mul(leaving))
                .wrapping_mul(BASE)
                .wrapping_add(window.last().map_or(0, |byte| u64::from(*byte))),
        };
        if rolling == wanted {
            found |= bool::from(window.ct_eq(part));
        }
    }
    found
}
