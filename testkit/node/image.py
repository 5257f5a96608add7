#!/usr/bin/env python3
"""Writes a program and the libraries that it is linked with as an image, in one file for `ctr images import`.

Usage: image.py OUT TAG PROGRAM COMMAND. The image starts the program with this argument, as the user 65532. It is laid out as that of a
release.
"""

import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "release"))
import image  # noqa: E402
from reproducible import tar  # noqa: E402

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def libraries(program: Path) -> list[Path]:
    """The absolute paths in what ldd prints; none where the program is static."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return [Path(path) for path in re.findall(r"(?:^\s*|=> )(/\S+) \(0x", listed, re.M)]


def stripped(program: Path) -> bytes:
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "--strip-debug", "-o", out.name, program], check=True)
        return Path(out.name).read_bytes()


def main() -> None:
    out, name, program = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    files = {str(path).lstrip("/"): (path.read_bytes(), 0o755) for path in libraries(program)}
    labels = {"org.opencontainers.image.version": name}
    with tempfile.TemporaryDirectory() as folder:
        layout = Path(folder) / "image"
        architecture = ARCHITECTURES[platform.machine()]
        image.write(layout, {architecture: stripped(program)}, b"", b"", labels, 0, more=files, command=sys.argv[4])
        whole = {str(path.relative_to(layout)): (path.read_bytes(), 0o644) for path in layout.rglob("*") if path.is_file()}
        out.write_bytes(tar(whole, 0))


if __name__ == "__main__":
    main()
