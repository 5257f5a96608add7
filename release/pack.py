#!/usr/bin/env python3
"""Packs what a release consists of into a folder: image, archives, chart, manifests, checksums and notes.

Everything in it is a function of the arguments: two runs with the same programs write the same bytes.
"""

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import image
from reproducible import canonical_json, sha256, tar, tar_gz, zip_archive

ROOT = Path(__file__).resolve().parent.parent
# The architectures of the image.
IMAGE_PLATFORMS = ["linux-amd64", "linux-arm64"]
DESCRIPTION = "Keeps OAuth 2.0 access tokens fresh in Kubernetes Secrets"


def main() -> None:
    args = arguments()
    out: Path = args.out
    if out.exists():
        sys.exit(f"pack.py: {out} exists; remove it first, so that nothing of an older run is taken for a part of this one")
    out.mkdir(parents=True)
    release = Release(args)
    release.write_image()
    release.write_archives()
    release.write_chart()
    release.write_manifests()
    release.write_sbom_and_provenance()
    release.write_notes()
    release.write_checksums()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="folder with OS-ARCHITECTURE/PROGRAM")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; it must not exist")
    parser.add_argument("--roots", type=Path, required=True, help="certificate roots of the image, as PEM")
    parser.add_argument("--helm", type=Path, required=True, help="the program helm")
    parser.add_argument("--sbom", type=Path, help="the bill of materials, CycloneDX as JSON")
    parser.add_argument("--image", default="oauthclient-operator", help="repository that the image is pulled from")
    parser.add_argument("--project-url", default="https://example.com/oauthclient-operator", help="home page of the project")
    parser.add_argument("--release-url", help="where the archives are downloaded; default: PROJECT_URL/releases/download/vVERSION")
    parser.add_argument("--revision", default="", help="commit that is released")
    parser.add_argument("--epoch", type=int, required=True, help="time of everything, in seconds: SOURCE_DATE_EPOCH")
    return parser.parse_args()


def version() -> str:
    return re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.M).group(1)


