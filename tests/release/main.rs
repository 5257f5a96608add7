//! What `make release` packs, with substitutes for the optimized programs: the real scripts, real registries and real
//! plugin managers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod dist;
mod first_token;

use std::fs;
use std::path::Path;
use std::process::Command;

use dist::{Dist, IMAGE, VERSION, path, run};
use serde_json::Value;
use testkit::net::free_port;
use testkit::process::Process;
use testkit::tools::Tool;
use testkit::wait;

/// Every file below a folder, with its content.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                all.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn packing_twice_writes_the_same_bytes_and_the_checksums_are_right() {
    let (first, second) = (Dist::pack(&[]), Dist::pack(&[]));
    let (first_files, second_files) = (files(first.folder()), files(second.folder()));
    let names =
        |all: &[(String, Vec<u8>)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&first_files), names(&second_files));
    for ((name, one), (_, other)) in first_files.iter().zip(&second_files) {
        assert!(one == other, "{name} differs between two runs");
    }
    for wanted in [
        "install.yaml",
        "crds.yaml",
        "image.txt",
        "provenance.json",
        "oauthclient.yaml",
        "SHA256SUMS",
    ] {
        assert!(first.folder().join(wanted).is_file(), "{wanted}");
    }
    let mut check = Command::new("sha256sum");
    run(check
        .current_dir(first.folder())
        .args(["--quiet", "--strict", "--check", "SHA256SUMS"]));
    // It names everything but itself and the layout, which is in an archive too.
    let sums = fs::read_to_string(first.folder().join("SHA256SUMS")).unwrap();
    let expected = fs::read_dir(first.folder()).unwrap().count() - 2;
    assert_eq!(sums.lines().count(), expected, "{sums}");
}

