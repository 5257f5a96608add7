//! Rules for scopes, parameters, `spec.request` and `spec.response`.

use super::rule::{FIXED, FIXED_MESSAGE, Rule, below, data_key, field, items, own, pointer, text};
use crate::api::validators;

pub(super) const RULES: &[Rule] = &[
    own(
        "spec.scopes[]",
        r"self.matches('^[!#-\\[\\]-~]+$')",
        "is not one scope: write each scope as a separate item, without spaces, quotes and backslashes",
        |v| validators::is_oauth_word(text(v)),
    ),
    own(
        "spec.parameters",
        "self.all(p, p.name in ['resource', 'audience'] || self.exists_one(q, q.name == p.name))",
        "name a parameter twice: keep one of them (only resource and audience may repeat)",
        |v| {
            items(v).all(|p| {
                let name = field(p, "name");
                matches!(name, "resource" | "audience")
                    || items(v).filter(|q| field(q, "name") == name).count() == 1
            })
        },
    ),
    Rule {
        at: "spec.parameters[]",
        field: ".value",
        cel: "(has(self.value) ? 1 : 0) + (has(self.jsonValue) ? 1 : 0) + (has(self.credentialsKey) ? 1 : 0) + (has(self.time) ? 1 : 0) == 1",
        message: "needs exactly one of value, jsonValue, credentialsKey and time: set the one, remove the others",
        holds: |v| match v.get("time") {
            Some(_) => ["value", "jsonValue", "credentialsKey"]
                .iter()
                .all(|name| v.get(name).is_none()),
            None => super::assertion::has_one_value(v),
        },
    },
    Rule {
        at: "spec.parameters[]",
        field: ".jsonValue",
        cel: "!has(self.jsonValue) || !has(self.__in__) || self.__in__ != 'header'",
        message: "cannot stand in a header: use value, credentialsKey or time",
        holds: |v| v.get("jsonValue").is_none() || field(v, "in") != "header",
    },
    Rule {
        at: "spec.parameters[]",
        field: ".name",
        cel: r"!has(self.__in__) || self.__in__ != 'header' || (self.name.matches('^[-!#$%&*+.^_`|~0-9A-Za-z\']+$') && !(self.name.lowerAscii().replace('_', '-') in ['authorization', 'host', 'content-length', 'cookie', 'content-encoding', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'upgrade', 'te', 'trailer', 'expect', 'accept-encoding', 'forwarded', 'x-host', 'x-host-override', 'x-http-host-override', 'x-http-method', 'x-http-method-override', 'x-method-override']) && !self.name.lowerAscii().matches('^x[-_](forwarded|original|rewrite|envoy)[-_]'))",
        message: "cannot be the name of a header: use letters, digits and - only, and no header that the operator or the connection sets (for Authorization use request.headers)",
        holds: |v| {
            let name = field(v, "name");
            field(v, "in") != "header"
                || (validators::is_header_name(name)
                    && !name.eq_ignore_ascii_case("authorization")
                    && !validators::reroutes(name)
                    && !validators::is_reserved_header(name))
        },
    },
    Rule {
        at: "spec.parameters[]",
        field: ".value",
        cel: "!has(self.__in__) || self.__in__ != 'header' || !has(self.value) || self.value.matches('^[!-~]([ -~]*[!-~])?$')",
        message: "is not a value of a header: use printable ASCII characters, with no space at either end and no line break",
        holds: |v| {
            field(v, "in") != "header"
                || v.get("value")
                    .is_none_or(|value| validators::is_header_value(text(value)))
        },
    },
    own(
        "spec.parameters[].name",
        "!(self in ['grant_type', 'scope', 'client_id', 'client_secret'])",
        "has its own field: use grant.type for grant_type, scopes for scope, and credentials.keys with \
         clientAuthentication.method for client_id and client_secret",
        |v| {
            !matches!(
                text(v),
                "grant_type" | "scope" | "client_id" | "client_secret"
            )
        },
    ),
    own(
        "spec.parameters[].name",
        "self.matches('^[!-~]+$')",
        "is not a name of a parameter: use printable ASCII characters without spaces",
        |v| validators::is_visible(text(v)),
    ),
    own("spec.parameters[].value", FIXED, FIXED_MESSAGE, |v| {
        validators::is_one_line(text(v))
    }),
    data_key("spec.parameters[].credentialsKey"),
    Rule {
        at: "spec",
        field: ".parameters",
        cel: "self.grant.type != 'password' || !has(self.parameters) || !self.parameters.exists(p, p.name in ['username', 'password'])",
        message: "must not set username or password with grant.type password: put them into the credentials Secret (credentials.keys \
                  names their keys)",
        holds: |v| {
            v.pointer("/grant/type").map(text) != Some("password")
                || !below(v, "/parameters")
                    .any(|p| matches!(field(p, "name"), "username" | "password"))
        },
    },
    Rule {
        at: "spec.request",
        field: ".method",
        cel: "self.method != 'GET' || self.format == 'query'",
        message: "GET sends no body: set request.format to query, or request.method to POST",
        holds: |v| field(v, "method") != "GET" || field(v, "format") == "query",
    },
    Rule {
        at: "spec",
        field: ".parameters",
        cel: "self.request.method != 'GET' || !has(self.parameters) || !self.parameters.exists(p, has(p.__in__) && p.__in__ == 'body')",
        message: "put a parameter into the body, which GET does not send: set its in to query or header, or request.method to POST",
        holds: |v| {
            v.pointer("/request/method").map(text) != Some("GET")
                || !below(v, "/parameters").any(|p| field(p, "in") == "body")
        },
    },
    own(
        "spec.request.scopeSeparator",
        "self.matches('^[ -~]+$')",
        "is not a separator: use a space, a comma or other printable ASCII characters",
        |v| validators::is_printable(text(v)),
    ),
    own(
        "spec.request.headers",
        "self.all(h, self.exists_one(g, g.name.lowerAscii() == h.name.lowerAscii()))",
        "name a header twice: keep one of them (upper and lower case are the same)",
        |v| {
            items(v).all(|h| {
                items(v)
                    .filter(|g| field(g, "name").eq_ignore_ascii_case(field(h, "name")))
                    .count()
                    == 1
            })
        },
    ),
    Rule {
        at: "spec.request.headers[]",
        field: ".value",
        cel: "has(self.value) != has(self.credentialsKey)",
        message: "needs exactly one of value and credentialsKey: set the one, remove the other",
        holds: |v| v.get("value").is_some() != v.get("credentialsKey").is_some(),
    },
    own(
        "spec.request.headers[].name",
        r"self.matches('^[-!#$%&*+.^_`|~0-9A-Za-z\']+$')",
        "is not a name of a header: use letters, digits and - only",
        |v| validators::is_header_name(text(v)),
    ),
    own(
        "spec.request.headers[].name",
        "!(self.lowerAscii().replace('_', '-') in ['host', 'content-length', 'cookie', 'content-encoding', 'transfer-encoding', 'connection', \
         'keep-alive', 'proxy-connection', 'proxy-authorization', 'upgrade', 'te', 'trailer', 'expect', 'accept-encoding'])",
        "is a header that the operator or the connection sets: remove it",
        |v| !validators::is_reserved_header(text(v)),
    ),
    own(
        "spec.request.headers[].name",
        "!(self.lowerAscii().replace('_', '-') in ['forwarded', 'x-host', 'x-host-override', 'x-http-host-override', 'x-http-method', \
         'x-http-method-override', 'x-method-override']) && !self.lowerAscii().matches('^x[-_](forwarded|original|rewrite|envoy)[-_]')",
        "makes some servers take another host, path or method than the request's, and the owner of the credentials allows hosts and \
         paths: remove it",
        |v| !validators::reroutes(text(v)),
    ),
    own(
        "spec.request.headers[].value",
        r"self.matches('^[!-~]([ -~]*[!-~])?$')",
        "is not a value of a header: use printable ASCII characters, with no space at either end and no line break",
        |v| validators::is_header_value(text(v)),
    ),
    data_key("spec.request.headers[].credentialsKey"),
    Rule {
        at: "spec",
        field: ".request.headers",
        cel: "self.clientAuthentication.method == 'none' || !has(self.request.headers) || \
              !self.request.headers.exists(h, h.name.lowerAscii() == 'authorization')",
        message: "may set Authorization only with clientAuthentication.method none: set that, or remove the header",
        holds: |v| {
            v.pointer("/clientAuthentication/method").map(text) == Some("none")
                || !below(v, "/request/headers")
                    .any(|h| field(h, "name").eq_ignore_ascii_case("authorization"))
        },
    },
    own(
        "spec.response.headers[]",
        r"self.matches('^[-!#$%&*+.^_`|~0-9A-Za-z\']+$')",
        "is not a name of a header: use letters, digits and - only",
        |v| validators::is_header_name(text(v)),
    ),
    Rule {
        at: "spec.response",
        field: ".headers",
        cel: "!has(self.headers) || !has(self.accessTokenPointer) || self.accessTokenPointer != ''",
        message: "cannot be read beside a body that is the token as a whole (accessTokenPointer \"\"): remove one of the two",
        holds: |v| v.get("headers").is_none() || v.get("accessTokenPointer").map(text) != Some(""),
    },
    pointer("spec.response.accessTokenPointer"),
    pointer("spec.response.tokenTypePointer"),
    pointer("spec.response.scopePointer"),
    pointer("spec.response.refreshTokenPointer"),
    pointer("spec.response.expiry.pointer"),
    pointer("spec.response.success.pointer"),
    pointer("spec.response.errorPointer"),
    pointer("spec.response.errors[].pointer"),
    Rule {
        at: "spec",
        field: ".response.errors",
        cel: "self.grant.type != 'password' || !has(self.response) || !has(self.response.errors) || \
              self.response.errors.all(e, e.means == 'ReauthorizationRequired')",
        message: "can only mean ReauthorizationRequired with grant.type password: a refused password is not sent again, whatever the \
                  code (more tries lock the account)",
        holds: |v| {
            v.pointer("/grant/type").map(text) != Some("password")
                || below(v, "/response/errors")
                    .all(|error| field(error, "means") == "ReauthorizationRequired")
        },
    },
    own(
        "spec.response.errors[].values",
        "size(self) > 0",
        "names no code: write at least one",
        |v| items(v).next().is_some(),
    ),
    own(
        "spec.response.errors[].values",
        "self.all(v, self.exists_one(w, w == v))",
        "name a code twice: keep one of them",
        |v| items(v).all(|code| items(v).filter(|other| *other == code).count() == 1),
    ),
    own(
        "spec.response.errors[].values[]",
        FIXED,
        FIXED_MESSAGE,
        |v| validators::is_one_line(text(v)),
    ),
];
