//! A minimal DER parser that finds the kind of private key in a PKCS#8 document (RFC 5208 section 5, RFC 5958).

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// The content of a PKCS#8 document.
pub(super) struct PrivateKeyInfo<'a> {
    /// The object identifier of the algorithm.
    pub(super) algorithm: &'a [u8],
    /// The object identifier of its parameters (the curve), if they are one.
    pub(super) parameters: Option<&'a [u8]>,
    /// The key itself, in the format of the algorithm.
    pub(super) key: &'a [u8],
}

/// Parses the outer part of a PKCS#8 document; `None` if it is none.
pub(super) fn private_key_info(der: &[u8]) -> Option<PrivateKeyInfo<'_>> {
    let (body, rest) = element(der, SEQUENCE)?;
    if !rest.is_empty() {
        return None;
    }
    let (_version, body) = element(body, INTEGER)?;
    let (algorithm, body) = element(body, SEQUENCE)?;
    let (key, _attributes) = element(body, OCTET_STRING)?;
    let (algorithm, parameters) = element(algorithm, OBJECT_IDENTIFIER)?;
    Some(PrivateKeyInfo {
        algorithm,
        parameters: element(parameters, OBJECT_IDENTIFIER).map(|(curve, _)| curve),
        key,
    })
}

/// The curve in an `ECPrivateKey` (RFC 5915 section 3), and whether it has its public part.
pub(super) fn ec_private_key(der: &[u8]) -> Option<(Option<&[u8]>, bool)> {
    let (body, _) = element(der, SEQUENCE)?;
    let (_version, body) = element(body, INTEGER)?;
    let (_key, body) = element(body, OCTET_STRING)?;
    let (curve, body) = match element(body, 0xa0) {
        Some((parameters, rest)) => (
            element(parameters, OBJECT_IDENTIFIER).map(|(curve, _)| curve),
            rest,
        ),
        None => (None, body),
    };
    Some((curve, element(body, 0xa1).is_some()))
}

/// The content of the first element, which must have this tag, and the rest.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*length) {
        short @ 0..=0x7f => (short, rest),
        // Keys are shorter than 64 KiB.
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// Wraps SEC1 in PKCS#8, which `ring` parses.
pub(super) fn wrap_ec(curve: &[u8], sec1: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    const EC_PUBLIC_KEY: &[u8] = &[
        OBJECT_IDENTIFIER,
        7,
        0x2a,
        0x86,
        0x48,
        0xce,
        0x3d,
        0x02,
        0x01,
    ];
    let mut algorithm = EC_PUBLIC_KEY.to_vec();
    put(&mut algorithm, OBJECT_IDENTIFIER, curve);
    let mut body = zeroize::Zeroizing::new(vec![INTEGER, 1, 0]);
    put(&mut body, SEQUENCE, &algorithm);
    put(&mut body, OCTET_STRING, sec1);
    let mut whole = zeroize::Zeroizing::new(Vec::with_capacity(body.len() + 4));
    put(&mut whole, SEQUENCE, &body);
    whole
}

fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    match u16::try_from(content.len()) {
        Ok(length) => {
            let [high, low] = length.to_be_bytes();
            match (high, low) {
                (0, 0..=0x7f) => out.push(low),
                (0, _) => out.extend([0x81, low]),
                _ => out.extend([0x82, high, low]),
            }
        }
        // Longer than any key: the length is truncated, and the parser refuses it.
        Err(_) => out.push(0),
    }
    out.extend(content);
}
