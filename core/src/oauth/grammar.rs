//! Values of a response that people may see or that go into headers: types that only a checking constructor creates.

use std::fmt;
use std::ops::Deref;

/// The maximum length of a token type, which is part of a header in every request of the workload.
const MAX_TOKEN_TYPE: usize = 64;
/// The maximum length of a scope in bytes, which is part of the token Secret and the status.
const MAX_SCOPE: usize = 8192;

/// A granted scope: scope tokens as in RFC 6749 section 3.3, separated by single spaces or as the server wrote them.
///
/// Angle brackets, which the RFC allows, are refused, because statuses are shown in web pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(String);

impl Scope {
    /// Accepts a valid scope. An empty one is the empty scope.
    pub fn parse(text: &str) -> Option<Scope> {
        let is_scope = text.len() <= MAX_SCOPE && text.bytes().all(is_scope_byte);
        is_scope.then(|| Scope(text.to_owned()))
    }

    /// The scope as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first tokens that fit into `most` bytes.
    #[must_use]
    pub fn shortened(&self, most: usize) -> Scope {
        if self.0.len() <= most {
            return self.clone();
        }
        let fits = self.0.get(..most).unwrap_or_default();
        let end = fits.rfind(' ').unwrap_or(0);
        Scope(fits.get(..end).unwrap_or_default().to_owned())
    }
}

impl Deref for Scope {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// `scope-token` of RFC 6749 section 3.3 and the space between two, without angle brackets.
fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, b' ' | 0x21 | 0x23..=0x5B | 0x5D..=0x7E) && !matches!(byte, b'<' | b'>')
}

/// A token type: `Bearer`, or another short token for a header (RFC 6749 section 7.1, RFC 9110 section 11.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenType(String);

impl TokenType {
    /// The usual type (RFC 6750).
    pub fn bearer() -> TokenType {
        TokenType("Bearer".to_owned())
    }

    /// Accepts a short token; `bearer` in any case becomes `Bearer`.
    pub fn parse(text: &str) -> Option<TokenType> {
        if text.is_empty() || text.eq_ignore_ascii_case("bearer") {
            return Some(TokenType::bearer());
        }
        let is_word = text.len() <= MAX_TOKEN_TYPE
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"<>\"'\\`".contains(&byte));
        is_word.then(|| TokenType(text.to_owned()))
    }

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for TokenType {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for TokenType {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_made_of_the_letters_of_the_rfc() {
        for text in [
            "",
            "read",
            "read write",
            "a,b",
            "https://x.example/auth/a.b-c_d",
            "api://1/.default",
            "!#$%&'()*+~",
        ] {
            assert_eq!(Scope::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "a\"b",
            "a\\b",
            "a\nb",
            "a\tb",
            "é",
            "a\u{202e}b",
            "<script>",
            "\u{7f}",
            "\0",
        ] {
            assert_eq!(Scope::parse(text), None, "{text:?}");
        }
        assert_eq!(Scope::parse(&"x".repeat(MAX_SCOPE + 1)), None);
    }

    #[test]
    fn a_long_scope_is_cut_between_two_tokens() {
        let scope = Scope::parse("read write admin").unwrap();
        assert_eq!(scope.shortened(100).as_str(), "read write admin");
        assert_eq!(scope.shortened(12).as_str(), "read write");
        assert_eq!(scope.shortened(3).as_str(), "");
    }

    #[test]
    fn a_token_type_is_a_short_word() {
        assert_eq!(TokenType::parse("bEARER").unwrap(), "Bearer");
        assert_eq!(TokenType::parse("DPoP").unwrap(), "DPoP");
        for text in ["a b", "a\r\nb", "<b>", "é", &"x".repeat(65)] {
            assert_eq!(TokenType::parse(text), None, "{text:?}");
        }
    }
}
