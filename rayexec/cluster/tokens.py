"""Token of a cluster: its file, and a new one if there is none."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from rayexec.errors import EngineError

__all__ = [
    "AUTH_MODE",
    "TOKEN",
    "TOKEN_PATH",
    "ensure_token",
    "readable_by_others",
    "token",
    "token_path",
]

AUTH_MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"


def token_path() -> Path:
    """Return the file from which Ray reads the token."""
    return Path(os.environ.get(TOKEN_PATH) or Path.home() / ".ray" / "auth_token").absolute()


def token() -> str | None:
    """Return Ray's token from the environment or the file, or None without one."""
    if given := os.environ.get(TOKEN):
        return given.strip()
    try:
        return token_path().read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def readable_by_others() -> bool:
    """Whether other users of this machine may read the token's file; Ray makes it so."""
    try:
        return not os.environ.get(TOKEN) and bool(token_path().stat().st_mode & 0o077)
    except OSError:
        return False


def ensure_token() -> None:
    """Write a new token for this user alone, unless there is one.

    Raises EngineError if the file cannot be written.
    """
    if token() is not None:
        return
    path = token_path()
    # Whole or not at all, since another process may read it meanwhile.
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        fresh.replace(path)
    except OSError as error:
        raise EngineError(
            f"cannot write the token of the cluster to {path}: {error.strerror}. Set {TOKEN_PATH} "
            "to a file that can be written."
        ) from error
