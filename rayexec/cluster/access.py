"""How a Ray cluster is reached: where it is, whether it answers, and the token that it may ask for.

Ray tries for 20 seconds with a wrong token and for over a minute where nothing answers, and then
says little. So a cluster is asked one question first, by the protocol that Ray itself uses.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

from rayexec.cluster.local_cluster import running
from rayexec.cluster.tokens import AUTH_MODE, TOKEN, TOKEN_PATH, token, token_path
from rayexec.errors import EngineError

__all__ = ["asks_for_token", "loopback", "reach", "refresh"]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ANSWER_TIMEOUT = 5.0  # seconds until an address counts as dead
# Answered by every Ray, and to anybody who may ask it anything at all.
_QUESTION = "/ray.rpc.NodeInfoGcsService/GetClusterId"
_HINT = (
    "Give the host and port that `rayexec cluster up` or `ray start --head` printed (HOST:6379), "
    "or auto on a machine of the cluster."
)


def reach(address: str) -> str:
    """Return the HOST:PORT of a Ray that answers at ``address`` and knows our token, which is then
    set for Ray to use.

    ``auto`` is what RAY_ADDRESS says, else the cluster that ``rayexec cluster up`` started, else
    what Ray finds. Raises EngineError, within ten seconds, where nothing answers, nothing is found,
    or the token is refused.
    """
    source = ""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or "auto"
        source = " That is what RAY_ADDRESS says: unset it, or set it anew."
    if address == "auto":
        source = " That is what Ray has noted of a cluster that ran here: start one with `rayexec cluster up`."
        address = running() or _found_by_ray()
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        return address  # a form of Ray's own, which it will judge
    try:
        _check_answers(address)
    except EngineError as error:
        raise EngineError(f"{error}{source}") from None
    _authenticate(address)
    return address


def _found_by_ray() -> str:
    from ray._private import services

    find = getattr(services, "get_ray_address_from_environment", None)
    if find is None:  # private, and so it may be gone; Ray then looks for itself
        return "auto"
    try:
        return str(find("auto", None))
    except ConnectionError:
        raise EngineError(
            "no Ray runs on this machine. Start one with `rayexec cluster up`, or leave the "
            "address out: then one is started for the run."
        ) from None


def _check_answers(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_TIMEOUT).close()
    except (OSError, OverflowError) as error:
        raise EngineError(f"no Ray answers at {address}: {error}. {_HINT}") from error


@contextlib.contextmanager
def loopback(address: str) -> Iterator[None]:
    """Let Ray attach to a cluster that listens on this machine's loopback alone, while the block
    runs.

    On Linux, Ray takes 127.0.0.1 in an address for the machine's outward address, where such a
    cluster does not listen.
    """
    from ray._private import ray_constants

    # False: this machine's address is 127.0.0.1, as on systems with one node only
    name = "ENABLE_RAY_CLUSTER"
    if not hasattr(ray_constants, name) or not _is_loopback_alone(address):
        yield
        return
    before = getattr(ray_constants, name)
    setattr(ray_constants, name, False)
    try:
        yield
    finally:
        setattr(ray_constants, name, before)


def _is_loopback_alone(address: str) -> bool:
    from ray._private import services

    host, _, port = address.rpartition(":")
    if host not in _LOOPBACK or not port.isdigit():
        return False
    try:
        socket.create_connection(
            (services.resolve_ip_for_localhost(host), int(port)), timeout=1
        ).close()
    except OSError:
        return True
    return False


def _authenticate(address: str) -> None:
    """Set what Ray needs to be let in at ``address``; raises EngineError where it would not be.

    The token is shown only to a cluster that asks for one.
    """
    mode = (os.environ.get(AUTH_MODE) or "").lower()
    if mode == "k8s" or os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        return  # another kind of token, or certificates, with which Ray itself deals
    if _is_admitted(address, None):
        return
    known = token()
    if mode not in ("", "token"):
        raise EngineError(
            f"the Ray at {address} asks for a token, and {AUTH_MODE} is {mode!r} here: unset it."
        )
    if known is None:
        raise EngineError(
            f"the Ray at {address} asks for a token, and there is none here: copy {token_path()} "
            f"from the machine where the cluster was started, or set {TOKEN_PATH} to where it is."
        )
    if not _is_admitted(address, known):
        source = TOKEN if os.environ.get(TOKEN) else str(token_path())
        raise EngineError(
            f"the Ray at {address} refuses the token of {source}: it was started with another "
            "one. Copy the file ~/.ray/auth_token of the user who started the cluster, or set "
            f"{TOKEN_PATH} to where it is."
        )
    os.environ[AUTH_MODE] = "token"
    refresh()


def asks_for_token(address: str) -> bool | None:
    """Return whether the Ray at HOST:PORT lets nobody in without a token; None where that cannot be
    asked.
    """
    host, _, port = address.rpartition(":")
    if (
        not host
        or not port.isdigit()
        or os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")
    ):
        return None
    return not _is_admitted(address, None)


def _is_admitted(address: str, shown: str | None) -> bool:
    try:
        import grpc  # type: ignore[import-untyped]  # has no types of its own
    except ImportError:  # part of ray[default], but not of the bare ray
        return True
    options = [("grpc.enable_http_proxy", 0)]
    metadata = [("authorization", f"Bearer {shown}")] if shown else []
    with grpc.insecure_channel(address, options=options) as channel:
        try:
            channel.unary_unary(_QUESTION)(b"", timeout=_ANSWER_TIMEOUT, metadata=metadata)
        except grpc.RpcError as error:
            code = error.code()
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise EngineError(
                    f"what listens at {address} does not answer as Ray does. {_HINT}"
                ) from error
            return bool(code != grpc.StatusCode.UNAUTHENTICATED)
    return True


def refresh() -> None:
    """Have Ray read the mode and the token anew, which it did once when it was imported."""
    import ray._raylet as raylet

    config: Any = getattr(raylet, "Config", None)
    if config is not None:
        config.initialize("")
    loader: Any = getattr(raylet, "AuthenticationTokenLoader", None)
    if loader is not None:
        loader.instance().reset_cache()
