"""Wheel of the rayexec that runs here, for clusters without it, made from its installed files."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import sys
import zipfile
from collections.abc import Mapping
from email.parser import HeaderParser
from pathlib import Path, PurePath
from typing import NamedTuple

from rayexec._version import DISTRIBUTION, __version__
from rayexec.errors import LoadError

__all__ = ["OwnWheel", "own_wheel"]

# The first time that an archive can hold: the same files make the same wheel.
_ENTRY_TIME = (1980, 1, 1, 0, 0, 0)
_HEADERS = frozenset({"metadata-version", "name", "summary", "requires-python", "requires-dist"})
_HEADERS |= {"provides-extra", "author", "license-expression", "project-url"}
_DIRECTORY = ".rayexec"
# The directory of a job's package on a node, in lines for pip; Ray fills it in.
_UNPACKED = "${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}"


class OwnWheel(NamedTuple):
    """A wheel by its file name, and its bytes."""

    name: str
    content: bytes

    @property
    def path(self) -> str:
        """The path in the package of a job."""
        return f"{_DIRECTORY}/{self.name}"

    @property
    def requirement(self) -> str:
        """The line for pip on a node with that package."""
        return f"{_UNPACKED}/{self.path}"


def own_wheel() -> OwnWheel:
    """Return a wheel of this package, without its examples; the same files make the same bytes.

    Its version has a digest of the content, so that pip installs it over an equal version. Raises
    LoadError where files or metadata of the installation are missing.
    """
    package = Path(str(sys.modules["rayexec"].__file__)).parent
    try:
        distribution = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise LoadError(
            f"no wheel of rayexec can be made, since {DISTRIBUTION} is not installed here: Python "
            f"only finds its files in {package}. In that directory's parent: pip install -e ."
        ) from None
    contents = {}
    for path in _files(distribution, package):
        try:
            contents[f"rayexec/{path}"] = (package / path).read_bytes()
        except OSError as error:
            raise LoadError(
                f"no wheel of rayexec can be made: {package / path}: {error.strerror}."
            ) from None
    headers = _headers(distribution)
    scripts = distribution.read_text("entry_points.txt") or ""
    digest = hashlib.sha256(repr((sorted(contents.items()), headers, scripts)).encode())
    version = f"{__version__}{'.' if '+' in __version__ else '+'}sent.{digest.hexdigest()[:12]}"
    name = f"{DISTRIBUTION.replace('-', '_')}-{version}"
    information = f"{name}.dist-info"
    contents |= {
        f"{information}/METADATA": f"{headers}Version: {version}\n".encode(),
        f"{information}/WHEEL": (
            b"Wheel-Version: 1.0\nGenerator: rayexec\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        f"{information}/entry_points.txt": scripts.encode(),
    }
    contents[f"{information}/RECORD"] = _record(contents, f"{information}/RECORD")
    return OwnWheel(f"{name}-py3-none-any.whl", _archive(contents))


def _files(distribution: importlib.metadata.Distribution, package: Path) -> list[str]:
    """Return the files of the package, by path below its directory.

    The record of an installation lists them. That of an editable one does not, and then all files
    of the directory count.
    """
    recorded: list[PurePath] = [
        file.relative_to("rayexec")
        for file in distribution.files or ()
        if file.parts[0] == "rayexec" and Path(str(file.locate())).is_relative_to(package)
    ]
    paths = recorded or [path.relative_to(package) for path in package.rglob("*") if path.is_file()]
    return sorted(
        path.as_posix()
        for path in paths
        if path.suffix not in (".pyc", ".pyo")
        and path.parts[0] != "examples"
        and "__pycache__" not in path.parts
    )


def _headers(distribution: importlib.metadata.Distribution) -> str:
    """Return the metadata for pip, but the version and what only pages of an index show."""
    metadata = HeaderParser().parsestr(distribution.read_text("METADATA") or "")
    return "".join(
        f"{name}: {value}\n" for name, value in metadata.items() if name.lower() in _HEADERS
    )


def _record(contents: Mapping[str, bytes], own: str) -> bytes:
    lines = []
    for path, content in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    return "".join([*lines, f"{own},,\n"]).encode()


def _archive(contents: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        for path, content in contents.items():
            entry = zipfile.ZipInfo(path, _ENTRY_TIME)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            written.writestr(entry, content)
    return archive.getvalue()