#[test]
fn a_folder_of_an_older_release_is_not_mixed_with_a_new_one() {
    let dist = Dist::pack(&[]);
    let output = dist.command(dist.folder(), &[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("exists; remove it first"),
        "{said}"
    );
}

#[test]
fn the_notes_are_the_section_of_the_changelog() {
    let notes = fs::read_to_string(Dist::pack(&[]).folder().join("RELEASE_NOTES.md")).unwrap();
    let changelog = fs::read_to_string(path("CHANGELOG.md")).unwrap();
    assert!(
        changelog.contains(notes.trim()) && notes.contains("### "),
        "{notes}"
    );
    assert!(!notes.contains("\n## "), "one section alone");
}

#[test]
fn every_file_names_the_version_of_the_program_and_the_changelog_dates_it() {
    for file in [
        "deploy/base/deployment.yaml",
        "deploy/install.yaml",
        "README.md",
        "docs/contributing.md",
    ] {
        let text = fs::read_to_string(path(file)).unwrap();
        let named = versions_in(&text);
        assert!(!named.is_empty(), "{file} names no version");
        assert!(
            named.iter().all(|named| named == VERSION),
            "{file}: {named:?}"
        );
    }
    let about = fs::read_to_string(path("charts/oauthclient-operator/Chart.yaml")).unwrap();
    for line in [
        format!("version: {VERSION}"),
        format!("appVersion: {VERSION:?}"),
    ] {
        let bare = line.replace('"', "");
        let found = about.lines().any(|it| it.replace('"', "") == bare);
        assert!(found, "Chart.yaml has no line {line}");
    }
    // The newest release is this version, with its date; until the first one is cut, nothing is released.
    let changelog = fs::read_to_string(path("CHANGELOG.md")).unwrap();
    let headings: Vec<&str> = changelog
        .lines()
        .filter(|line| line.starts_with("## "))
        .collect();
    let released = headings.iter().find(|line| **line != "## [Unreleased]");
    match released {
        None => assert_eq!(headings, ["## [Unreleased]"]),
        Some(heading) => {
            let date = heading.strip_prefix(&format!("## [{VERSION}] - "));
            let date = date.unwrap_or_else(|| panic!("{heading} is not of {VERSION}"));
            date.parse::<jiff::civil::Date>().unwrap();
        }
    }
}

/// The versions of our image and files that a text names, as `oauthclient-operator:1.2.3` and `oauthclient-operator-1.2.3`.
fn versions_in(text: &str) -> Vec<String> {
    let after = text.split("oauthclient-operator").skip(1);
    let rests = after.filter_map(|rest| rest.strip_prefix([':', '-']));
    let digits = |rest: &str| {
        let digits = rest
            .chars()
            .take_while(|sign| sign.is_ascii_digit() || *sign == '.');
        digits.collect::<String>().trim_end_matches('.').to_owned()
    };
    rests
        .map(digits)
        .filter(|version| version.split('.').filter(|part| !part.is_empty()).count() == 3)
        .collect()
}

#[test]
fn chart_and_manifest_name_the_image_by_its_digest() {
    let dist = Dist::pack(&["--image", IMAGE]);
    let image = dist.image();
    assert!(image.starts_with(&format!("{IMAGE}@sha256:")), "{image}");
    let install = fs::read_to_string(dist.folder().join("install.yaml")).unwrap();
    assert!(install.contains(&format!("image: {image}\n")));
    let chart = dist
        .folder()
        .join(format!("oauthclient-operator-{VERSION}.tgz"));
    let mut helm = Command::new(Tool::Helm4.program().unwrap());
    let rendered = run(helm.args(["template", "oauthclient-operator"]).arg(&chart));
    assert!(
        rendered.contains(&format!("image: \"{image}\"\n")),
        "{rendered}"
    );
    let mut helm = Command::new(Tool::Helm4.program().unwrap());
    let about = run(helm.args(["show", "chart"]).arg(&chart));
    assert!(
        about.contains("artifacthub.io/images") && about.contains(&image),
        "{about}"
    );
}

#[test]
fn there_is_a_plugin_for_macos_and_only_that() {
    let dist = Dist::pack(&[]);
    let manifest = fs::read_to_string(dist.folder().join("oauthclient.yaml")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    for (system, architecture) in [
        ("darwin", "amd64"),
        ("darwin", "arm64"),
        ("linux", "amd64"),
        ("linux", "arm64"),
    ] {
        let of = |name: &str| format!("{name}-{VERSION}-{system}-{architecture}.tar.gz");
        let plugin = of("kubectl-oauthclient");
        assert!(dist.folder().join(&plugin).is_file(), "{plugin}");
        let operator = of("oauthclient-operator");
        let exists = dist.folder().join(&operator).exists();
        assert_eq!(exists, system == "linux", "{operator}");
        let wanted = serde_json::json!({"os": system, "arch": architecture});
        let one = platforms
            .iter()
            .find(|one| one["selector"]["matchLabels"] == wanted)
            .unwrap_or_else(|| panic!("krew knows no {wanted}"));
        let from = one["uri"].as_str().unwrap();
        assert!(from.ends_with(&plugin), "{from}");
    }
}

/// The linker needs each name that the plugin uses; those of another version of the bindings would be missing.
#[test]
fn the_link_stubs_for_macos_name_what_the_bindings_declare() {
    let stubs = tempfile::tempdir().unwrap();
    run(Command::new("python3")
        .arg(path("release/apple_stubs.py"))
        .arg(stubs.path()));
    for (framework, name) in [
        ("Security", "_SecTrustSettingsCopyCertificates"),
        ("CoreFoundation", "_CFRelease"),
    ] {
        let stub = stubs
            .path()
            .join(format!("{framework}.framework/{framework}.tbd"));
        let stub = fs::read_to_string(stub).unwrap();
        assert!(stub.contains(&format!(" {name},")), "{stub}");
        assert!(stub.contains(&format!(
            "install-name: '/System/Library/Frameworks/{framework}.framework/"
        )));
    }
}

/// A registry on loopback; it ends with the test.
struct Registry {
    address: String,
    _process: Process,
}

impl Registry {
    async fn start() -> Registry {
        let address = format!("127.0.0.1:{}", free_port().unwrap());
        let mut command = Command::new(Tool::Crane.program().unwrap());
        command.args(["registry", "serve", "--address", &address]);
        let process = Process::start("registry", command).unwrap();
        wait::until(
            "the registry",
            std::time::Duration::from_secs(100),
            || async {
                std::net::TcpStream::connect(&address)
                    .map_err(|error| testkit::Error::new(error.to_string()))
            },
        )
        .await
        .unwrap();
        Registry {
            address,
            _process: process,
        }
    }
}

fn crane(args: &[&str]) -> String {
    run(Command::new(Tool::Crane.program().unwrap()).args(args))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_takes_the_image_which_is_nobodys_and_has_no_shell() {
    let dist = Dist::pack(&[]);
    let registry = Registry::start().await;
    let reference = format!("{}/oauthclient-operator:{VERSION}", registry.address);
    let layout = dist.folder().join("image");
    crane(&["push", "--insecure", layout.to_str().unwrap(), &reference]);
    let digest = crane(&["digest", "--insecure", &reference]);
    assert_eq!(dist.image().split_once('@').unwrap().1, digest.trim());
    for architecture in ["amd64", "arm64"] {
        let platform = format!("linux/{architecture}");
        crane(&[
            "validate",
            "--insecure",
            "--platform",
            &platform,
            "--remote",
            &reference,
        ]);
        let config = crane(&["config", "--insecure", "--platform", &platform, &reference]);
        let config: Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["architecture"], architecture);
        assert_eq!(config["created"], "2023-11-14T22:13:20Z");
        let running = &config["config"];
        assert_eq!(running["User"], "65532:65532");
        assert_eq!(
            running["Entrypoint"],
            serde_json::json!(["/oauthclient-operator"])
        );
        assert_eq!(running["Cmd"], serde_json::json!(["run"]));
        for (label, value) in [
            ("version", VERSION),
            ("licenses", "Apache-2.0"),
            ("revision", "abc"),
        ] {
            assert_eq!(
                running["Labels"][format!("org.opencontainers.image.{label}")],
                value
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("root.tar");
        crane(&[
            "export",
            "--insecure",
            "--platform",
            &platform,
            &reference,
            archive.to_str().unwrap(),
        ]);
        let listed = run(Command::new("tar")
            .args(["--numeric-owner", "-tvf"])
            .arg(&archive));
        let program = listed
            .lines()
            .find(|line| line.ends_with(" oauthclient-operator"))
            .unwrap();
        assert!(program.starts_with("-rwxr-xr-x 0/0"), "{program}");
        let mut names: Vec<&str> = listed
            .lines()
            .filter(|line| line.starts_with('-'))
            .map(|line| line.rsplit(' ').next().unwrap())
            .collect();
        names.sort_unstable();
        let expected = [
            "LICENSE",
            "etc/group",
            "etc/passwd",
            "etc/ssl/certs/ca-certificates.crt",
            "oauthclient-operator",
        ];
        assert_eq!(names, expected, "nothing else is in it");
    }
}

#[test]
fn krew_installs_the_plugin_from_its_archive_and_kubectl_finds_it() {
    let dist = Dist::pack(&[]);
    let manifest = dist.folder().join("oauthclient.yaml");
    let mut validate = Command::new(Tool::ValidateKrewManifest.program().unwrap());
    run(validate
        .arg("-manifest")
        .arg(&manifest)
        .arg("-skip-install"));

    let root = tempfile::tempdir().unwrap();
    let archive = dist
        .folder()
        .join(format!("kubectl-oauthclient-{VERSION}-linux-amd64.tar.gz"));
    let mut krew = Command::new(Tool::Krew.program().unwrap());
    krew.env("KREW_ROOT", root.path())
        .env("HOME", root.path())
        .env("KREW_NO_UPGRADE_CHECK", "1");
    krew.arg("install")
        .arg(format!("--manifest={}", manifest.display()));
    run(krew.arg(format!("--archive={}", archive.display())));

    let assets = testkit::control_plane::Assets::find_or_build().unwrap();
    let mut kubectl = Command::new(assets.program("kubectl").unwrap());
    let plugins = format!("{}:/usr/bin:/bin", root.path().join("bin").display());
    let said = run(kubectl
        .env("PATH", plugins)
        .args(["oauthclient", "--version"]));
    assert!(said.contains(VERSION), "{said}");
}
