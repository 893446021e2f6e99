"""Token of a cluster: its file, a new one if there is none, and Ray's knowledge of tokens."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from rayexec.errors import EngineError

__all__ = [
    "AUTH_MODE",
    "OLDEST_RAY",
    "TOKEN",
    "TOKEN_PATH",
    "ensure_token",
    "no_token_wanted",
    "readable_by_others",
    "refresh",
    "require_token",
    "show_token",
    "token",
    "token_notes",
    "token_path",
    "withhold_token",
]

AUTH_MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"

# First Ray with tokens; `pyproject.toml` has it as the lower bound.
OLDEST_RAY = "2.52"
# The mode that the user gave, where this process has put another one in its place.
_modes_before: list[str | None] = []
_is_withheld = False


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


def token_notes() -> list[str]:
    """Return a note for the run if others may read the token that this process shows."""
    if (os.environ.get(AUTH_MODE) or "").lower() != "token" or not readable_by_others():
        return []
    note = (
        f"Other users of this machine may read the token of your Ray clusters in {token_path()}, "
        "and so run code as you: take it from them (chmod 600)."
    )
    return [note]


def ensure_token() -> None:
    """Write a new token for this user alone, unless there is one; close its file to others.

    Raises EngineError if the file cannot be written, and for a Ray that knows no tokens.
    """
    _check_ray()
    if token() is not None:
        _close_to_others()
        return
    path = token_path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path)
    except OSError as error:
        raise EngineError(
            f"cannot write the token of the cluster to {path}: {error.strerror}. Set {TOKEN_PATH} "
            "to a file that can be written."
        ) from error
    _close_to_others()


def _write(path: Path) -> None:
    """Write a new token, unless another process has just done so; raises OSError."""
    # Whole or not at all, since another process may read it meanwhile.
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(fresh, path)  # the first of several wins: a Ray may run with its token
        except OSError:  # there is one, empty perhaps; or the file system has no such links
            if token() is None:
                fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _close_to_others() -> None:
    """Take the modes of others from the token's file, and from Ray's directory in the home.

    A mounted secret may refuse; ``readable_by_others`` says so. Any other directory may be shared
    on purpose.
    """
    if os.environ.get(TOKEN):
        return
    path = token_path()
    for closed in (path, *([path.parent] if path.parent == Path.home() / ".ray" else [])):
        with contextlib.suppress(OSError):
            mode = closed.stat().st_mode & 0o7777
            if mode & 0o077:
                closed.chmod(mode & 0o700)


def _check_ray() -> None:
    """Raise EngineError for a Ray without tokens: it would run anybody's code."""
    import ray
    import ray._raylet as raylet

    if not hasattr(raylet, "AuthenticationTokenLoader"):
        raise EngineError(
            f"Ray {ray.__version__} is too old: it asks for no token, so that every user of this "
            f"machine could run code as you. Install Ray {OLDEST_RAY} or later: pip install -U "
            f"'ray[default]>={OLDEST_RAY}'"
        )


def require_token() -> None:
    """Have a Ray that starts in this process ask for the token, and clients of it show it.

    Whatever mode the environment has: without a token every user of this machine could run code.
    Raises EngineError.
    """
    ensure_token()
    show_token()


def show_token() -> None:
    """Have Ray's clients in this process show the token."""
    mode = os.environ.get(AUTH_MODE)
    if (mode or "").lower() != "token":
        _modes_before.append(mode)
        os.environ[AUTH_MODE] = "token"
    refresh()


def no_token_wanted() -> None:
    """Take back what ``show_token`` set, before an attach to a cluster without tokens."""
    if not _modes_before:
        return
    before = _modes_before.pop()
    if before is None:
        os.environ.pop(AUTH_MODE, None)
    else:
        os.environ[AUTH_MODE] = before
    refresh()


def withhold_token(is_withheld: bool) -> None:
    """Have Ray's clients in this process show no token, also where the user's own mode is to show
    it; or take that back.
    """
    global _is_withheld
    if is_withheld and (os.environ.get(AUTH_MODE) or "").lower() == "token":
        os.environ[AUTH_MODE] = "disabled"
        refresh()
        _is_withheld = True
    elif not is_withheld and _is_withheld:
        os.environ[AUTH_MODE] = "token"
        refresh()
        _is_withheld = False


def refresh() -> None:
    """Have Ray read the mode and the token again, which it does only at its import."""
    import ray._raylet as raylet

    config: Any = getattr(raylet, "Config", None)
    if config is not None:
        config.initialize("")
    loader: Any = getattr(raylet, "AuthenticationTokenLoader", None)
    if loader is not None:
        loader.instance().reset_cache()
