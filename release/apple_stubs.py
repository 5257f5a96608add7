#!/usr/bin/env python3
"""Writes link stubs for the frameworks of macOS that the plugin links, so that it can be linked without Apple's SDK.

A stub is a list of names: the linker only has to know which framework has which symbol. The names are those that the Rust
bindings declare, in the versions of Cargo.lock. Usage: apple_stubs.py OUT
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINDINGS = {"CoreFoundation": "core-foundation-sys", "Security": "security-framework-sys"}
NAME = re.compile(r"^\s*pub (?:fn|static) (\w+)\s*[(:]", re.MULTILINE)


def sources() -> dict[str, Path]:
    """The folder of each package."""
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform=aarch64-apple-darwin"]
    answer = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    return {package["name"]: Path(package["manifest_path"]).parent for package in answer["packages"]}


def stub(framework: str, names: set[str]) -> str:
    targets = "[ x86_64-macos, arm64-macos ]"
    symbols = ", ".join(f"_{name}" for name in sorted(names))
    return (
        "--- !tapi-tbd\n"
        "tbd-version: 4\n"
        f"targets: {targets}\n"
        f"install-name: '/System/Library/Frameworks/{framework}.framework/Versions/A/{framework}'\n"
        "exports:\n"
        f"  - targets: {targets}\n"
        f"    symbols: [ {symbols} ]\n"
        "...\n"
    )


def main() -> None:
    out = Path(sys.argv[1])
    folders = sources()
    for framework, package in BINDINGS.items():
        names = set()
        for path in (folders[package] / "src").rglob("*.rs"):
            names.update(NAME.findall(path.read_text()))
        if not names:
            raise SystemExit(f"apple_stubs.py: {package} declares no names")
        folder = out / f"{framework}.framework"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{framework}.tbd").write_text(stub(framework, names))


if __name__ == "__main__":
    main()
