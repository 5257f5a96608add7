"""Files whose content depends on nothing but what is put into them: no clock, no user, no order of a directory."""

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical_json(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def tar(files: dict[str, tuple[bytes, int]], epoch: int) -> bytes:
    """A tar archive of {path: (content, mode)}; folders that paths need come before them. Everything belongs to root."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        folders = set()
        for path in sorted(files):
            for parent in list(Path(path).parents)[-2::-1]:
                if str(parent) not in folders:
                    folders.add(str(parent))
                    archive.addfile(_entry(str(parent), 0o755, epoch, tarfile.DIRTYPE))
            content, mode = files[path]
            entry = _entry(path, mode, epoch, tarfile.REGTYPE)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _entry(path: str, mode: int, epoch: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.mode, entry.mtime, entry.type = mode, epoch, kind
    return entry


def gzipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", filename="", compresslevel=9, mtime=0) as stream:
        stream.write(data)
    return out.getvalue()


def tar_gz(files: dict[str, tuple[bytes, int]], epoch: int) -> bytes:
    return gzipped(tar(files, epoch))


def zip_archive(files: dict[str, tuple[bytes, int]], epoch: int) -> bytes:
    """A zip archive, for systems where tar is not at hand. Its times begin in 1980 and are even."""
    import time

    at = max(time.gmtime(epoch - epoch % 2)[:6], (1980, 1, 1, 0, 0, 0))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(files):
            content, mode = files[path]
            entry = zipfile.ZipInfo(path, at)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return out.getvalue()
