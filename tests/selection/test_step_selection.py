"""Step selection of a re-execution: named steps, and messages for unmatched clauses."""

from __future__ import annotations

import pytest

from rayexec.errors import SelectionError, StepNotFoundError
from rayexec.selection.step_selection import select_steps

# flaky; dyn -> m (mapped: a, b) -> nxt (mapped) -> coll; and inner, mapped over what m[a] and m[b]
# yielded.
PARENTS = {
    "flaky": set[str](),
    "dyn": {"flaky"},
    "m[a]": {"dyn"},
    "m[b]": {"dyn"},
    "m[?]": {"dyn"},
    "nxt[a]": {"m[a]"},
    "nxt[b]": {"m[b]"},
    "nxt[?]": {"m[?]"},
    "inner[a,0]": {"m[a]"},
    "inner[b,0]": {"m[b]"},
    "inner[b,1]": {"m[b]"},
    "inner[?]": {"m[?]"},
    "g.coll": {"nxt[a]", "nxt[b]", "nxt[?]", "dyn"},
}


@pytest.mark.parametrize(
    ("clauses", "selected"),
    [
        (["flaky"], "flaky"),
        (["m[b]"], "m[b]"),
        (["m[b]+"], "m[b] nxt[b] inner[b,0] inner[b,1]"),
        (["m[b]*"], "m[b] nxt[b] inner[b,0] inner[b,1] g.coll"),
        (["m[?]"], "m[a] m[b] m[?]"),
        (["inner[b,?]"], "inner[b,0] inner[b,1]"),
        (["inner[?,0]"], "inner[a,0] inner[b,0]"),
        (["inner[?,?]"], "inner[a,0] inner[b,0] inner[b,1] inner[?]"),
        (["inner[?]"], "inner[a,0] inner[b,0] inner[b,1] inner[?]"),
        (["*nxt[a]"], "nxt[a] m[a] dyn flaky"),
        (["+nxt[a]", "flaky"], "nxt[a] m[a] flaky"),
        (["g.coll"], "g.coll"),
        (["dyn*"], " ".join(key for key in PARENTS if key != "flaky")),
        (["*"], " ".join(PARENTS)),
    ],
)
def test_clauses_select(clauses: list[str], selected: str) -> None:
    assert select_steps(clauses, PARENTS) == set(selected.split())


def test_all_unknown_steps_are_told() -> None:
    with pytest.raises(StepNotFoundError) as caught:
        select_steps(["m", "dyn", "m[c]*", "flakey"], PARENTS)
    assert str(caught.value) == (
        "Step selection refers to unknown steps: m, m[c], flakey. For all steps of a mapped op "
        "write m[?]."
    )
    with pytest.raises(StepNotFoundError, match=r"unknown step: flakey\. Did you mean 'flaky'\?"):
        select_steps(["flakey"], PARENTS)


@pytest.mark.parametrize("clauses", ["flaky", ["a b"], ["*"[:0]], [3]])
def test_what_is_no_clause_is_told(clauses: object) -> None:
    with pytest.raises(SelectionError):
        select_steps(clauses, PARENTS)  # type: ignore[arg-type]  # that is the mistake
