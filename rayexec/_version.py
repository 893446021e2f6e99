"""Version and distribution of the package, in a module that every floor may import."""

__all__ = ["DISTRIBUTION", "__version__"]

__version__ = "0.1.0"
#: Name for pip. On the package index, ``rayexec`` is a project of somebody else.
DISTRIBUTION = "rayexec-jobs"
