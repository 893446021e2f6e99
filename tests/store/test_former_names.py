"""Former names of classes: where the recorded store's code had each public class."""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

import rayexec
from rayexec.former_names import FORMER_NAMES, StoredUnpickler, load_stored, stable_name

#: Public name -> "module:class" of the code that made the recorded store.
HOMES: dict[str, str] = json.loads(
    (Path(__file__).parent / "recorded" / "public_homes.json").read_text(encoding="utf-8")
)

# Dagster's name of an error -> our name of the class that it was when the store was recorded. It
# now is a narrower error, as in Dagster.
NARROWER = {"DagsterExecutionHandleOutputError": "OutputError"}


def present(public: str) -> type:
    """Return the class that now is what the public name was in the recorded store."""
    kind: type = getattr(rayexec, NARROWER.get(public, public))
    return kind


def test_a_narrower_error_stays_an_error_of_the_same_kind() -> None:
    for narrower, public in NARROWER.items():
        shared = set(getattr(rayexec, narrower).__mro__) & set(getattr(rayexec, public).__mro__)
        assert rayexec.StepError in shared


@pytest.mark.parametrize("public", HOMES)
def test_a_class_is_read_by_its_former_name(public: str) -> None:
    module, name = HOMES[public].split(":")
    assert StoredUnpickler(io.BytesIO()).find_class(module, name) is present(public)


@pytest.mark.parametrize("public", HOMES)
def test_keys_of_cached_outputs_keep_the_first_name(public: str) -> None:
    assert ":".join(stable_name(present(public))) == HOMES[public]


def test_every_former_name_leads_to_a_class() -> None:
    for module, name in FORMER_NAMES.values():
        found: Any = getattr(importlib.import_module(f"rayexec.{module}"), name)
        assert isinstance(found, type)


def test_classes_of_users_keep_their_own_name() -> None:
    class Mine:
        pass

    assert stable_name(Mine) == (Mine.__module__, Mine.__qualname__)
    with pytest.raises(ModuleNotFoundError):
        load_stored(b"crayexec.run.nothing\nHere\n.")
