//! The examples of the RFCs, and properties of requests. `tests/assertions.rs` creates keys with `openssl`, and invalid
//! ones.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::rand::SystemRandom;

use super::*;

/// RFC 7515 appendix A.2.1.
pub(crate) const RSA: &str = r#"{"kty":"RSA",
  "n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
  "e":"AQAB",
  "d":"Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
  "p":"4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
  "q":"uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
  "dp":"BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
  "dq":"h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
  "qi":"IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U"}"#;

/// RFC 7515 appendix A.3.1.
pub(crate) const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

/// RFC 8037 appendix A.1.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// RFC 7515 appendix A.1.1.
const SYMMETRIC: &str = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;

/// The claims of RFC 7515 appendix A, with the RFC's own white space.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn key(text: &str) -> SigningKey {
    SigningKey::parse(text.as_bytes(), &SystemRandom::new())
        .unwrap_or_else(|problem| panic!("{problem}"))
}

fn refused(text: &str) -> KeyProblem {
    match SigningKey::parse(text.as_bytes(), &SystemRandom::new()) {
        Ok(_) => panic!("it was read"),
        Err(problem) => problem,
    }
}

fn signed(text: &str, algorithm: Algorithm, message: &str) -> String {
    let signature = key(text).sign(algorithm, message.as_bytes(), &SystemRandom::new());
    URL_SAFE_NO_PAD.encode(signature.unwrap())
}

