use super::*;

fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
    let all = std::iter::once("oauthclient-operator").chain(arguments.iter().copied());
    Cli::try_parse_from(all).and_then(Cli::checked)
}

fn run(arguments: &[&str]) -> RunArgs {
    let all: Vec<&str> = std::iter::once("run")
        .chain(arguments.iter().copied())
        .collect();
    match parse(&all).unwrap().command {
        Command::Run(run) => *run,
        other => panic!("{other:?}"),
    }
}

fn refusal(arguments: &[&str]) -> String {
    parse(arguments).unwrap_err().to_string()
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn run_needs_no_flag_and_is_safe_by_default() {
    let run = run(&[]);
    assert!(run.watch_namespaces.0.is_empty());
    assert!(
        !run.guard.allow_http && !run.guard.allow_loopback && run.guard.allow_address.is_empty()
    );
    assert!(!run.require_allowed_hosts && !run.metrics_per_resource);
    assert_eq!(run.status_updates, StatusUpdates::Always);
    assert_eq!(
        (
            run.drain_seconds,
            run.max_api_requests,
            run.max_token_requests
        ),
        (60, 32, 512)
    );
    assert_eq!(run.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(run.probe_listen.to_string(), "0.0.0.0:8081");
    assert!(!run.metrics_auth);
    let election = run.election;
    assert!(election.leader_elect);
    assert_eq!(election.lease_name, "oauthclient-operator");
    let seconds = (
        election.lease_duration_seconds,
        election.lease_renew_deadline_seconds,
        election.lease_retry_seconds,
    );
    assert_eq!(seconds, (15, 10, 2));
}

#[test]
fn leader_election_can_be_turned_off() {
    assert!(!run(&["--leader-elect=false"]).election.leader_elect);
    assert!(run(&["--leader-elect"]).election.leader_elect);
    assert!(run(&["--leader-elect=true"]).election.leader_elect);
}

#[test]
fn namespaces_are_a_list_without_blanks_or_doubles() {
    let namespaces = |text: &str| run(&["--watch-namespaces", text]).watch_namespaces.0;
    assert_eq!(namespaces("a, b,,a"), ["a", "b"]);
    assert!(namespaces("").is_empty());
    assert!(
        refusal(&["run", "--watch-namespaces", "Bad_Name"]).contains("\"Bad_Name\" is not a name")
    );
}

#[test]
fn lease_durations_must_fit_together() {
    let said = refusal(&["run", "--lease-renew-deadline-seconds", "15"]);
    assert!(
        said.contains(
            "--lease-renew-deadline-seconds (15) must be less than --lease-duration-seconds (15)"
        ),
        "{said}"
    );
    let said = refusal(&["run", "--lease-retry-seconds", "10"]);
    assert!(
        said.contains("--lease-retry-seconds (10) must be less than"),
        "{said}"
    );
}

#[test]
fn numbers_out_of_bounds_are_refused_with_the_bounds() {
    for (flag, value, bounds) in [
        ("--max-api-requests", "0", "1..=1024"),
        ("--max-token-requests", "70000", "1..=65536"),
        ("--drain-seconds", "3601", "0..=3600"),
        ("--lease-duration-seconds", "1", "3..=3600"),
    ] {
        let said = refusal(&["run", flag, value]);
        assert!(said.contains(flag) && said.contains(bounds), "{said}");
    }
}

#[test]
fn address_ranges_hold_what_they_say() {
    let holds = |range: &str, address: &str| {
        range
            .parse::<Cidr>()
            .unwrap()
            .contains(address.parse().unwrap())
    };
    assert!(holds("10.0.0.0/8", "10.255.0.1"));
    assert!(!holds("10.0.0.0/8", "11.0.0.1"));
    assert!(holds("169.254.169.254", "169.254.169.254"));
    assert!(!holds("169.254.169.254", "169.254.169.253"));
    assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"));
    assert!(!holds("::/0", "10.0.0.1"));
    assert!(holds("0.0.0.0/0", "8.8.8.8"));
    assert!(holds("::/0", "fd00::1"));
    assert!(holds("fd00::/8", "fdff::1"));
    assert!(!holds("fd00::/8", "fe80::1"));
}

#[test]
fn address_ranges_that_cannot_be_read_are_refused() {
    for text in [
        "10.0.0.0/33",
        "fd00::/129",
        "10.0.0",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "host/8",
    ] {
        let said = refusal(&["run", "--allow-address", text]);
        assert!(said.contains(text), "{said}");
    }
    let ranges = run(&[
        "--allow-address",
        "10.0.0.0/8,fd00::/8",
        "--allow-address",
        "169.254.1.1",
    ])
    .guard
    .allow_address;
    let said: Vec<String> = ranges.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["10.0.0.0/8", "fd00::/8", "169.254.1.1/32"]);
}

#[test]
fn local_needs_manifests_and_a_place_for_tokens() {
    let said = refusal(&["local"]);
    assert!(
        said.contains("--filename") && said.contains("--output"),
        "{said}"
    );
    let Command::Local(local) = parse(&["local", "-f", "a", "-f", "b", "-o", "out", "--once"])
        .unwrap()
        .command
    else {
        panic!("not local")
    };
    assert_eq!(local.filename.len(), 2);
    assert!(local.once && local.state.is_none() && !local.guard.allow_http);
}

#[test]
fn the_log_flags_go_after_the_command_too_and_rust_log_comes_last() {
    let cli = parse(&["crd", "--log-format", "json", "--log-level", "debug"]).unwrap();
    assert_eq!(cli.log.log_format, LogFormat::Json);
    assert_eq!(cli.log.filter(Some("trace".into())), "debug");
    let silent = parse(&["crd"]).unwrap().log;
    assert_eq!(silent.filter(Some("trace".into())), "trace");
    assert_eq!(silent.filter(Some(String::new())), "info");
    assert_eq!(silent.filter(None), "info");
}

#[test]
fn flags_for_tests_are_not_shown_to_people() {
    let mut command = Cli::command();
    let run = command.find_subcommand_mut("run").unwrap();
    let help = run.render_long_help().to_string();
    assert!(
        help.contains("--drain-seconds") && help.contains("OAUTHCLIENT_DRAIN_SECONDS"),
        "{help}"
    );
    assert!(
        !help.contains("panic-on") && !help.contains("clock-offset"),
        "{help}"
    );
    assert_eq!(
        "bookshop/metadata".parse::<NamespacedName>(),
        Ok(NamespacedName {
            namespace: "bookshop".into(),
            name: "metadata".into()
        })
    );
    assert!("metadata".parse::<NamespacedName>().is_err());
}

#[test]
fn every_flag_has_an_environment_variable_and_a_description() {
    for command in Cli::command().get_subcommands() {
        for argument in command
            .get_arguments()
            .filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
        {
            let name = argument.get_id();
            assert!(argument.get_help().is_some(), "{name} says nothing");
            let env = argument
                .get_env()
                .and_then(|env| env.to_str())
                .unwrap_or_default();
            assert!(
                env.starts_with("OAUTHCLIENT_") || env.starts_with("POD_"),
                "{name}: {env:?}"
            );
        }
    }
}

/// The long help of a command as it is printed in an empty environment.
fn help(name: &str) -> String {
    let mut all = Cli::command();
    all.build();
    let command = all.find_subcommand_mut(name).unwrap().clone();
    let mut command = command.mut_args(|argument| argument.hide_env_values(true));
    let text = command.render_long_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[test]
fn help_fits_a_terminal() {
    for name in ["run", "local", "crd"] {
        for line in help(name).lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
        }
    }
}

#[test]
fn the_page_on_flags_is_what_help_says() {
    let mut page = String::from(
        "<!-- Generated from src/cli.rs by a test. To update it: UPDATE=1 cargo test the_page_on -->\n\
         # Flags\n\n\
         You can also set each flag with the environment variable beside it. The flag takes precedence. These environment\n\
         variables also apply: `RUST_LOG` (if no log level is set), `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`\n\
         (token requests), and `KUBECONFIG`.\n",
    );
    for name in ["run", "local", "crd"] {
        page += &format!(
            "\n## oauthclient-operator {name}\n\n```text\n{}\n```\n",
            help(name)
        );
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/flags.md");
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        std::fs::write(path, &page).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page,
        "docs/flags.md is not what the program says; run: UPDATE=1 cargo test the_page_on"
    );
}

#[test]
fn files_of_tokens_are_never_writable_by_others() {
    for (text, mode) in [
        ("0600", 0o600),
        ("640", 0o640),
        ("0644", 0o644),
        ("0440", 0o440),
    ] {
        assert_eq!(text.parse(), Ok(FileMode(mode)), "{text}");
    }
    for text in [
        "0660", "0666", "0700", "0755", "0040", "0", "", "x", "07640",
    ] {
        assert!(text.parse::<FileMode>().is_err(), "{text}");
    }
}

#[test]
fn a_group_goes_by_name_or_number() {
    let number = |text: &str| text.parse::<GroupName>().unwrap().number();
    assert_eq!(number("4711"), Ok(4711));
    assert_eq!(number("root"), Ok(0));
    let unknown = number("no-such-group").unwrap_err();
    assert!(unknown.contains("no-such-group"), "{unknown}");
    assert!("".parse::<GroupName>().is_err());
}
