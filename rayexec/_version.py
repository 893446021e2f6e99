"""Version of the package, in a module of its own that every floor may import."""

__all__ = ["__version__"]

__version__ = "0.1.0"
