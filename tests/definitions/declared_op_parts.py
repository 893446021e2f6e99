"""A body and a resource for ops that the tests declare."""

from rayexec import ConfigurableResource


def body(n: int, m: int = 2) -> int:
    """Add two numbers."""
    return n + m


class Client(ConfigurableResource):
    url: str = "here"
