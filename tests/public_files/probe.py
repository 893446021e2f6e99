"""Reports on one public job file: whether it imports, and how its op jobs end.

``python probe.py PACKAGE ROOT FILE`` runs in a process of its own, with an interpreter that has
PACKAGE (``dagster`` or ``rayexec``), and prints one line of JSON. Under rayexec every import of
``dagster`` gives rayexec: this is "change the import line", in all files of the project.
Third-party modules are stand-ins in both cases, so that both packages see the same.

The file is a stranger's program and runs here: start it in a sandbox.
"""

from __future__ import annotations

import builtins
import dis
import importlib
import importlib.util
import json
import os
import random
import re
import signal
import sys
import types
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

JOB_TIMEOUT_S = 20
# Modules that are there for both packages.
REAL = {*sys.stdlib_module_names, "dagster", "rayexec", "pydantic", "typing_extensions", "yaml"}
REAL |= {"certifi", "pydantic_settings", "dotenv"}


VARIABLES = re.compile(r"""(?:getenv\(|environ\.get\(|environ\[|EnvVar\()\s*["'](\w+)["']""")


class StandInType(type):
    """The class of stand-in classes: each use of one gives another stand-in."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return stand_in(name)

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        if cls.__dict__.get("_is_stand_in"):
            only = arguments[0] if len(arguments) == 1 and not named else None
            if isinstance(only, types.FunctionType):
                return only  # the stand-in was a decorator
        return super().__call__(*arguments, **named)

    def __instancecheck__(cls, value: Any) -> bool:
        if cls.__dict__.get("_is_stand_in"):
            return isinstance(type(value), StandInType)
        return super().__instancecheck__(value)

    def __getitem__(cls, item: Any) -> Any:
        return cls

    def __or__(cls, other: Any) -> Any:
        return cls

    def __ror__(cls, other: Any) -> Any:
        return cls

    def __iter__(cls) -> Any:
        return iter(())

    def __enter__(cls) -> Any:
        return cls()

    def __exit__(cls, *error: object) -> None:
        return None


class StandIn(metaclass=StandInType):
    """A value of a module that is not installed: it takes any call and gives stand-ins."""

    _is_stand_in = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return stand_in(name)()

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        only = arguments[0] if len(arguments) == 1 and not named else None
        return only if isinstance(only, types.FunctionType) else StandIn()

    def __getitem__(self, item: Any) -> Any:
        return StandIn()

    def __setitem__(self, item: Any, value: Any) -> None:
        return None

    def __iter__(self) -> Any:
        """As many stand-ins as the caller unpacks, else none."""
        asker = sys._getframe(1)
        operation, argument = asker.f_code.co_code[asker.f_lasti : asker.f_lasti + 2]
        unpacks = operation == dis.opmap["UNPACK_SEQUENCE"]
        return iter([StandIn() for _ in range(argument if unpacks else 0)])

    def __len__(self) -> int:
        return 0

    def __contains__(self, item: Any) -> bool:
        return False

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __int__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.0

    def __str__(self) -> str:
        return "stand-in"

    __repr__ = __str__

    def _operate(self, *others: Any) -> Any:
        return StandIn()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _operate
    __truediv__ = __rtruediv__ = __floordiv__ = __mod__ = __and__ = __or__ = _operate
    __gt__ = __lt__ = __ge__ = __le__ = __neg__ = __invert__ = _operate

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.any_schema()


def stand_in(name: str) -> Any:
    # A file may catch an error of a module that is not installed.
    bases = (StandIn, Exception) if name.endswith(("Error", "Exception")) else (StandIn,)
    return StandInType(name, bases, {"_is_stand_in": True})


class StandInModule(types.ModuleType):
    """A module that is not installed; ``door`` is the package that stands for Dagster."""

    def __init__(self, name: str, door: Any) -> None:
        super().__init__(name)
        self.door = door
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name != "__version__":
            raise AttributeError(name)
        if name.endswith("io_manager"):
            value = self.door.mem_io_manager
        else:
            value = "1.0.0" if name == "__version__" else stand_in(name)
        setattr(self, name, value)
        return value


class Modules:
    """Gives the files of a project their own modules, and stand-ins for what is not installed."""

    def __init__(self, package: str, root: Path, file: Path) -> None:
        self.package, self.root = package, root
        self.directories = list(dict.fromkeys(self.candidates(root, file)))
        self.real_import = builtins.__import__
        self.failed: dict[str, str] = {}
        self.stand_ins: dict[str, StandInModule] = {}

    @staticmethod
    def candidates(root: Path, file: Path) -> Iterator[Path]:
        """The directories with modules of the project, those next to the file first."""
        sources = sorted(root.rglob("src"), key=lambda path: -len(path.parts))
        nearby = [path for parent in file.parents for path in (parent, parent / "src")]
        for directory in (*nearby, *sources, root, *sorted(root.glob("*/"))):
            if (
                directory.is_relative_to(root)
                and directory.is_dir()
                # A package beside the root may be a working directory all the same.
                and (directory.parent == root or not (directory / "__init__.py").exists())
                and not any((directory / name).exists() for name in ("dagster", "dagster_shared"))
            ):
                yield directory

    def is_own(self, name: str) -> bool:
        return any(
            (directory / f"{name}.py").is_file() or any((directory / name).rglob("*.py"))
            for directory in self.directories
        )

    def __enter__(self) -> Modules:
        sys.path[:0] = [str(directory) for directory in self.directories]
        builtins.__import__ = self.load
        return self

    def __exit__(self, *error: object) -> None:
        builtins.__import__ = self.real_import

    def load(self, name: str, *given: Any, **named: Any) -> Any:
        """Import like ``__import__``, for files of the project with stand-ins."""
        asked = dict(zip(("globals", "locals", "fromlist", "level"), given, strict=False)) | named
        scope = asked.get("globals") or {}
        asker = Path(str(scope.get("__file__") or "/"))
        top = name.partition(".")[0]
        if not asker.is_relative_to(self.root):
            return self.real_import(name, **asked)
        if asked.get("level"):
            return self.own_module(name, asked)
        if top == "dagster":
            return self.real_import(name.replace("dagster", self.package, 1), **asked)
        if top in REAL:
            return self.real_import(name, **asked)
        if self.is_own(top):
            return self.own_module(name, asked)
        return self.stand_in_module(name, asked.get("fromlist"))

    def own_module(self, name: str, asked: dict[str, Any]) -> Any:
        """Another module of the project; a stand-in and a note when it cannot be imported."""
        try:
            return self.real_import(name, **asked)
        except Exception as error:
            self.failed.setdefault(name, f"{type(error).__name__}: {error}"[:200])
            return self.stand_in_module(f"failed.{name}", asked.get("fromlist") or ("*",))

    def stand_in_module(self, name: str, names: Any) -> Any:
        parts = name.split(".")
        modules = [".".join(parts[: length + 1]) for length in range(len(parts))]
        for path in modules:
            # Not in sys.modules: the package itself may import the real one later.
            self.stand_ins.setdefault(path, StandInModule(path, sys.modules[self.package]))
        for parent, child in pairwise(modules):
            setattr(self.stand_ins[parent], child.rpartition(".")[2], self.stand_ins[child])
        return self.stand_ins[name] if names else self.stand_ins[parts[0]]


def dotted_name(root: Path, file: Path) -> tuple[Path, str]:
    """The directory for sys.path and the name of the module, as Python would import it."""
    parts = [] if file.name == "__init__.py" else [file.stem]
    directory = file.parent
    while (directory / "__init__.py").exists():
        parts.insert(0, directory.name)
        directory = directory.parent
    if directory == file.parent and "from ." in file.read_text():
        # A file without a package that imports its neighbours: the project runs it from its root.
        return root, ".".join((*file.parent.relative_to(root).parts, file.stem))
    return directory, ".".join(parts)


def set_variables(root: Path) -> None:
    """Give each environment variable that the project reads a value."""
    for file in root.rglob("*.py"):
        for name in VARIABLES.findall(file.read_text(errors="replace")):
            if not name.startswith(("RAY", "DAGSTER", "PYTHON")):
                os.environ.setdefault(name, "1")


def jobs_of(package: str, module: Any) -> dict[str, Any]:
    """The op jobs of a module by name: its own, and those of graphs and Definitions."""
    api = importlib.import_module(package)
    jobs: dict[str, Any] = {}
    for value in list(vars(module).values()):
        if isinstance(value, api.JobDefinition):
            jobs.setdefault(value.name, value)
        elif isinstance(value, api.GraphDefinition):
            try:
                jobs.setdefault(f"graph {value.name}", value.to_job())
            except Exception as error:
                jobs[f"graph {value.name}"] = error
        elif isinstance(value, api.RepositoryDefinition):
            for job in value.get_all_jobs():
                if not job.name.startswith("__ASSET"):
                    jobs[job.name] = job
        elif isinstance(value, api.Definitions):
            for job in value.jobs or []:
                if isinstance(job, api.JobDefinition):
                    try:
                        jobs[job.name] = value.get_job_def(job.name)
                    except Exception as error:
                        jobs[job.name] = error
    return jobs


def ending(package: str, job: Any) -> Any:
    """How the job ends: ``refused``, or the outcome and the end of each step."""
    if isinstance(job, Exception):
        return {"refused": "definition"}

    def stop(*_: object) -> None:
        raise TimeoutError(f"the job took more than {JOB_TIMEOUT_S} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(JOB_TIMEOUT_S)
    random.seed(0)  # for ops that fail by chance
    try:
        result = job.execute_in_process(raise_on_error=False)
    except Exception as error:
        return {"refused": "config" if "Config" in type(error).__name__ else "job"}
    finally:
        signal.alarm(0)
    kinds = {"STEP_SUCCESS": "success", "STEP_FAILURE": "failure", "STEP_SKIPPED": "skipped"}
    steps = {
        event.step_key: kinds[event.event_type_value]
        for event in result.all_events
        if event.event_type_value in kinds
    }
    return {"success": result.success, "steps": dict(sorted(steps.items()))}


def probe(package: str, root: Path, file: Path) -> dict[str, Any]:
    importlib.import_module(package)
    set_variables(root)
    with Modules(package, root, file) as modules:
        directory, name = dotted_name(root, file)
        sys.path.insert(0, str(directory))
        try:
            if name.isidentifier() or "." in name:
                module = importlib.import_module(name)
            else:
                spec = importlib.util.spec_from_file_location("probed", file)
                assert spec is not None
                assert spec.loader is not None
                module = importlib.util.module_from_spec(spec)
                sys.modules["probed"] = module
                spec.loader.exec_module(module)
        except BaseException as error:
            at = f"{type(error).__name__}: {error}"
            return {"imports": False, "error": " ".join(at.split())[:300], "failed": modules.failed}
        jobs = jobs_of(package, module)
        return {
            "imports": True,
            "jobs": {key: ending(package, jobs[key]) for key in sorted(jobs)},
            "failed": modules.failed,
        }


def main() -> None:
    package, root, file = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
    # What the file prints is not the report.
    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.chdir(os.environ.get("TMPDIR", "/tmp"))
    report.write(json.dumps(probe(package, root, file)) + "\n")
    report.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
