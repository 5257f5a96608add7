//! Protected resources as data (RFC 9728), and the registration of a client at their authorization server (RFC 7591).
//!
//! A document tells only of itself: that of a resource must name exactly the resource that was asked for, and what it says
//! of servers is an address that a person is shown before anything is sent there.

use serde_json::{Value, json};
use url::Url;

use super::discovery::endpoint;
use super::document;
use super::{HttpAnswer, Issuer};
use crate::secret::Secret;

/// Where the document of a resource is, between host and path (RFC 9728 section 3.1).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
/// The longest value that is taken of a document, in bytes.
const LONGEST: usize = 2048;
/// So many authorization servers and scopes are taken of a document.
const MOST: usize = 32;

/// A resource as its document describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    /// Its identifier: the `resource` of requests for its tokens (RFC 8707).
    pub resource: String,
    /// The issuers that its tokens come from, at least one.
    pub servers: Vec<Issuer>,
    /// The scopes that it knows.
    pub scopes: Vec<String>,
}

/// Where the document of a resource may be, in the order in which they are asked: for its path, then for its host as a
/// whole, where some servers have it.
pub fn documents(resource: &Url) -> Vec<Url> {
    let at = |path: &str| {
        let mut url = resource.clone();
        url.set_path(&format!("{WELL_KNOWN}{path}"));
        url
    };
    match resource.path() {
        "/" => vec![at("")],
        path => vec![at(path), at("")],
    }
}

/// Understands the document of a resource.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence; nothing of it is in it.
pub fn decode(resource: &str, answer: &HttpAnswer) -> Result<ProtectedResource, String> {
    if answer.status != 200 {
        return Err(format!("there is none (HTTP {})", answer.status));
    }
    let text = document::text(answer.body.expose_bytes())?;
    let value = document::json(text)?;
    let named = value.get("resource").and_then(Value::as_str);
    // RFC 9728 section 3.3: or somebody could send people to another server in the name of a resource.
    if named != Some(resource) {
        return Err(match named.filter(|named| is_beside(named, resource)) {
            Some(named) => format!(
                "it is the document of another resource, {named}: if you mean that, write it exactly so"
            ),
            None => "it is the document of another resource".to_owned(),
        });
    }
    let servers: Vec<Issuer> = texts(&value, "authorization_servers")
        .filter_map(Issuer::parse)
        .take(MOST)
        .collect();
    if servers.is_empty() {
        return Err("it names no authorization server".to_owned());
    }
    let is_scope = |scope: &&str| {
        let fits = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        !scope.is_empty() && scope.len() <= 256 && scope.bytes().all(fits)
    };
    Ok(ProtectedResource {
        resource: resource.to_owned(),
        servers,
        scopes: texts(&value, "scopes_supported")
            .filter(is_scope)
            .take(MOST)
            .map(str::to_owned)
            .collect(),
    })
}

/// Whether a text is an address at the same host, which can be shown.
fn is_beside(text: &str, resource: &str) -> bool {
    let (one, other) = (endpoint(text), endpoint(resource));
    one.zip(other)
        .is_some_and(|(one, other)| one.origin() == other.origin())
}

fn texts<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v str> {
    let list = value.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// The client that is registered: what a server is told of it (RFC 7591 section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// A name for people.
    pub client_name: String,
    /// Where logins come back to.
    pub redirect_uri: String,
    /// The scopes that it will ask for.
    pub scopes: Vec<String>,
}

impl Registration {
    /// The body of the request.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "client_name": self.client_name,
            "redirect_uris": [self.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_basic",
            "application_type": "native",
        });
        if let (Some(fields), false) = (body.as_object_mut(), self.scopes.is_empty()) {
            fields.insert("scope".to_owned(), self.scopes.join(" ").into());
        }
        body
    }
}

/// A client that a server has registered (RFC 7591 section 3.2.1).
#[derive(Clone, PartialEq)]
pub struct Registered {
    /// Its identifier.
    pub client_id: String,
    /// Its secret, where it has one.
    pub client_secret: Option<Secret>,
    /// How it authenticates: the name of the method.
    pub method: &'static str,
}

