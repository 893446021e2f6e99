"""Mistakes of definitions that Dagster refuses: each is refused here, and the message names it.

``definition_mistakes.txt`` has the mistakes. Each begins with a line ``## title | words``; the
message has all the words. ``python test_definition_mistakes.py dagster`` shows what Dagster says,
and so does any other package of its surface.
"""

import importlib
import re
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rayexec import RayexecError

_FILE = Path(__file__).with_name("definition_mistakes.txt")


class Mistake(NamedTuple):
    """A program that defines something wrong, and the words that a message about it has."""

    title: str
    words: list[str]
    program: str


def mistakes() -> Iterator[Mistake]:
    for section in re.split(r"^## ", _FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, program = section.partition("\n")
        title, *words = [part.strip() for part in head.split(" | ")]
        yield Mistake(title, words, program)


def run(program: str, package: str) -> None:
    """Run a program with ``dg`` as the name of the package."""
    module = types.ModuleType("mistake")
    module.__dict__["dg"] = importlib.import_module(package)
    sys.modules["mistake"] = module  # annotations and pickles look the module up
    try:
        exec(compile(program, "mistake.py", "exec"), module.__dict__)
    finally:
        del sys.modules["mistake"]


@pytest.mark.parametrize("mistake", list(mistakes()), ids=lambda mistake: mistake.title)
def test_the_mistake_is_refused_and_named(mistake: Mistake) -> None:
    with pytest.raises(RayexecError) as raised:
        run(mistake.program, "rayexec")
    for word in mistake.words:
        assert word in str(raised.value)


def test_there_are_many_mistakes_and_each_has_words() -> None:
    listed = list(mistakes())
    assert len(listed) > 200
    assert len({mistake.title for mistake in listed}) == len(listed)
    assert all(mistake.words for mistake in listed)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for wrong in mistakes():
        try:
            run(wrong.program, sys.argv[1])
        except Exception as error:  # of any class, to show it
            print(f"{wrong.title}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
        else:
            print(f"PASSES: {wrong.title}")
