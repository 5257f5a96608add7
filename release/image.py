"""An image as an OCI layout, without a container engine: certificate roots and one static program, for each architecture."""

from datetime import datetime, timezone
from pathlib import Path

from reproducible import canonical_json, gzipped, sha256, tar

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

# Not root; the number that the chart and deploy/ name too.
USER = 65532
PASSWD = f"operator:x:{USER}:{USER}:operator:/:/none\n".encode()
GROUP = f"operator:x:{USER}:\n".encode()


class Layout:
    """A folder with blobs by their digest."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)

    def add(self, data: bytes, media_type: str, **more) -> dict:
        digest = sha256(data)
        (self.folder / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def close(self, index: dict, name: str) -> None:
        entry = {**index, "annotations": {"org.opencontainers.image.ref.name": name}}
        whole = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
        (self.folder / "index.json").write_bytes(canonical_json(whole))
        (self.folder / "oci-layout").write_bytes(canonical_json({"imageLayoutVersion": "1.0.0"}))


def write(
    folder: Path,
    programs: dict[str, bytes],
    roots: bytes,
    licence: bytes,
    labels: dict[str, str],
    epoch: int,
    more: dict[str, tuple[bytes, int]] | None = None,
    command: str = "run",
) -> str:
    """Writes the layout for {architecture: program}; returns the digest of the index, by which the image is pulled.

    `more` are further files as {path: (content, mode)}: what a program needs that is not static, in the tests. `command` is what
    the program is started with.
    """
    layout = Layout(folder)
    base = {
        "etc/passwd": (PASSWD, 0o644),
        "etc/group": (GROUP, 0o644),
        "etc/ssl/certs/ca-certificates.crt": (roots, 0o644),
        "LICENSE": (licence, 0o644),
        **(more or {}),
    }
    created = datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {**labels, "org.opencontainers.image.created": created}
    manifests = []
    for architecture in sorted(programs):
        layers = [tar(base, epoch), tar({"oauthclient-operator": (programs[architecture], 0o755)}, epoch)]
        manifests.append(_manifest(layout, architecture, layers, labels, created, command))
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, "annotations": labels}
    described = layout.add(canonical_json(index), INDEX)
    layout.close(described, labels["org.opencontainers.image.version"])
    return described["digest"]


def _manifest(
    layout: Layout, architecture: str, layers: list[bytes], labels: dict[str, str], created: str, command: str
) -> dict:
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {
            "User": f"{USER}:{USER}",
            "Entrypoint": ["/oauthclient-operator"],
            "Cmd": [command],
            "ExposedPorts": {"8080/tcp": {}, "8081/tcp": {}},
            "WorkingDir": "/",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}" for layer in layers]},
        "history": [
            {"created": created, "created_by": what}
            for what in ("certificate roots, user, licence", "the program")
        ],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.add(canonical_json(config), CONFIG),
        "layers": [layout.add(gzipped(layer), LAYER) for layer in layers],
        "annotations": labels,
    }
    platform = {"architecture": architecture, "os": "linux"}
    return layout.add(canonical_json(manifest), MANIFEST, platform=platform)
