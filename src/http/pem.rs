//! PEM as people paste it into Secrets and ConfigMaps.

use zeroize::Zeroizing;

/// PEM without a byte order mark, and without spaces around its lines: editors and templates of YAML leave both.
pub(super) fn tidy(pem: &[u8]) -> Zeroizing<Vec<u8>> {
    let pem = pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(pem);
    let mut tidy = Zeroizing::new(Vec::with_capacity(pem.len() + 1));
    for line in pem.split(|byte| *byte == b'\n') {
        tidy.extend_from_slice(line.trim_ascii());
        tidy.push(b'\n');
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::tidy;
    use crate::http::CaBundle;

    #[test]
    fn marks_spaces_and_line_ends_of_editors_do_not_count() {
        let pem = testkit::tls::Authority::new("tidy").unwrap().pem();
        let indented: String = pem.lines().map(|line| format!("    {line}  \n")).collect();
        for text in [
            format!("\u{feff}{pem}"),
            pem.replace('\n', "\r\n"),
            indented,
            format!("# our authority\n\t{}", pem.replace('\n', "\n\t")),
        ] {
            assert!(CaBundle::from_pem(text.as_bytes()).is_ok(), "{text:?}");
        }
        assert_eq!(tidy(b"\xef\xbb\xbfa \r\n\tb").as_slice(), b"a\nb\n");
    }
}
