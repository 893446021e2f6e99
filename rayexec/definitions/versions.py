"""Code versions: declarations that an op's code has not changed its meaning."""

from __future__ import annotations

import warnings
from typing import Any

from rayexec.errors import DefinitionError

__all__ = ["check_version", "version_of"]


def version_of(code_version: Any, version: Any, where: str) -> Any:
    """Return the code version by its name, or by the deprecated one, which warns.

    Raises DefinitionError for both.
    """
    if version is None:
        return code_version
    if code_version is not None:
        raise DefinitionError(f"{where}: version is the old name of code_version; give one.")
    warnings.warn(
        f"{where}: version is deprecated; write code_version={version!r}.",
        DeprecationWarning,
        stacklevel=4,
    )
    return version


def check_version(code_version: Any, where: str, *, cache: Any) -> None:
    """Raise DefinitionError for a malformed ``code_version``, or for ``cache`` without one."""
    if code_version is not None and not (isinstance(code_version, str) and code_version):
        raise DefinitionError(
            f'{where}: code_version must be a string such as "1", got {code_version!r}; change it '
            f"when the code does something else."
        )
    if not isinstance(cache, bool):
        raise DefinitionError(f"{where}: cache must be True or False, got {cache!r}.")
    if cache and code_version is None:
        raise DefinitionError(
            f'{where}: cache=True needs a code_version, such as code_version="1". Code cannot be '
            f"compared safely, since what it calls may change elsewhere; so outputs are reused as "
            f"long as the version is the same. Change it when the op does something else."
        )
