//! Path prefixes: compared by segment, after percent-decoding. A path that different servers could read differently is
//! below no prefix.

use percent_encoding::percent_decode;

/// How often a segment is decoded to find what a server behind a proxy might make of it.
const DECODINGS: usize = 4;

/// The segments of a prefix; `None` where it holds what no prefix may hold.
pub(super) fn prefix(path: &str) -> Option<Vec<Vec<u8>>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    if path.contains(['?', '#', '\\']) {
        return None;
    }
    path.split('/')
        .map(|segment| segment_of(segment).filter(|segment| !segment.is_empty()))
        .collect()
}

/// Whether the path of a URL is the prefix or below it.
pub(super) fn is_below(path: &str, prefix: &[Vec<u8>]) -> bool {
    let Some(path) = path.strip_prefix('/') else {
        return false;
    };
    let segments: Option<Vec<Vec<u8>>> = path.split('/').map(segment_of).collect();
    segments.is_some_and(|segments| segments.starts_with(prefix))
}

/// A segment, decoded; `None` where it might lead elsewhere: a dot segment, a separator or a control character, however
/// often encoded, or a dot segment with parameters (`..;x`), which some servers resolve. So might what is no UTF-8 (an overlong
/// dot), what is still encoded after [`DECODINGS`] (`%u002e` too), and characters that some servers take for a dot or a slash.
fn segment_of(segment: &str) -> Option<Vec<u8>> {
    let decoded: Vec<u8> = percent_decode(segment.as_bytes()).collect();
    let mut seen = segment.as_bytes().to_vec();
    for _ in 0..DECODINGS {
        let plain = seen.split(|byte| *byte == b';').next().unwrap_or_default();
        let leads_elsewhere = matches!(plain, b"." | b"..")
            || seen
                .iter()
                .any(|byte| matches!(byte, b'/' | b'\\') || byte.is_ascii_control());
        if leads_elsewhere {
            return None;
        }
        seen = percent_decode(&seen).collect();
    }
    let is_plain = |c: char| c != '%' && !is_taken_for_ascii(c);
    let text = str::from_utf8(&seen).ok()?;
    text.chars().all(is_plain).then_some(decoded)
}

/// Whether some servers take a character for an ASCII one that it resembles.
fn is_taken_for_ascii(c: char) -> bool {
    matches!(
        c,
        '\u{2024}'..='\u{2026}' | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29f8}' | '\u{29f9}' | '\u{fe52}' | '\u{fe68}'
            | '\u{ff01}'..='\u{ff5e}'
    )
}
