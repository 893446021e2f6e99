"""Access to a Ray cluster: its address, a first question to it, and its token.

Ray itself tries a wrong token for 20 seconds and a dead address for over a minute, and then says
little. So rayexec first asks one question, by Ray's own protocol.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

from rayexec.cluster.local_cluster import running
from rayexec.cluster.processes import own_arguments
from rayexec.cluster.tokens import (
    AUTH_MODE,
    TOKEN,
    TOKEN_PATH,
    no_token_wanted,
    show_token,
    token,
    token_path,
    withhold_token,
)
from rayexec.errors import EngineError

__all__ = ["asks_for_token", "loopback", "reach"]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ANSWER_TIMEOUT_S = 5.0
# Every Ray answers it, to anybody with access.
_QUESTION = "/ray.rpc.NodeInfoGcsService/GetClusterId"
_HINT = (
    "Give the host and port that `rayexec cluster up` or `ray start --head` printed (HOST:6379), "
    "or auto on a machine of the cluster."
)


def reach(address: str) -> str:
    """Return the HOST:PORT of the Ray at ``address``, and set our token for Ray.

    ``auto`` stands for RAY_ADDRESS, or the cluster of ``rayexec cluster up``, or the address that
    Ray finds. Raises EngineError within ten seconds for no address, no answer or a refused token.

    The token opens all clusters of the user. So an address gets it that somebody gave or set as
    RAY_ADDRESS, or that a process of this user serves here; Ray finds what any user has left.
    """
    withhold_token(False)
    source, is_trusted = "", True
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or "auto"
        source = " That is what RAY_ADDRESS says: unset it, or set it anew."
    if address == "auto":
        source = (
            " That is what Ray has noted of a cluster that ran here: start one with `rayexec "
            "cluster up`."
        )
        if (own := running()) is not None:
            address = own
        else:
            address = _found_by_ray()
            is_trusted = _is_served_here(address)
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        return address  # another form, which Ray itself will check
    try:
        _check_answers(address)
    except EngineError as error:
        raise EngineError(f"{error}{source}") from None
    if is_trusted:
        _authenticate(address)
    elif not _is_admitted(address, None):
        raise EngineError(
            f"the Ray at {address} asks for a token. Ray has found that address on this machine, "
            "where any user may leave one, and none of your processes belongs to it. If that "
            f"cluster is yours, give its address: --address {address}."
        )
    else:
        no_token_wanted()
        withhold_token(True)  # that of an RAY_AUTH_MODE of the user's own would go there
    return address


def _is_served_here(address: str) -> bool:
    """Whether a node of the Ray at ``address`` is a process of this user on this machine."""
    return any(f"--gcs-address={address}" in command for command in own_arguments("raylet"))


def _found_by_ray() -> str:
    from ray._private import services

    find = getattr(services, "get_ray_address_from_environment", None)
    if find is None:  # a private name of Ray, which may go; Ray then searches by itself
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
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise EngineError(f"no Ray answers at {address}: {error}. {_HINT}") from error


@contextlib.contextmanager
def loopback(address: str) -> Iterator[None]:
    """Let Ray attach to a cluster on the loopback interface alone, while the block runs.

    On Linux, Ray replaces 127.0.0.1 by the machine's outward address, where such a cluster does not
    listen.
    """
    from ray._private import ray_constants

    # With False, Ray keeps 127.0.0.1, as on systems that have one node only.
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
    """Set Ray's variables for access to ``address``; raises EngineError without access.

    Only a cluster that asks for a token sees ours.
    """
    mode = (os.environ.get(AUTH_MODE) or "").lower()
    if mode == "k8s" or os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        return  # Ray itself handles other tokens, and certificates
    if _is_admitted(address, None):
        no_token_wanted()
        return
    own_token = token()
    if mode not in ("", "token"):
        raise EngineError(
            f"the Ray at {address} asks for a token, and {AUTH_MODE} is {mode!r} here: unset it."
        )
    if own_token is None:
        raise EngineError(
            f"the Ray at {address} asks for a token, and there is none here: copy {token_path()} "
            f"from the machine where the cluster was started, or set {TOKEN_PATH} to where it is."
        )
    if not _is_admitted(address, own_token):
        source = TOKEN if os.environ.get(TOKEN) else str(token_path())
        raise EngineError(
            f"the Ray at {address} refuses the token of {source}: it was started with another "
            "one. Copy the file ~/.ray/auth_token of the user who started the cluster, or set "
            f"{TOKEN_PATH} to where it is."
        )
    show_token()


def asks_for_token(address: str) -> bool | None:
    """Return whether the Ray at HOST:PORT needs a token; None if it cannot tell."""
    host, _, port = address.rpartition(":")
    if (
        not host
        or not port.isdigit()
        or os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")
    ):
        return None
    return not _is_admitted(address, None)


def _is_admitted(address: str, sent_token: str | None) -> bool:
    try:
        import grpc  # type: ignore[import-untyped]  # has no types of its own
    except ImportError:  # a part of ray[default], and not of bare ray
        return True
    options = [("grpc.enable_http_proxy", 0)]
    metadata = [("authorization", f"Bearer {sent_token}")] if sent_token else []
    with grpc.insecure_channel(address, options=options) as channel:
        try:
            channel.unary_unary(_QUESTION)(b"", timeout=ANSWER_TIMEOUT_S, metadata=metadata)
        except grpc.RpcError as error:
            code = error.code()
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise EngineError(
                    f"what listens at {address} does not answer as Ray does. {_HINT}"
                ) from error
            return bool(code != grpc.StatusCode.UNAUTHENTICATED)
    return True
