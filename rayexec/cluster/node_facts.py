"""Facts of a node about itself, for the doctor.

The functions travel by value and import only the standard library, so that they run without
rayexec.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["node_facts", "node_time"]


def node_facts(
    home: str, marker: str, find_namesake: Callable[[], str | None] | None = None
) -> dict[str, Any]:
    """Return the facts of this node; ``home`` is the run store, with the driver's ``marker``.

    ``find_namesake`` is a function of ``namesake_finder``.
    """
    import importlib.metadata
    import importlib.util
    import os
    import resource
    import shutil
    import sys

    def version(name: str) -> str | None:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return None

    def rayexec() -> tuple[str | None, str | None]:
        if "rayexec" not in sys.modules and namesake is not None:
            return None, None
        try:
            from rayexec._version import __version__

            return __version__, None
        except Exception as error:
            # A rayexec from before that module has its version in the package itself.
            older = getattr(sys.modules.get("rayexec"), "__version__", None)
            return older, None if older else f"{type(error).__name__}: {error}"

    def space(path: str) -> tuple[int, int] | None:
        try:
            usage = shutil.disk_usage(path)
        except OSError:
            return None
        return usage.total, usage.free

    def store() -> tuple[bool, str | None]:
        """Whether the marker is there, and the error of a write beside it."""
        try:
            from pyarrow import fs

            if "://" in home:
                system, root = fs.FileSystem.from_uri(home)
            else:
                system, root = fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(home))
            is_there = system.get_file_info(f"{root}/{marker}").type == fs.FileType.File
        except Exception as error:
            return False, f"{type(error).__name__}: {error}"
        own = f"{root}/{marker}-{os.getpid()}"
        try:
            if is_there:  # otherwise nobody may want a file there
                with system.open_output_stream(own) as stream:
                    stream.write(b"rayexec")
                system.delete_file(own)
        except Exception as error:
            return is_there, f"{type(error).__name__}: {error}"
        return is_there, None

    namesake = None if find_namesake is None else find_namesake()
    own_version, import_error = rayexec()
    sees_marker, store_error = store() if marker else (False, None)
    return {
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "ray": version("ray"),
        "rayexec": own_version,
        "rayexec_error": import_error,
        "namesake": namesake,
        "missing": [
            name for name in ("pyarrow", "pydantic") if importlib.util.find_spec(name) is None
        ],
        "shared_memory": space("/dev/shm"),
        "disk": space(os.environ.get("RAY_TMPDIR") or "/tmp"),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "sees_marker": sees_marker,
        "store_error": store_error,
    }


def node_time() -> float:
    """Return the node's clock, in seconds since the epoch."""
    import time

    return time.time()
