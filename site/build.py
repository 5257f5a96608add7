#!/usr/bin/env python3
"""Builds the documentation as a site, with search, and checks its links.

The pages are those of the repository, which can be read as plain Markdown too. They keep their paths, so that a link between two
of them, or to a file such as a manifest, is the same in both. `docs/README.md` is the table of contents: its sections become the
site's.

Usage: site/build.py [OUTPUT], by default target/site. Needs Python 3.11 and its `venv`; installs site/requirements.txt once into
the cache folder.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTENTS = "docs/README.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages() -> list[str]:
    """The Markdown files that people are given to read."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "testkit/README.md", ROOT / "testkit/PROVIDER.md"]
    found += sorted((ROOT / "docs").rglob("*.md"))
    return [str(path.relative_to(ROOT)) for path in found]


def targets(page: str, text: str) -> list[str]:
    """The files of the repository that a page links to."""
    found = []
    for link in LINK.findall(text):
        path = link.split("#")[0]
        if path and "://" not in path and not path.startswith("mailto:"):
            found.append(os.path.normpath(os.path.join(os.path.dirname(page), path)))
    return found


def stage(folder: Path) -> None:
    """Copies all pages, and the files that they link to, to the same paths under `folder`."""
    for page in pages():
        text = (ROOT / page).read_text()
        copy(page, folder)
        for target in targets(page, text):
            if (ROOT / target).is_file():
                copy(target, folder)
            elif (ROOT / target).is_dir() and not (ROOT / target / "README.md").exists():
                copy_folder(target, folder)


def copy(path: str, folder: Path) -> None:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / path, place)


def copy_folder(path: str, folder: Path) -> None:
    """The files of a folder that is linked to, with a page that lists them."""
    files = sorted(file.name for file in (ROOT / path).iterdir() if file.is_file())
    for name in files:
        copy(f"{path}/{name}", folder)
    listed = "".join(f"- [{name}]({name})\n" for name in files)
    (folder / path / "index.md").write_text(f"# {path}\n\n{listed}")


def navigation() -> list[dict]:
    """The sections of the table of contents, each with its pages."""
    sections: list[dict] = [{"Overview": "README.md"}]
    listed = {"README.md", CONTENTS}
    for line in (ROOT / CONTENTS).read_text().splitlines():
        if line.startswith("## "):
            sections.append({line[3:]: []})
            continue
        link = re.match(r"[-|] *\[([^\]]+)\]\(([^)#]+\.md)\)", line)
        if link:
            page = os.path.normpath(os.path.join("docs", link[2]))
            listed.add(page)
            next(iter(sections[-1].values())).append({link[1]: page})
    missing = [page for page in pages() if page not in listed]
    if missing:
        sys.exit(f"{CONTENTS} does not list: {', '.join(missing)}")
    return sections


def configuration() -> dict:
    return {
        "project": {
            "site_name": "oauthclient-operator",
            "site_url": os.environ.get("SITE_URL", "https://oauthclient.dev/"),
            "site_description": "A Kubernetes operator that keeps OAuth 2.0 access tokens fresh in Secrets",
            "docs_dir": "pages",
            "site_dir": "site",
            "nav": navigation(),
            "theme": {
                # Nothing is loaded from other hosts.
                "font": False,
                "features": [
                    "content.code.copy",
                    "navigation.footer",
                    "navigation.sections",
                    "navigation.top",
                    "search.highlight",
                ],
                "palette": [
                    {
                        "media": "(prefers-color-scheme: light)",
                        "scheme": "default",
                        "toggle": {"icon": "lucide/sun", "name": "Switch to dark mode"},
                    },
                    {
                        "media": "(prefers-color-scheme: dark)",
                        "scheme": "slate",
                        "toggle": {"icon": "lucide/moon", "name": "Switch to light mode"},
                    },
                ],
            },
            "markdown_extensions": {
                "tables": {},
                "attr_list": {},
                "toc": {"permalink": True},
                "pymdownx": {
                    "highlight": {"pygments_lang_class": True},
                    "superfences": {},
                },
            },
        }
    }


def toml(value: object) -> str:
    """A value in TOML. Tables become inline tables, which is enough here."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value)


def tools() -> Path:
    """The folder with the programs of requirements.txt, installed on first use."""
    wanted = ROOT / "site/requirements.txt"
    key = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "oauthclient-operator/site"
    place = cache / key
    if not (place / "bin/zensical").exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Under another name until it is whole. Its programs name the folder in their first line, so they are run as modules.
        fresh = Path(tempfile.mkdtemp(dir=cache))
        subprocess.run([sys.executable, "-m", "venv", fresh], check=True)
        install = [fresh / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted]
        subprocess.run(install, check=True)
        try:
            fresh.rename(place)
        except OSError:
            shutil.rmtree(fresh)
    return place / "bin"


def main() -> None:
    output = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/site").resolve()
    programs = tools()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "pages"
        stage(source)
        config = Path(folder) / "zensical.toml"
        project = configuration()["project"]
        lines = [f"{key} = {toml(value)}" for key, value in project.items()]
        config.write_text("[project]\n" + "\n".join(lines) + "\n")
        build = [programs / "python", "-m", "zensical", "build", "--clean", "--config-file", config]
        subprocess.run(build, check=True, cwd=folder)
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(Path(folder) / "site", output)
    check = [programs / "lychee", "--offline", "--include-fragments", "--index-files", "index.html", "--no-progress", "--root-dir", output, output]
    subprocess.run(check, check=True)
    print(f"the site is in {output}: python3 -m http.server --directory {output}")


main()
