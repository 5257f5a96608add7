//! The last page in the browser: plain HTML, accessible, with a dark scheme, without external resources.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

/// The style sheet; the policy allows only this one.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;font:1.125rem/1.6 system-ui,sans-serif;background:Canvas;color:CanvasText}\
main{max-width:38rem;margin:0 auto;padding:12vh 1.5rem 4rem}\
h1{font-size:1.75rem;line-height:1.25;margin:0 0 1rem}\
h1::before{content:'';display:block;width:3rem;height:.375rem;margin-bottom:1.25rem;background:currentColor}\
p{margin:0 0 1rem}\
code{font-family:ui-monospace,monospace;font-size:.95em;overflow-wrap:anywhere}\
.done h1{color:#116329}.failed h1{color:#a40e26}\
@media (prefers-color-scheme:dark){.done h1{color:#7ee787}.failed h1{color:#ff9492}}";

/// Nothing may be loaded, run, framed or submitted. The hash allows the style sheet.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The content of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) kind: Kind,
    /// The result, in a few words.
    pub(super) title: String,
    /// Sentences: details, and what to do next. Text between backquotes is a command or a name.
    pub(super) paragraphs: Vec<String>,
}

/// The result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Done,
    Failed,
    /// Neither: this page belongs to no login.
    Aside,
}

impl Page {
    pub(super) fn new(kind: Kind, title: &str, paragraphs: &[&str]) -> Page {
        Page {
            kind,
            title: title.to_owned(),
            paragraphs: paragraphs.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    /// As HTML.
    pub(super) fn html(&self) -> String {
        let (class, role) = match self.kind {
            Kind::Done => ("done", "status"),
            Kind::Failed => ("failed", "alert"),
            Kind::Aside => ("aside", "status"),
        };
        let title = escaped(&self.title);
        let text: String = self
            .paragraphs
            .iter()
            .map(|paragraph| format!("<p>{}</p>\n", with_code(paragraph)))
            .collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <main class=\"{class}\" role=\"main\">\n<div role=\"{role}\">\n<h1>{title}</h1>\n{text}</div>\n</main>\n</body>\n</html>\n"
        )
    }
}

/// Renders text between backquotes as code.
fn with_code(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            out += &format!("<code>{}</code>", escaped(part));
        } else {
            out += &escaped(part);
        }
    }
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_elsewhere_is_text_and_never_markup() {
        let page = Page::new(
            Kind::Failed,
            "<script>alert(1)</script>",
            &["run `kubectl get oac \"x\" & y`, then"],
        );
        let html = page.html();
        assert!(!html.contains("<script"), "{html}");
        assert!(
            html.contains("<code>kubectl get oac &quot;x&quot; &amp; y</code>"),
            "{html}"
        );
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        let html = Page::new(Kind::Done, "Logged in", &["Close this window."]).html();
        for word in ["http:", "https:", "src=", "href=", "url(", "@import"] {
            assert!(!html.contains(word), "{word}: {html}");
        }
        assert!(POLICY.starts_with("default-src 'none'; style-src 'sha256-"));
    }
}
