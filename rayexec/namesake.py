"""Search for a package of another project that is installed under the name ``rayexec``."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["namesake_finder"]


def namesake_finder() -> Callable[[], str | None]:
    """Return a function that describes a foreign package ``rayexec``; its None stands for no such.

    The function is nested and imports only the standard library, so that it travels by value to
    nodes without this package. It does not import what it finds.
    """

    def find_namesake() -> str | None:
        import importlib.metadata
        import importlib.util
        import os

        try:
            spec = importlib.util.find_spec("rayexec")
        except ValueError:  # a module without a spec
            return None
        if spec is None or spec.origin is None:  # missing, or a directory that is only called so
            return None
        is_ours = any(
            os.path.isdir(os.path.join(directory, "engine"))
            for directory in spec.submodule_search_locations or ()
        )
        if is_ours:
            # The other package may lie on top of this one, since both install into one directory.
            try:
                with open(spec.origin, "rb") as file:
                    is_ours = b"__version__" in file.read()
            except OSError:  # in an archive
                return None
        if is_ours:
            return None
        try:
            distribution = f", rayexec {importlib.metadata.version('rayexec')}"
        except importlib.metadata.PackageNotFoundError:
            distribution = ""
        return f"{spec.origin}{distribution}"

    return find_namesake
