//! The URL of a device login as a QR code, for a phone.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The code in half blocks; `None` if the terminal is too narrow, or the URL too long for a screen.
pub(super) fn of(address: &str, width: u16) -> Option<String> {
    let code = QrCode::with_error_correction_level(address, EcLevel::L).ok()?;
    // Light on dark, as in most terminals; phones read both. It includes the quiet zone (ISO/IEC 18004 section 5.3.8).
    let text = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    let columns = text.lines().next()?.chars().count();
    (columns <= usize::from(width)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_where_it_fits() {
        let address = "https://login.example.com/device?user_code=WDJB-MJHT";
        let code = of(address, 80).unwrap();
        let columns = code.lines().next().unwrap().chars().count();
        assert!(
            code.lines().all(|line| line.chars().count() == columns),
            "{code}"
        );
        assert!(
            columns.div_ceil(2).abs_diff(code.lines().count()) <= 1,
            "it is square"
        );
        assert_eq!(of(address, 20), None);
        assert_eq!(of(&"x".repeat(5000), 300), None);
    }
}
