"""The tree of errors: as drawn, and with StoreError apart from EngineError."""

import inspect
import pickle
import re

import pytest

from rayexec import errors
from rayexec.cli.exit_codes import FAILED, USAGE, with_exit_code
from rayexec.errors import EngineError, RayexecError, ResourceError, SelectionError, StoreError


def test_the_tree_at_the_top_of_the_module_is_that_of_the_classes() -> None:
    drawn: dict[str, str] = {}
    parents = {0: "RayexecError"}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    (?P<indent>[ │]*)[├└]── (?P<name>\w+)", line)
        if match:
            depth = len(match["indent"]) // 4
            drawn[match["name"]] = parents[depth]
            parents[depth + 1] = match["name"]
    classes = {
        name: error.__bases__[0].__name__
        for name, error in inspect.getmembers(errors, inspect.isclass)
        if issubclass(error, RayexecError) and error.__name__ == name and error is not RayexecError
    }
    assert drawn == classes


def test_who_expects_an_engines_error_does_not_catch_a_full_disk() -> None:
    assert not issubclass(StoreError, EngineError)


@pytest.mark.parametrize(
    ("error", "code"),
    [(StoreError("full"), FAILED), (EngineError("gone"), FAILED), (SelectionError("?"), USAGE)],
)
def test_a_failing_store_ends_a_command_like_a_failing_engine(
    error: RayexecError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    @with_exit_code
    def command() -> int:
        raise error

    assert command() == code
    assert capsys.readouterr().err == f"Error: {error}\n"


def test_a_resource_error_carries_the_key_through_a_pickle() -> None:
    copy = pickle.loads(pickle.dumps(ResourceError("no", key="db")))
    assert (str(copy), copy.key) == ("no", "db")
