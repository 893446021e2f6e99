"""Events of users as values: what Dagster 1.13 answers for the same expressions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rayexec import AssetKey, AssetMaterialization, AssetObservation, ExpectationResult
from rayexec.errors import DefinitionError

ANSWERS: list[tuple[Callable[[], object], object]] = [
    (lambda: AssetKey("a/b").path, ["a/b"]),
    (lambda: AssetKey(["a", "b"]).to_user_string(), "a/b"),
    (lambda: str(AssetKey(("a",))), "AssetKey(['a'])"),
    (lambda: AssetKey("a") == AssetKey(["a"]), True),
    (lambda: len({AssetKey("a"), AssetKey(("a",))}), 1),
    (lambda: AssetKey(["a", "b"]).to_string(), '["a", "b"]'),
    (lambda: AssetKey.from_user_string("a/b").path, ["a", "b"]),
    (lambda: AssetKey(["a.c", "b-d"]).to_python_identifier("x"), "a_c__b_d__x"),
    (lambda: AssetKey("b").with_prefix("p").path, ["p", "b"]),
    (lambda: AssetKey(["a", "b"]).has_prefix(["a"]), True),
    (lambda: sorted([AssetKey("b"), AssetKey("a")])[0].path, ["a"]),
    (lambda: AssetKey.from_coercible(("a", "b")).path, ["a", "b"]),
    (lambda: AssetKey.from_db_string('["x"]'), AssetKey("x")),
    (lambda: AssetKey.from_db_string("x/y"), AssetKey(["x", "y"])),
    (lambda: AssetKey.from_db_string(""), None),
    (lambda: AssetMaterialization("s3://a/b.csv").asset_key.path, ["s3", "a", "b", "csv"]),
    (lambda: AssetMaterialization(["a", "b/c"]).label, "a b/c"),
    (lambda: AssetMaterialization("a", metadata={"x": 1}).metadata["x"].value, 1),
    (lambda: AssetMaterialization("a").tags, None),
    (lambda: AssetObservation("a").tags, {}),
    (lambda: AssetObservation("a", tags={"dagster/data_version": "3"}).data_version, "3"),
    (lambda: AssetMaterialization.file("/tmp/x").asset_key.path, ["tmp", "x"]),
    (lambda: AssetMaterialization.file("/tmp/x").metadata["path"].value, "/tmp/x"),
    (lambda: AssetMaterialization("a").with_metadata({"z": 1}).metadata["z"].value, 1),
    (lambda: AssetMaterialization("a") == AssetMaterialization(["a"]), True),
    (lambda: ExpectationResult(True).label, "result"),
    (lambda: ExpectationResult(success=False) == ExpectationResult(False, "result"), True),
]


def test_values_are_those_of_dagster() -> None:
    assert [answer() for answer, _ in ANSWERS] == [expected for _, expected in ANSWERS]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: AssetKey(1),  # type: ignore[arg-type]
        lambda: AssetKey([1]),  # type: ignore[list-item]
        lambda: AssetMaterialization("a", tags={"n": 1}),  # type: ignore[dict-item]
        lambda: AssetMaterialization(None),  # type: ignore[arg-type]
        lambda: AssetObservation("a", metadata={"x": object()}),
        lambda: AssetObservation("a", metadata=[1]),  # type: ignore[arg-type]
        lambda: AssetMaterialization("a", description=5),  # type: ignore[arg-type]
        lambda: AssetMaterialization("a", partition=5),  # type: ignore[arg-type]
        lambda: AssetObservation("a", partition=5),  # type: ignore[arg-type]
        lambda: ExpectationResult(True, description=5),  # type: ignore[arg-type]
        lambda: ExpectationResult(True, label=5),  # type: ignore[arg-type]
        lambda: ExpectationResult(1),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_event_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(DefinitionError):
        wrong()
