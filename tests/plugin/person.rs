//! A person with a browser, without the browser: follows redirects, keeps cookies, and allows whatever is asked.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use testkit::tls::client_config;
use url::Url;

/// More steps than any consent takes.
const STEPS: usize = 20;

/// What a person saw on the way.
pub(crate) struct Consent {
    /// Where the provider sent the browser in the end, the code included.
    pub(crate) sent_back: Url,
    /// The last page.
    pub(crate) page: String,
}

/// Opens `address` and allows everything until the browser was sent back to this machine. The provider is trusted by `ca`.
pub(crate) async fn consents(address: &Url, ca: &str) -> Consent {
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(client_config(ca).unwrap())
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let mut cookies = BTreeMap::new();
    let mut at = address.clone();
    let mut allows = false;
    for _ in 0..STEPS {
        let request = match allows {
            true => http.post(at.clone()).form(&[("answer", "allow")]),
            false => http.get(at.clone()),
        };
        let sent: Vec<String> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let answer = request
            .header(COOKIE, sent.join("; "))
            .send()
            .await
            .unwrap();
        keep(&mut cookies, answer.headers());
        let Some(next) = answer.headers().get(LOCATION) else {
            assert!(answer.status().is_success() && !allows, "{at}");
            allows = true;
            continue;
        };
        allows = false;
        at = at.join(next.to_str().unwrap()).unwrap();
        if at.scheme() == "http" {
            let page = http.get(at.clone()).send().await.unwrap();
            return Consent {
                sent_back: at,
                page: page.text().await.unwrap(),
            };
        }
    }
    panic!("nobody was sent back: {at}");
}

fn keep(cookies: &mut BTreeMap<String, String>, headers: &HeaderMap) {
    for cookie in headers.get_all(SET_COOKIE) {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        if value.is_empty() {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}
