"""Numbers in words: the same on the command line and on the pages (format.test.js)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rayexec.views.quantities import amount_in_words, bytes_in_words, counted, duration

CASES: dict[str, list[Any]] = json.loads((Path(__file__).parent / "quantities.json").read_text())


def test_durations_are_rounded_to_the_unit_that_shows_them() -> None:
    for seconds, text in CASES["durations"]:
        assert duration(seconds) == text


def test_sizes_have_three_digits_at_most_before_their_unit_grows() -> None:
    for size, text in CASES["sizes"]:
        assert bytes_in_words(size) == text


def test_amounts_have_two_decimals_at_most() -> None:
    for amount, text in CASES["amounts"]:
        assert amount_in_words(amount) == text


def test_counts_have_commas_and_their_noun_its_plural() -> None:
    for number, noun, text in CASES["counts"]:
        assert counted(number, noun) == text
