use clap::CommandFactory as _;

use super::*;

fn refusal(arguments: &[&str]) -> String {
    let all = std::iter::once("kubectl-oauthclient").chain(arguments.iter().copied());
    Plugin::try_parse_from(all).unwrap_err().to_string()
}

#[test]
fn the_definition_holds_together() {
    Plugin::command().debug_assert();
}

#[test]
fn no_flag_takes_a_secret() {
    for arguments in [
        &["credentials", "create", "x", "--client-secret", "s"][..],
        &["credentials", "create", "x", "--password", "s"],
        &["login", "x", "--refresh-token", "s"],
    ] {
        assert!(refusal(arguments).contains("unexpected argument"));
    }
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for arguments in [
        &["login", "x", "--device", "--listen", "127.0.0.1:1"][..],
        &["login", "x", "--local", ".", "--context", "a"],
        &["status", "x", "-A"],
        &[
            "credentials",
            "create",
            "x",
            "--secret-from-stdin",
            "--no-secret",
        ],
    ] {
        assert!(
            refusal(arguments).contains("cannot be used with"),
            "{arguments:?}"
        );
    }
}

/// Every command that does something, by its words.
fn commands() -> Vec<(String, clap::Command)> {
    let mut all = Plugin::command();
    all.build();
    let mut found = Vec::new();
    for command in all.get_subcommands().filter(|one| one.get_name() != "help") {
        let inner: Vec<_> = command
            .get_subcommands()
            .filter(|one| one.get_name() != "help")
            .collect();
        if inner.is_empty() {
            found.push((command.get_name().to_owned(), command.clone()));
        }
        for one in inner {
            let words = format!("{} {}", command.get_name(), one.get_name());
            found.push((words, one.clone()));
        }
    }
    found
}

fn help(command: &clap::Command) -> String {
    let mut command = command
        .clone()
        .mut_args(|argument| argument.hide_env_values(true));
    let text = command.render_long_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[test]
fn help_fits_a_terminal() {
    for (name, command) in commands() {
        for line in help(&command).lines() {
            assert!(line.chars().count() <= 115, "{name}: {line}");
        }
    }
}

#[test]
fn the_page_of_the_plugin_is_what_help_says() {
    let mut page = String::from(include_str!("head.md"));
    for (name, command) in commands() {
        page += &format!(
            "\n## kubectl oauthclient {name}\n\n```text\n{}\n```\n",
            help(&command)
        );
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kubectl-plugin.md");
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        std::fs::write(path, &page).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page,
        "docs/kubectl-plugin.md is not what the program says; run: UPDATE=1 cargo test the_page_of_the_plugin"
    );
}