#[test]
fn rs256_signs_the_example_of_the_rfc() {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
    assert_eq!(
        signed(RSA, Algorithm::Rs256, &format!("{header}.{CLAIMS}")),
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
}

#[test]
fn hs256_signs_the_example_of_the_rfc() {
    let header = URL_SAFE_NO_PAD.encode("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}");
    assert_eq!(
        signed(SYMMETRIC, Algorithm::Hs256, &format!("{header}.{CLAIMS}")),
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
}

#[test]
fn eddsa_signs_the_example_of_rfc_8037() {
    assert_eq!(
        signed(
            ED25519,
            Algorithm::EdDsa,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
        ),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

#[test]
fn es256_signs_as_r_and_s_and_verifies_with_the_public_key_of_the_rfc() {
    let message = format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}");
    let signature = key(P256)
        .sign(Algorithm::Es256, message.as_bytes(), &SystemRandom::new())
        .unwrap();
    assert_eq!(signature.len(), 64);
    let point = key(P256).public().unwrap().to_vec();
    ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point)
        .verify(message.as_bytes(), &signature)
        .unwrap();
}

#[test]
fn an_assertion_is_the_same_bytes_each_time_without_white_space_and_padding() {
    let mut header = Fields::default();
    header.add("typ", "JWT");
    header.add_some("kid", Some("a\"b"));
    header.add_some("x5t", None);
    let mut claims = Fields::default();
    claims.add("iss", "me");
    claims.add("exp", 7);
    claims.add("list", serde_json::json!(["æ", {"b": 1, "a": null}]));
    let make = || {
        compact(
            &key(SYMMETRIC),
            Algorithm::Hs256,
            &header,
            &claims,
            &SystemRandom::new(),
        )
    };
    let (one, two) = (make().ok().unwrap(), make().ok().unwrap());
    assert!(one == two);
    let parts: Vec<String> = one
        .expose()
        .unwrap()
        .split('.')
        .take(2)
        .map(|part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    assert_eq!(parts[0], r#"{"alg":"HS256","typ":"JWT","kid":"a\"b"}"#);
    assert_eq!(
        parts[1],
        r#"{"iss":"me","exp":7,"list":["æ",{"a":null,"b":1}]}"#
    );
}

#[test]
fn an_identifier_is_a_uuid_of_random_bits() {
    assert_eq!(identifier([0; 16]), "00000000-0000-4000-8000-000000000000");
    assert_eq!(
        identifier([0xff; 16]),
        "ffffffff-ffff-4fff-bfff-ffffffffffff"
    );
}

#[test]
fn the_algorithm_is_the_one_asked_for_then_the_keys_own_then_the_usual_one() {
    assert_eq!(key(RSA).choose(None), Ok(Algorithm::Rs256));
    assert_eq!(key(P256).choose(None), Ok(Algorithm::Es256));
    assert_eq!(key(ED25519).choose(None), Ok(Algorithm::EdDsa));
    let named = RSA.replace(
        "\"AQAB\"",
        "\"AQAB\",\"alg\":\"PS256\",\"kid\":\"k1\",\"use\":\"sig\"",
    );
    assert_eq!(key(&named).choose(None), Ok(Algorithm::Ps256));
    assert_eq!(
        key(&named).choose(Some(Algorithm::Rs512)),
        Ok(Algorithm::Rs512)
    );
    assert_eq!(key(&named).id(), Some("k1"));
    let problem = key(P256).choose(Some(Algorithm::Rs256)).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "is a key on the curve P-256, which cannot sign with RS256: set the algorithm to one of ES256, or give it another key"
    );
}

#[test]
fn a_jwk_that_cannot_sign_says_why() {
    let public = RSA
        .split("\"d\"")
        .next()
        .unwrap()
        .trim_end()
        .trim_end_matches(',')
        .to_owned()
        + "}";
    assert_eq!(refused(&public), KeyProblem::Public);
    let without_primes = RSA
        .split("\"p\"")
        .next()
        .unwrap()
        .trim_end()
        .trim_end_matches(',')
        .to_owned()
        + "}";
    assert_eq!(refused(&without_primes), KeyProblem::RsaWithoutPrimes);
    assert_eq!(
        refused(&format!("{{\"keys\":[{P256}]}}")),
        KeyProblem::JwkSet
    );
    assert_eq!(
        refused(&P256.replace("P-256", "P-521")),
        KeyProblem::OtherKind
    );
    assert_eq!(
        refused(&P256.replace("\"EC\",", "\"EC\",\"use\":\"enc\",")),
        KeyProblem::NotForSigning
    );
    assert_eq!(
        refused(&P256.replace("\"EC\",", "\"EC\",\"key_ops\":[\"verify\"],")),
        KeyProblem::NotForSigning
    );
    assert_eq!(
        refused(&P256.replace("f83OJ3", "g83OJ3")),
        KeyProblem::Inconsistent
    );
    assert_eq!(refused(&P256.replace("f83OJ3", "!")), KeyProblem::Damaged);
    assert_eq!(refused("{\"client_id\":\"x\"}"), KeyProblem::OtherJson);
    assert_eq!(refused("{"), KeyProblem::NotAKey);
    assert_eq!(refused(""), KeyProblem::NotAKey);
    assert_eq!(refused("s3cret"), KeyProblem::NotAKey);
}

#[test]
fn the_client_secret_is_the_key_unless_it_is_a_symmetric_jwk() {
    let random = SystemRandom::new();
    let sign = |secret: &str| {
        SigningKey::symmetric(secret, &random)
            .sign(Algorithm::Hs256, b"m", &random)
            .unwrap()
    };
    let plain = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"{s3cret");
    assert_eq!(sign("{s3cret"), ring::hmac::sign(&plain, b"m").as_ref());
    assert_eq!(
        sign(SYMMETRIC),
        key(SYMMETRIC)
            .sign(Algorithm::Hs256, b"m", &random)
            .unwrap()
    );
    // A client secret that looks like a private key is an ordinary text.
    let odd = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, P256.as_bytes());
    assert_eq!(sign(P256), ring::hmac::sign(&odd, b"m").as_ref());
}

proptest! {
    #[test]
    fn reading_a_key_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = SigningKey::parse(&bytes, &SystemRandom::new());
    }

    #[test]
    fn reading_damaged_pem_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200), label in "(RSA |EC |ENCRYPTED )?PRIVATE KEY") {
        let text = base64::engine::general_purpose::STANDARD.encode(&body);
        let pem = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
        let _ = SigningKey::parse(pem.as_bytes(), &SystemRandom::new());
    }

    #[test]
    fn reading_a_damaged_jwk_never_panics(at in 0usize..1700, byte in any::<u8>()) {
        let mut bytes = RSA.as_bytes().to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let _ = SigningKey::parse(&bytes, &SystemRandom::new());
    }
}
