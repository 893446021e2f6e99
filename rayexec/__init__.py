"""rayexec: Dagster's op/job execution, on Ray.

All public names are importable from here. Each loads at its first use, so that ``import rayexec``
and the help of the command line are fast. ``rayexec/__init__.pyi`` lists them.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import Any

from rayexec import direct_calls as _direct_calls
from rayexec._version import __version__ as __version__

_LISTED = re.compile(
    r"^from (?P<module>\S+) import (?:\(\s+)?(?P<name>\w+) as |^(?P<alias>\w+) = (?P<own>\w+)$",
    re.MULTILINE,
)
# The stub ends with names that rayexec only imports, as stand-ins.
_ONLY_IMPORT = "\n# Names of Dagster that only import"


def _listed() -> tuple[dict[str, str], dict[str, str]]:
    """The modules of the public names, and the own names of their aliases, from the stub."""
    module_of: dict[str, str] = {}
    own_name_of: dict[str, str] = {}
    # The loader also reads the stub of a package inside a zip file.
    text, _, _ = __spec__.loader.get_data(f"{__file__}i").decode().partition(_ONLY_IMPORT)
    for line in _LISTED.finditer(text):
        if line["alias"]:
            own_name_of[line["alias"]] = line["own"]
        elif line["name"] != "__version__":
            module_of[line["name"]] = line["module"]
    return module_of, own_name_of


_MODULE_OF, _OWN_NAME_OF = _listed()


def __getattr__(name: str) -> Any:
    if name == "__all__":
        from rayexec.definitions.stand_ins.topics import TOPIC_OF

        value: Any = sorted([*_MODULE_OF, *_OWN_NAME_OF, *TOPIC_OF])
    else:
        own_name = _OWN_NAME_OF.get(name, name)
        module = _MODULE_OF.get(own_name)
        if module is None:
            if not _is_stand_in(name):
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
            module = "rayexec.definitions.stand_ins.inert"
        value = getattr(import_module(module), own_name)
    globals()[name] = value
    return value


def _is_stand_in(name: str) -> bool:
    if name.startswith("_"):
        return False
    from rayexec.definitions.stand_ins.topics import TOPIC_OF

    return name in TOPIC_OF


def __dir__() -> list[str]:
    return [*__getattr__("__all__"), "__version__"]


# Definitions know nothing of the package that calls them outside of graphs.
_direct_calls.set_loader(lambda: import_module("rayexec.direct"))


class _PrivatePaths:
    """Serves imports such as ``rayexec._core.definitions.output``: Dagster's private paths."""

    PACKAGES = frozenset(
        [
            "_annotations",
            "_api",
            "_builtins",
            "_check",
            "_cli",
            "_config",
            "_core",
            "_daemon",
            "_experimental",
            "_generate",
            "_grpc",
            "_legacy",
            "_loggers",
            "_record",
            "_scheduler",
            "_serdes",
            "_time",
            "_utils",
            "_vendored",
        ]
    )

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
        package, _, below = fullname.partition(".")
        if package != "rayexec" or below.partition(".")[0] not in cls.PACKAGES:
            return None
        from rayexec.definitions.stand_ins.private_paths import spec_of

        return spec_of(fullname)


# Behind the others, so that modules of rayexec come first.
sys.meta_path.append(_PrivatePaths)
