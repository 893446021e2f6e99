"""The figures of the flights' reports, computed from the rows by plain Python."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
from example_runs import EXAMPLES


@dataclass
class Delays:
    """The delays of the flights of one group."""

    minutes: list[int]

    def row(self, late_after: int) -> dict[str, Any]:
        return {
            "flights": len(self.minutes),
            "mean_delay": sum(self.minutes) / len(self.minutes),
            "max_delay": max(self.minutes),
            "late_share": sum(1 for each in self.minutes if each >= late_after) / len(self.minutes),
        }


class Figures:
    """What the flights' report must say, computed from rows by plain Python."""

    def __init__(self) -> None:
        with open(EXAMPLES / "data" / "airports.csv", newline="", encoding="utf-8") as file:
            self.airports = {row["iata"]: row for row in csv.DictReader(file)}
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for flight in pq.read_table(EXAMPLES / "data" / "flights.parquet").to_pylist():
            if None in flight.values() or flight["distance"] <= 0:
                continue
            groups[flight["origin"],].append(flight["delay"])
            groups[flight["origin"], flight["destination"]].append(flight["delay"])
        self.groups = {key: Delays(minutes) for key, minutes in groups.items()}

    def report(self, ends: tuple[str, ...], late_after: int = 15) -> list[dict[str, Any]]:
        rows = []
        for key, delays in self.groups.items():
            if len(key) == len(ends):
                row: dict[str, Any] = {
                    **dict(zip(ends, key, strict=True)),
                    **delays.row(late_after),
                }
                for end, code in zip(ends, key, strict=True):
                    for column in ("name", "city", "state"):
                        value = self.airports[code][column]
                        row[f"{end}_{column}"] = None if value in ("NA", "") else value
                rows.append(row)
        return sorted(rows, key=lambda row: (-row["mean_delay"], *(row[end] for end in ends)))

    def worst(self, count: int = 10, min_flights: int = 10, late_after: int = 15) -> list[str]:
        routes = [row for row in self.report(ROUTE, late_after) if row["flights"] >= min_flights]
        lines = ["mean delay  late  flights  route"]
        for row in routes[:count]:
            ends = [f"{row[end]} ({row[f'{end}_city'] or row[f'{end}_name']})" for end in ROUTE]
            lines.append(
                f"{row['mean_delay']:6.1f} min  {row['late_share']:4.0%}  {row['flights']:7d}  "
                f"{ends[0]} to {ends[1]}"
            )
        return lines


ORIGIN = ("origin",)
ROUTE = ("origin", "destination")


def months_of_origins(min_flights: int = 1) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the flights by airport and month, of the airports with so many of them."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    flights = pq.read_table(EXAMPLES / "data" / "flights.parquet").to_pylist()
    counts = Counter(flight["origin"] for flight in flights)
    for flight in flights:
        origin = flight.pop("origin")
        if counts[origin] >= min_flights:
            groups[origin, f"{flight['date']:%Y-%m}"].append(flight)
    return groups