/// Understands the answer to a registration.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence; nothing of it is in it.
pub fn registered(answer: &HttpAnswer) -> Result<Registered, &'static str> {
    if !matches!(answer.status, 200 | 201) {
        return Err("it refuses the registration: register a client there by hand");
    }
    let value = document::json(document::text(answer.body.expose_bytes())?)?;
    let text = |name: &str| {
        let text = value.get(name).and_then(Value::as_str)?;
        // VSCHAR of RFC 6749 appendix A: people read it in terminals.
        let fits = |byte: u8| matches!(byte, 0x20..=0x7e);
        let fits = !text.is_empty() && text.len() <= LONGEST && text.bytes().all(fits);
        fits.then_some(text)
    };
    let client_id = text("client_id").ok_or("it gave no client id")?.to_owned();
    let client_secret = text("client_secret").map(Secret::from);
    let method = match (text("token_endpoint_auth_method"), &client_secret) {
        (_, None) | (Some("none"), _) => "none",
        (Some("client_secret_post"), Some(_)) => "client_secret_post",
        // RFC 7591 section 2: Basic where nothing is said.
        (Some("client_secret_basic") | None, Some(_)) => "client_secret_basic",
        (Some(_), Some(_)) => {
            return Err("it registered an authentication method that was not asked for");
        }
    };
    Ok(Registered {
        client_id,
        client_secret: client_secret.filter(|_| method != "none"),
        method,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &Value) -> HttpAnswer {
        HttpAnswer {
            status,
            content_type: Some("application/json".into()),
            retry_after: None,
            headers: Vec::new(),
            body: Secret::from(body.to_string()),
            sent: Default::default(),
        }
    }

    #[test]
    fn the_document_is_between_host_and_path() {
        let at = |text: &str| -> Vec<String> {
            let all = documents(&text.parse().unwrap());
            all.iter().map(Url::to_string).collect()
        };
        let root = "https://mcp.example.com/.well-known/oauth-protected-resource";
        assert_eq!(at("https://mcp.example.com/"), [root]);
        assert_eq!(at("https://mcp.example.com"), [root]);
        let below = format!("{root}/a/b");
        assert_eq!(at("https://mcp.example.com/a/b"), [below.as_str(), root]);
    }

    #[test]
    fn a_document_is_believed_only_of_the_very_resource() {
        let resource = "https://mcp.example.com/";
        let good = json!({
            "resource": resource,
            "authorization_servers": ["https://auth.example.com", "not a url", 7],
            "scopes_supported": ["read", "a b", "", "write"],
        });
        let found = decode(resource, &answer(200, &good)).unwrap();
        assert_eq!(found.scopes, ["read", "write"]);
        let servers: Vec<&str> = found.servers.iter().map(Issuer::text).collect();
        assert_eq!(servers, ["https://auth.example.com"]);
        let beside = json!({"resource": "https://mcp.example.com/mcp"});
        let error = decode(resource, &answer(200, &beside)).unwrap_err();
        assert!(error.contains("https://mcp.example.com/mcp"), "{error}");
        let elsewhere = json!({"resource": "https://evil.example/"});
        let error = decode(resource, &answer(200, &elsewhere)).unwrap_err();
        assert!(!error.contains("evil"), "{error}");
        for (status, body) in [
            (404, good.clone()),
            (200, json!([])),
            (
                200,
                json!({"authorization_servers": ["https://auth.example.com"]}),
            ),
            (
                200,
                json!({"resource": "https://mcp.example.com", "authorization_servers": ["https://auth.example.com"]}),
            ),
            (
                200,
                json!({"resource": resource, "authorization_servers": []}),
            ),
            (200, json!({"resource": resource})),
        ] {
            assert!(decode(resource, &answer(status, &body)).is_err(), "{body}");
        }
    }

    #[test]
    fn a_registration_gives_what_the_server_says_and_nothing_that_was_not_asked_for() {
        let of = |body: Value| registered(&answer(201, &body));
        let basic = of(json!({"client_id": "a", "client_secret": "s"}))
            .ok()
            .unwrap();
        assert_eq!(
            (basic.client_id.as_str(), basic.method),
            ("a", "client_secret_basic")
        );
        let public = of(json!({"client_id": "a"})).ok().unwrap();
        assert!(public.client_secret.is_none() && public.method == "none");
        let none =
            json!({"client_id": "a", "client_secret": "s", "token_endpoint_auth_method": "none"});
        assert!(of(none).ok().unwrap().client_secret.is_none());
        for bad in [
            json!({}),
            json!({"client_id": ""}),
            json!({"client_id": "a\nb"}),
            json!({"client_id": "a\u{202e}b"}),
            json!({"client_id": "a", "client_secret": "s", "token_endpoint_auth_method": "private_key_jwt"}),
        ] {
            assert!(of(bad.clone()).is_err(), "{bad}");
        }
        assert!(registered(&answer(400, &json!({"client_id": "a"}))).is_err());
    }
}
