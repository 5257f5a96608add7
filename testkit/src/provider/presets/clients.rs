//! The clients that the presets know.

use std::collections::BTreeMap;

use super::Preset;
use crate::provider::accepts::Account;

impl Preset {
    /// The client for tests: its identifier and secret hold what encodings go wrong on.
    #[must_use]
    pub fn account(self) -> Account {
        match self {
            Preset::BarentsWatch => Account {
                users: one("user@example.com", "pass word&1".to_owned()),
                ..account("user@example.com:client", "barentswatch-example+secret/1=")
            },
            Preset::Bokbasen => Account {
                allowed: one(
                    "audience",
                    vec!["https://api.bokbasen.io/metadata/".to_owned()],
                ),
                ..account("bokbasen-example-client", "bokbasen-example_secret-2%")
            },
            Preset::Kongsberg => Account {
                allowed: one("resource", vec!["https://api.kognif.ai".to_owned()]),
                ..account(
                    "11111111-2222-3333-4444-555555555555",
                    "kongsberg~example.secret_3",
                )
            },
            Preset::Feide => account(
                "66666666-7777-8888-9999-000000000000",
                "feide:example secret@4",
            ),
        }
    }

    /// All clients that it knows: [`Preset::account`], and those of the manifests in `examples/`, so that these can be tried
    /// with nothing but the URL and the CA replaced.
    #[must_use]
    pub fn accounts(self) -> Vec<Account> {
        let placeholder = account("your-client-id", "your-client-secret");
        let mut accounts = vec![self.account()];
        match self {
            Preset::BarentsWatch => {
                accounts.push(account("you@example.com:your-client", "your-client-secret"));
                accounts.push(Account {
                    users: one("you@example.com", "your-password".to_owned()),
                    grants: vec!["password".to_owned()],
                    ..placeholder
                });
            }
            Preset::Bokbasen => accounts.push(Account {
                allowed: self.account().allowed,
                ..placeholder
            }),
            Preset::Kongsberg => accounts.push(Account {
                allowed: one(
                    "resource",
                    vec!["11111111-1111-1111-1111-111111111111".to_owned()],
                ),
                ..placeholder
            }),
            Preset::Feide => accounts.push(placeholder),
        }
        accounts
    }
}

fn account(id: &str, secret: &str) -> Account {
    Account {
        id: id.to_owned(),
        secret: secret.to_owned(),
        ..Account::default()
    }
}

fn one<T>(name: &str, value: T) -> BTreeMap<String, T> {
    BTreeMap::from([(name.to_owned(), value)])
}