class Release:
    def __init__(self, args: argparse.Namespace):
        self.args, self.out, self.version = args, args.out, version()
        self.licence = (ROOT / "LICENSE").read_bytes()
        self.platforms = sorted(folder.name for folder in args.programs.iterdir() if folder.is_dir())
        self.release_url = args.release_url or f"{args.project_url}/releases/download/v{self.version}"
        self.image_digest = ""

    def program(self, platform: str, name: str) -> bytes | None:
        folder = self.args.programs / platform
        for file in (folder / name, folder / f"{name}.exe"):
            if file.exists():
                return file.read_bytes()
        return None

    def write_image(self) -> None:
        programs = {}
        for platform in IMAGE_PLATFORMS:
            program = self.program(platform, "oauthclient-operator")
            if program is None:
                print(f"pack.py: no program for {platform}: the image lacks it", file=sys.stderr)
            else:
                programs[platform.removeprefix("linux-")] = program
        labels = {
            "org.opencontainers.image.title": "oauthclient-operator",
            "org.opencontainers.image.description": DESCRIPTION,
            "org.opencontainers.image.version": self.version,
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.url": self.args.project_url,
            "org.opencontainers.image.source": self.args.project_url,
            "org.opencontainers.image.revision": self.args.revision,
        }
        roots, epoch = self.args.roots.read_bytes(), self.args.epoch
        folder = self.out / "image"
        self.image_digest = image.write(folder, programs, roots, self.licence, labels, epoch)
        files = {str(path.relative_to(folder)): (path.read_bytes(), 0o644) for path in folder.rglob("*") if path.is_file()}
        # The same as one file, for downloads.
        self.put(f"oauthclient-operator-{self.version}-image.tar", tar(files, epoch))
        self.put("image.txt", f"{self.args.image}@{self.image_digest}\n".encode())

    def write_archives(self) -> None:
        plugins = []
        for platform in self.platforms:
            system = platform.partition("-")[0]
            for name in ("oauthclient-operator", "kubectl-oauthclient"):
                content = self.program(platform, name)
                if content is None:
                    continue
                binary = f"{name}.exe" if system == "windows" else name
                files = {binary: (content, 0o755), "LICENSE": (self.licence, 0o644)}
                pack, ending = (zip_archive, "zip") if system == "windows" else (tar_gz, "tar.gz")
                archive = f"{name}-{self.version}-{platform}.{ending}"
                data = pack(files, self.args.epoch)
                self.put(archive, data)
                if name == "kubectl-oauthclient":
                    plugins.append((platform, archive, binary, sha256(data)))
        self.write_krew_manifest(plugins)

    def write_krew_manifest(self, plugins: list[tuple[str, str, str, str]]) -> None:
        platforms = []
        for platform, archive, binary, digest in plugins:
            system, _, architecture = platform.partition("-")
            platforms.append(
                {
                    "selector": {"matchLabels": {"os": system, "arch": architecture}},
                    "uri": f"{self.release_url}/{archive}",
                    "sha256": digest,
                    "bin": binary,
                }
            )
        manifest = {
            "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
            "kind": "Plugin",
            "metadata": {"name": "oauthclient"},
            "spec": {
                "version": f"v{self.version}",
                "homepage": self.args.project_url,
                "shortDescription": "See, refresh and log in OAuthClients",
                "description": (
                    "Shows the access tokens that oauthclient-operator keeps fresh, says what fails and how to mend it,\n"
                    "requests a new token, and logs people in where a provider asks for consent.\n"
                ),
                "platforms": platforms,
            },
        }
        # JSON is YAML too, and has one form.
        self.put("oauthclient.yaml", json.dumps(manifest, indent=2).encode() + b"\n")

    def write_chart(self) -> None:
        """The chart, with the image that was just made as its default."""
        with tempfile.TemporaryDirectory() as folder:
            chart = Path(folder) / "oauthclient-operator"
            shutil.copytree(ROOT / "charts/oauthclient-operator", chart)
            if self.args.image != "oauthclient-operator":
                values = chart / "values.yaml"
                text = values.read_text()
                text = replaced(text, "  repository: oauthclient-operator\n", f"  repository: {self.args.image}\n")
                text = replaced(text, '  digest: ""\n', f"  digest: {self.image_digest}\n")
                values.write_text(text)
                about = chart / "Chart.yaml"
                images = f"  artifacthub.io/images: |\n    - name: oauthclient-operator\n      image: {self.args.image}@{self.image_digest}\n"
                about.write_text(about.read_text() + images)
            environment = {"HOME": folder, "PATH": os.environ["PATH"]}
            command = [self.args.helm, "package", chart, "--destination", folder]
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
            name = f"oauthclient-operator-{self.version}.tgz"
            # Helm writes the time of day into its archive.
            self.put(name, repacked((Path(folder) / name).read_bytes(), self.args.epoch))

    def write_manifests(self) -> None:
        install = (ROOT / "deploy/install.yaml").read_text()
        image_line = f"image: {self.args.image}@{self.image_digest}\n"
        install = replaced(install, f"image: oauthclient-operator:{self.version}\n", image_line)
        self.put("install.yaml", install.encode())
        self.put("crds.yaml", (ROOT / "crds/oauthclients.yaml").read_bytes())

    def write_sbom_and_provenance(self) -> None:
        if self.args.sbom:
            self.put(f"oauthclient-operator-{self.version}.cdx.json", self.args.sbom.read_bytes())
        materials = [{"uri": self.args.project_url, "digest": {"gitCommit": self.args.revision}}]
        for name in ("Cargo.lock", "release/requirements.txt"):
            materials.append({"name": name, "digest": {"sha256": sha256((ROOT / name).read_bytes())}})
        provenance = {
            "buildDefinition": {
                "buildType": f"{self.args.project_url}/make-release/v1",
                "externalParameters": {"version": self.version, "platforms": self.platforms},
                "resolvedDependencies": materials,
            },
            "runDetails": {"builder": {"id": os.environ.get("BUILDER_ID", f"{self.args.project_url}/make-release")}},
        }
        self.put("provenance.json", canonical_json(provenance) + b"\n")

    def write_notes(self) -> None:
        self.put("RELEASE_NOTES.md", notes((ROOT / "CHANGELOG.md").read_text(), self.version).encode())

    def write_checksums(self) -> None:
        files = sorted(path for path in self.out.iterdir() if path.is_file())
        lines = [f"{sha256(path.read_bytes())}  {path.name}\n" for path in files]
        self.put("SHA256SUMS", "".join(lines).encode())

    def put(self, name: str, data: bytes) -> None:
        (self.out / name).write_bytes(data)


def replaced(text: str, old: str, new: str) -> str:
    """Fails where there is nothing to replace, or more than one thing."""
    if text.count(old) != 1:
        sys.exit(f"pack.py: expected {old!r} once, found it {text.count(old)} times")
    return text.replace(old, new)


def repacked(archive: bytes, epoch: int) -> bytes:
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as source:
        for entry in source:
            files[entry.name] = (source.extractfile(entry).read(), 0o644)
    return tar_gz(files, epoch)


def notes(changelog: str, wanted: str) -> str:
    """The section of a version in the changelog; before it is dated, that of what is not released yet."""
    sections = dict(re.findall(r"^## \[(.+?)\].*?\n(.*?)(?=^## |\Z)", changelog, re.M | re.S))
    section = sections.get(wanted) or sections.get("Unreleased")
    if not section or not section.strip():
        sys.exit(f"pack.py: CHANGELOG.md has no section [{wanted}] or [Unreleased]")
    return section.strip() + "\n"


if __name__ == "__main__":
    main()
