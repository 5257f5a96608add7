//! Whether a text holds a secret, in any spelling in which a program might show one.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// The least a secret must measure: anything shorter is found by chance.
const LEAST: usize = 5;
/// How much of the text around a finding is printed.
const AROUND: usize = 600;

/// A secret that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// How it was spelled.
    pub how: &'static str,
    /// The line that contains it, from its beginning.
    pub around: String,
}

/// The first place in `text` that contains one of `secrets`, in any spelling of [`spellings`].
///
/// # Panics
/// When a secret is so short that it could occur by chance.
#[must_use]
pub fn find(text: &str, secrets: &[&str]) -> Option<Leak> {
    let secrets: BTreeSet<&str> = secrets.iter().copied().collect();
    let mut all: Vec<(&'static str, String)> = Vec::new();
    for secret in secrets {
        assert!(secret.len() >= LEAST, "this secret is too short: {secret}");
        all.extend(spellings(secret));
    }
    // Hundreds of secrets in megabytes of text: each place is looked at once, for all of them.
    let mut by_start: HashMap<&[u8], Vec<&(&'static str, String)>> = HashMap::new();
    for spelling in &all {
        let start = spelling.1.as_bytes().get(..LEAST);
        by_start
            .entry(start.unwrap_or_default())
            .or_default()
            .push(spelling);
    }
    let places = text.as_bytes().windows(LEAST).enumerate();
    let (at, how) = places.into_iter().find_map(|(at, start)| {
        let rest = text.as_bytes().get(at..)?;
        let here = by_start.get(start)?.iter();
        let mut found = here.filter(|(_, spelling)| rest.starts_with(spelling.as_bytes()));
        found.next().map(|(how, _)| (at, *how))
    })?;
    let before = text.get(..at).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    let around = text.get(line..).unwrap_or_default();
    Some(Leak {
        how,
        around: around.chars().take(AROUND).collect(),
    })
}

/// A secret in plain, as JSON and URLs write it, in hex, as a list of bytes, and in base64 at every offset.
#[must_use]
pub fn spellings(secret: &str) -> Vec<(&'static str, String)> {
    let json = serde_json::Value::from(secret).to_string();
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let bytes: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    let mut all = vec![
        ("in plain", secret.to_owned()),
        ("as JSON", json.trim_matches('"').to_owned()),
        (
            "as JSON for HTML, as Go writes it",
            for_html(json.trim_matches('"')),
        ),
        ("URL-encoded", form.replace('+', "%20")),
        ("URL-encoded, in lower case", lower_escapes(&form)),
        ("form-encoded", form),
        ("in hex", hex.to_uppercase()),
        ("in hex", hex),
        ("as a list of bytes", bytes.join(", ")),
        ("as a list of bytes", bytes.join(",")),
    ];
    for (before, from) in [(0, 0), (1, 2), (2, 3)] {
        let mut bytes = vec![0; before];
        bytes.extend(secret.bytes());
        // What depends on the bytes before and after is left out.
        let to = bytes.len() * 8 / 6;
        for engine in [STANDARD, URL_SAFE] {
            let encoded = engine.encode(&bytes);
            let certain = encoded.get(from..to).unwrap_or_default();
            all.push(("in base64", certain.to_owned()));
        }
    }
    all
}

fn for_html(json: &str) -> String {
    json.replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
}

fn lower_escapes(form: &str) -> String {
    let mut out = String::new();
    let mut left = 0_u32;
    for c in form.chars() {
        left = if c == '%' { 3 } else { left };
        out.push(if left > 0 { c.to_ascii_lowercase() } else { c });
        left = left.saturating_sub(1);
    }
    out
}

/// What of a JWT must not be seen: the whole would be found by any part of it, so each of its parts by itself.
#[must_use]
pub fn parts(jwt: &str) -> Vec<String> {
    jwt.split('.').map(str::to_owned).collect()
}

/// What of a private key must not be seen: every line of a PEM by itself, and every private member of a JWK.
#[must_use]
pub fn key_parts(key: &str) -> Vec<String> {
    if let Ok(jwk) = serde_json::from_str::<serde_json::Value>(key) {
        let members = ["d", "p", "q", "dp", "dq", "qi", "k"];
        let found = members.iter().filter_map(|name| jwk.get(name)?.as_str());
        return found.map(str::to_owned).collect();
    }
    key.lines()
        .map(str::trim)
        .filter(|line| line.len() > 20 && !line.starts_with("-----"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cr3t/+=&%\"x";

    #[test]
    fn a_secret_is_found_in_every_spelling() {
        let hidden = [
            format!("client_secret={SECRET}"),
            format!("a line\n{:?}", format!("client_secret={SECRET}")),
            r#"{"client_secret": "s3cr3t/+=\u0026%\"x"}"#.to_owned(),
            "client_secret=s3cr3t%2F%2B%3D%26%25%22x".to_owned(),
            "client_secret=s3cr3t%2f%2b%3d%26%25%22x".to_owned(),
            STANDARD.encode(SECRET),
            STANDARD.encode(format!("id:{SECRET}")),
            URL_SAFE.encode(format!("user:{SECRET}:more")),
            "7333637233742f2b3d26252278".to_owned(),
            format!("{:?}", format!("a{SECRET}b").as_bytes()),
        ];
        for text in hidden {
            assert!(find(&text, &[SECRET]).is_some(), "{text}");
        }
        assert_eq!(find("nothing of s3cr3t/ here", &[SECRET]), None);
    }

    #[test]
    fn a_find_tells_its_line() {
        let text = "first\nsecond: s3cr3t-value\nthird";
        let leak = find(text, &["another-secret", "s3cr3t-value"]);
        let leak = leak.map(|leak| (leak.how, leak.around));
        assert_eq!(
            leak,
            Some(("in plain", "second: s3cr3t-value\nthird".to_owned()))
        );
    }

    #[test]
    fn keys_and_tokens_are_known_by_their_parts() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49\nAwEHBG0wawIBAQ==\n-----END PRIVATE KEY-----\n";
        assert_eq!(key_parts(pem), ["MIGHAgEAMBMGByqGSM49AgEGCCqGSM49"]);
        let jwk = r#"{"kty": "EC", "x": "public", "d": "private"}"#;
        assert_eq!(key_parts(jwk), ["private"]);
        assert_eq!(parts("a.b.c"), ["a", "b", "c"]);
    }
}
