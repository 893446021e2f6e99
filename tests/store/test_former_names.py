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


@pytest.mark.parametrize("public", HOMES)
def test_a_class_is_read_by_its_former_name(public: str) -> None:
    module, name = HOMES[public].split(":")
    assert StoredUnpickler(io.BytesIO()).find_class(module, name) is getattr(rayexec, public)


@pytest.mark.parametrize("public", HOMES)
def test_keys_of_cached_outputs_keep_the_first_name(public: str) -> None:
    assert ":".join(stable_name(getattr(rayexec, public))) == HOMES[public]


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
