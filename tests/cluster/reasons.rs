//! Every reason of the documented list is produced by a test that names it.

use std::collections::BTreeSet;
use std::path::Path;

use oauthclient_operator::api::conditions::Reason;

/// The reason, and the test that brings it about: file and function. Those under `tests/` do it on a real API server.
const PRODUCED: &[(&str, &str, &str)] = &[
    ("TokenValid", "tests/cluster/canary.rs", "edits"),
    ("LifetimeTooShort", "tests/cluster/canary.rs", "edits"),
    (
        "TokenExpired",
        "tests/cluster/canary.rs",
        "nothing_secret_shows_anywhere_whatever_goes_wrong",
    ),
    ("Suspended", "tests/cluster/canary.rs", "edits"),
    (
        "Recovered",
        "tests/cluster/life_cycle.rs",
        "a_spec_that_cannot_work_stalls_and_its_undoing_recovers_by_itself",
    ),
    (
        "Restored",
        "tests/cluster/foreign.rs",
        "what_a_user_changes_in_the_token_secret_is_restored_and_what_is_theirs_is_kept",
    ),
    (
        "WorkloadRestarted",
        "tests/cluster/restarts.rs",
        "without_the_permission_or_the_owners_consent_nothing_is_restarted_and_the_token_is_published",
    ),
    (
        "WorkloadNotRestarted",
        "tests/cluster/restarts.rs",
        "without_the_permission_or_the_owners_consent_nothing_is_restarted_and_the_token_is_published",
    ),
    (
        "ServedByAnotherGroup",
        "tests/cluster/groups.rs",
        "where_two_groups_overlap_one_serves_and_the_other_reports",
    ),
    (
        "RevocationFailed",
        "tests/cluster/revocation.rs",
        "a_deleted_resource_goes_though_the_revocation_endpoint_is_down",
    ),
    (
        "Requesting",
        "src/policy/tests/reports.rs",
        "a_first_token_is_no_recovery_also_when_it_waited_for_its_turn",
    ),
    (
        "Retrying",
        "tests/cluster/canary.rs",
        "nothing_secret_shows_anywhere_whatever_goes_wrong",
    ),
    ("CredentialsNotFound", "tests/cluster/canary.rs", "edits"),
    ("CredentialsNotLabelled", "tests/cluster/canary.rs", "edits"),
    ("CredentialsKeyMissing", "tests/cluster/canary.rs", "edits"),
    ("CredentialsKeyInvalid", "tests/cluster/canary.rs", "edits"),
    (
        "CredentialsKeyNotDisclosed",
        "tests/cluster/canary/echo.rs",
        "a_provider_that_repeats_the_request_gives_nothing_away",
    ),
    (
        "ClientCertificateInvalid",
        "tests/cluster/certificates.rs",
        "what_is_wrong_with_a_certificate_is_told_and_mended_by_a_new_one",
    ),
    (
        "ClientCertificateExpired",
        "tests/cluster/certificates.rs",
        "what_is_wrong_with_a_certificate_is_told_and_mended_by_a_new_one",
    ),
    (
        "ClientCertificateNotYetValid",
        "tests/cluster/certificates.rs",
        "what_is_wrong_with_a_certificate_is_told_and_mended_by_a_new_one",
    ),
    (
        "ClientCertificateRefused",
        "tests/cluster/certificates.rs",
        "what_is_wrong_with_a_certificate_is_told_and_mended_by_a_new_one",
    ),
    (
        "ClientSecretExpiresSoon",
        "tests/cluster/expiries.rs",
        "the_noted_end_of_a_client_secret_is_in_status_event_and_metric_and_asks_for_nothing",
    ),
    (
        "ClientSecretExpired",
        "tests/cluster/expiries.rs",
        "the_noted_end_of_a_client_secret_is_in_status_event_and_metric_and_asks_for_nothing",
    ),
    (
        "ClientSecretExpiryUnknown",
        "tests/cluster/expiries.rs",
        "the_noted_end_of_a_client_secret_is_in_status_event_and_metric_and_asks_for_nothing",
    ),
    (
        "ClientCertificateExpiresSoon",
        "tests/cluster/expiries.rs",
        "the_end_of_a_client_certificate_is_told_in_time_and_forgotten_once_it_is_renewed",
    ),
    (
        "NextClientSecretUsed",
        "tests/cluster/rotation.rs",
        "the_successor_of_a_client_secret_takes_over_by_itself_and_every_request_is_counted",
    ),
    ("HostNotAllowed", "tests/cluster/canary.rs", "edits"),
    (
        "ReferenceNotFound",
        "tests/cluster/exchange.rs",
        "a_refreshed_token_is_exchanged_once_and_a_circle_is_told_to_both",
    ),
    (
        "ReferenceNotOptedIn",
        "tests/cluster/exchange.rs",
        "a_refreshed_token_is_exchanged_once_and_a_circle_is_told_to_both",
    ),
    (
        "ReferenceCycle",
        "tests/cluster/exchange.rs",
        "a_refreshed_token_is_exchanged_once_and_a_circle_is_told_to_both",
    ),
    (
        "ReferenceNotReady",
        "src/policy/tests/references.rs",
        "what_is_missing_is_told_and_the_own_token_stays",
    ),
    (
        "ReferenceKeyMissing",
        "src/policy/tests/references.rs",
        "only_a_token_that_is_valid_lent_and_where_it_is_said_to_be_is_sent",
    ),
    (
        "ServiceAccountNotFound",
        "tests/cluster/exchange.rs",
        "a_service_account_that_lends_itself_is_asked_with_and_its_token_is_good_for_nobody_else",
    ),
    (
        "ServiceAccountNotOptedIn",
        "tests/cluster/exchange.rs",
        "a_service_account_that_lends_itself_is_asked_with_and_its_token_is_good_for_nobody_else",
    ),
    (
        "ServiceAccountTokenMissing",
        "src/policy/tests/accounts.rs",
        "a_token_is_made_only_once_audience_and_host_are_lent",
    ),
    (
        "AudienceRefused",
        "tests/cluster/minted.rs",
        "a_token_that_the_cluster_itself_would_take_is_sent_nowhere",
    ),
    (
        "ServiceAccountTokenFailed",
        "tests/cluster/minted.rs",
        "a_token_that_the_api_server_could_not_make_is_told_and_made_when_it_can",
    ),
    ("CANotFound", "tests/cluster/canary.rs", "edits"),
    ("CAInvalid", "tests/cluster/canary.rs", "edits"),
    (
        "AwaitingGarbageCollection",
        "tests/cluster/stale.rs",
        "a_resource_made_anew_does_not_take_its_predecessors_secret",
    ),
    (
        "AwaitingWrite",
        "tests/cluster/api_server.rs",
        "a_token_that_waits_for_the_api_server_is_told_of",
    ),
    (
        "AwaitingLogin",
        "tests/cluster/refresh_tokens.rs",
        "without_a_refresh_token_a_login_is_awaited",
    ),
    (
        "ReauthorizationRequired",
        "tests/cluster/refresh_tokens.rs",
        "a_refresh_token_that_died_waits_for_a_login_which_takes_precedence",
    ),
    (
        "NewRefreshTokenRefused",
        "tests/cluster/refresh_offers.rs",
        "a_refused_new_refresh_token_is_told_of_and_the_one_before_goes_on",
    ),
    ("InvalidSpec", "tests/cluster/canary.rs", "edits"),
    ("InvalidTemplate", "tests/cluster/canary.rs", "edits"),
    ("RenderFailed", "tests/cluster/canary.rs", "edits"),
    (
        "SecretNotOwned",
        "tests/cluster/foreign.rs",
        "the_secret_of_someone_else_is_never_touched_until_they_hand_it_over",
    ),
    (
        "SecretContested",
        "tests/cluster/foreign.rs",
        "of_two_resources_that_name_one_secret_one_holds_it_and_the_other_says_who",
    ),
    (
        "SecretImmutable",
        "tests/cluster/foreign.rs",
        "a_secret_made_immutable_stays_and_is_made_anew_when_deleted",
    ),
    (
        "SecretTypeMismatch",
        "tests/cluster/foreign.rs",
        "a_secret_of_another_type_in_our_name_is_told_of",
    ),
    ("SecretTooLarge", "tests/cluster/canary.rs", "edits"),
    (
        "WriteRefused",
        "tests/cluster/refusals.rs",
        "what_a_policy_refuses_is_written_once_it_allows_it",
    ),
    (
        "PermissionMissing",
        "tests/cluster/refusals.rs",
        "a_token_in_hand_waits_for_the_right_to_write_it",
    ),
    (
        "NamespaceTerminating",
        "tests/cluster/refusals.rs",
        "a_namespace_that_is_going_is_left_in_peace",
    ),
    (
        "Contested",
        "tests/cluster/foreign.rs",
        "a_secret_that_keeps_being_altered_is_repaired_less_and_less_often",
    ),
    ("AddressRefused", "tests/cluster/canary.rs", "edits"),
    ("HTTPNotAllowed", "tests/cluster/canary.rs", "edits"),
    ("InvalidRequest", "tests/cluster/canary.rs", "faults"),
    ("InvalidClient", "tests/cluster/canary.rs", "faults"),
    ("InvalidGrant", "tests/cluster/canary.rs", "faults"),
    ("UnauthorizedClient", "tests/cluster/canary.rs", "faults"),
    ("UnsupportedGrantType", "tests/cluster/canary.rs", "faults"),
    ("InvalidScope", "tests/cluster/canary.rs", "faults"),
    ("InvalidTarget", "tests/cluster/canary.rs", "faults"),
    ("ConsentRequired", "tests/cluster/canary.rs", "faults"),
    ("ProofRequired", "tests/cluster/canary.rs", "faults"),
    ("AccessDenied", "tests/cluster/canary.rs", "faults"),
    ("Unauthorized", "tests/cluster/canary.rs", "faults"),
    ("Forbidden", "tests/cluster/canary.rs", "faults"),
    ("NotFound", "tests/cluster/canary.rs", "faults"),
    (
        "DiscoveryFailed",
        "tests/cluster/discovery.rs",
        "what_is_wrong_with_a_document_is_told_and_the_token_stays",
    ),
    (
        "DiscoveryDocumentInvalid",
        "tests/cluster/discovery.rs",
        "what_is_wrong_with_a_document_is_told_and_the_token_stays",
    ),
    (
        "IssuerMismatch",
        "tests/cluster/discovery.rs",
        "what_is_wrong_with_a_document_is_told_and_the_token_stays",
    ),
    ("ProxyRefused", "tests/cluster/canary.rs", "faults"),
    ("RateLimited", "tests/cluster/canary.rs", "faults"),
    ("ServerError", "tests/cluster/canary.rs", "faults"),
    (
        "TemporarilyUnavailable",
        "tests/cluster/canary.rs",
        "faults",
    ),
    ("RequestRefused", "tests/cluster/canary.rs", "faults"),
    ("Redirected", "tests/cluster/canary.rs", "faults"),
    ("UnusableResponse", "tests/cluster/canary.rs", "faults"),
    ("ResponseTooLarge", "tests/cluster/canary.rs", "faults"),
    ("Timeout", "tests/cluster/canary.rs", "faults"),
    ("DNSFailed", "tests/cluster/canary.rs", "edits"),
    ("ConnectFailed", "tests/cluster/canary.rs", "faults"),
    ("TLSFailed", "tests/cluster/canary.rs", "edits"),
];

/// The body of a function as it is written.
fn body(source: &str, name: &str) -> Option<String> {
    let from = source.find(&format!("fn {name}("))?;
    let line = source[..from].rfind('\n').map_or(0, |line| line + 1);
    let indent: String = source[line..].chars().take_while(|c| *c == ' ').collect();
    let end = source[from..].find(&format!("\n{indent}}}\n"))?;
    Some(source[from..from + end].to_owned())
}

#[test]
fn every_reason_is_produced_by_a_test_that_names_it() {
    let listed: Vec<&str> = PRODUCED.iter().map(|(reason, ..)| *reason).collect();
    let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let unique: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(
        unique,
        known.iter().copied().collect(),
        "left: produced; right: documented"
    );
    assert_eq!(unique.len(), listed.len(), "each once");
    for (reason, file, test) in PRODUCED {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let source = std::fs::read_to_string(&path).unwrap();
        let body = body(&source, test).unwrap_or_else(|| panic!("{file} has no function {test}"));
        let mut words = body.split(|c: char| !c.is_alphanumeric());
        assert!(
            words.any(|word| word == *reason),
            "{test} in {file} does not name {reason}"
        );
    }
}
