use super::*;

#[test]
fn a_secret_leads_to_all_who_use_it_and_to_nobody_who_did() {
    let mut index = Index::default();
    let (a, b) = (Key::new("n", "a"), Key::new("n", "b"));
    index.put(&a, Some("shared"), None, "a-token", 1);
    index.put(&b, Some("shared"), None, "b-token", 1);
    assert_eq!(
        index.users(secret_id("n", "shared")),
        [a.clone(), b.clone()]
    );
    assert!(index.users(secret_id("other", "shared")).is_empty());
    index.put(&a, Some("own"), None, "a-token", 1);
    assert_eq!(
        index.users(secret_id("n", "shared")),
        std::slice::from_ref(&b)
    );
    index.remove(&b);
    assert!(index.users(secret_id("n", "shared")).is_empty());
    assert!(index.is_target(&a, "a-token") && !index.is_target(&a, "b-token"));
}

#[test]
fn a_spec_leads_to_everybody_who_uses_its_token_over_any_distance() {
    let client = |name: &str, credentials: &str, uses: &str| {
        let grant = match uses {
            "" => String::new(),
            other => format!(
                "grant: {{type: urn:ietf:params:oauth:grant-type:token-exchange, tokenExchange: {{subjectToken: \
                 {{oauthClientName: {other}}}}}}}"
            ),
        };
        let text = format!(
            "apiVersion: oauthclient.dev/v1alpha1\nkind: OAuthClient\nmetadata: {{name: {name}, namespace: \"n\"}}\nspec:\n  \
             provider: {{tokenURL: \"https://auth.example.com/token\"}}\n  credentials: {{secretName: {credentials}}}\n  \
             tokenSecret: {{name: {name}-token}}\n  {grant}\n"
        );
        crate::api::manifest::parse_manifest(&text).unwrap().spec
    };
    let mut index = Index::default();
    let key = |name: &str| Key::new("n", name);
    let first = index.apply(&key("a"), &client("a", "c", ""), 0);
    assert!(!first.known && !first.moved && first.dependents.is_empty());
    index.apply(&key("b"), &client("b", "c", "a"), 0);
    index.apply(&key("c"), &client("c", "c", "b"), 0);
    index.apply(&key("d"), &client("d", "a-token", ""), 0);
    let users = |index: &Index, name| {
        let users = index.users_of_token(&key(name)).into_iter();
        users.map(|key| key.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(users(&index, "a"), ["b", "c", "d"]);
    assert_eq!(users(&index, "b"), ["c"]);
    assert!(users(&index, "d").is_empty());
    let again = index.apply(&key("a"), &client("a", "c", "c"), 0);
    assert!(again.known && !again.moved);
    assert_eq!(again.dependents, [key("a"), key("b"), key("c")], "a cycle");
    index.remove(&key("c"));
    assert_eq!(users(&index, "a"), ["b", "d"]);
}

#[test]
fn another_name_makes_the_old_secret_a_leftover() {
    let mut index = Index::default();
    let key = Key::new("n", "a");
    assert!(!index.put(&key, Some("c"), None, "old", 1));
    assert!(!index.put(&key, Some("other"), None, "old", 2));
    assert!(index.put(&key, Some("other"), None, "new", 3));
    assert_eq!(index.stale_secrets(&key, "new"), ["old"]);
    // Back again before anything was done about it.
    assert!(index.put(&key, Some("other"), None, "old", 4));
    assert_eq!(index.stale_secrets(&key, "old"), ["new"]);
    // A spec that cannot be decoded names none.
    assert!(!index.put(&key, None, None, "", 5));
    assert!(index.is_target(&key, "old"));
    assert!(!index.put(&key, Some("c"), None, "old", 6));
}

#[test]
fn what_is_older_than_the_watch_told_is_known_as_such() {
    let mut index = Index::default();
    let key = Key::new("n", "a");
    assert!(!index.knows_newer(&key, Some("1")), "nothing is known");
    index.put(&key, Some("c"), None, "t", ordered(Some("10")));
    assert!(index.knows_newer(&key, Some("9")));
    assert!(!index.knows_newer(&key, Some("10")) && !index.knows_newer(&key, Some("11")));
    assert!(!index.knows_newer(&key, Some("opaque")) && !index.knows_newer(&key, None));
    // After a restore from a backup, versions start again: the watch is right.
    index.put(&key, Some("c"), None, "t", ordered(Some("3")));
    assert!(!index.knows_newer(&key, Some("9")));
    let secret = secret_id("n", "c");
    index.credentials_seen(secret, Some((7, 10)));
    assert!(index.knows_newer_credentials(secret, Some("9")));
    index.credentials_seen(secret, None);
    assert!(!index.knows_newer_credentials(secret, Some("9")));
}

#[test]
fn the_present_target_is_no_leftover() {
    let mut index = Index::default();
    let key = Key::new("n", "a");
    index.put(&key, Some("c"), None, "new", 1);
    index.add_stale_secret(&key, "old");
    index.add_stale_secret(&key, "new");
    assert_eq!(index.stale_secrets(&key, "new"), ["old"]);
    index.remove_stale_secret(&key, "old");
    assert!(index.stale_secrets(&key, "new").is_empty());
}
