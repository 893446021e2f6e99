"""Steps of a recorded run as columns: keys, ops, ends, and the steps before each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from rayexec.errors import StoreError
from rayexec.events import StepEnd
from rayexec.store.columns import StepSignature, new_signatures
from rayexec.views.arrow_columns import arrow_of, extend, numbers_of, scalar

__all__ = ["END_CODES", "NOT_RUN", "StepColumns"]

#: Codes of the ends of steps, by end.
END_CODES = {end: code for code, end in enumerate(StepEnd)}
NOT_RUN = END_CODES[StepEnd.NOT_RUN]
_MOST_CHUNKS = 64  # of a column; then they become one
_FEW_KEYS = 8  # that are searched one by one


class StepColumns:
    """Steps by index; ``ends`` has the code of each one's end so far."""

    def __init__(self) -> None:
        self.ops: list[str] = []
        self.op_of_step = array("i")
        self.signatures: list[StepSignature] = []
        self.signature_of_step = array("i")
        self.ends = bytearray()
        self._op_index: dict[str, int] = {}
        self._signature_index: dict[int, int] = {}  # by the log's numbers
        self._key_chunks: list[Any] = []
        self._after_chunks: list[Any] | None = []
        # Steps that got further predecessors later.
        self._after_later: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self.op_of_step)

    def add(self, table: Any) -> None:
        """Add the steps of a frame; raises StoreError where it leaves some out."""
        steps, forms = numbers_of(table["step"]), numbers_of(table["form"])
        for index, signature in new_signatures(table).items():
            self._signature_index[index] = len(self.signatures)
            self.signatures.append(signature)
            if signature.op not in self._op_index:
                self._op_index[signature.op] = len(self.ops)
                self.ops.append(signature.op)
        first = next((row for row, step in enumerate(steps) if step >= len(self)), len(steps))
        before = len(self)
        if steps[first:] != array("i", range(before, before + len(steps) - first)):
            raise StoreError("the log cannot be read: its steps are out of order.")
        try:
            signatures = array("i", [self._signature_index[form] for form in forms])
        except KeyError:
            raise StoreError("the log cannot be read: a step has no signature.") from None
        for row in range(first):  # They are there already, and have other inputs now.
            self.signature_of_step[steps[row]] = signatures[row]
        self.signature_of_step.extend(signatures[first:])
        op_of = [self._op_index[signature.op] for signature in self.signatures]
        self.op_of_step.extend([op_of[index] for index in signatures[first:]])
        self.ends.extend(bytes([NOT_RUN]) * (len(steps) - first))
        self._key_chunks.append(_joined(table["key"].slice(first).chunks, table["key"].type))
        if self._after_chunks is not None:
            self._add_predecessors(table, steps, first)
        self._key_chunks = _fewer(self._key_chunks)

    def _add_predecessors(self, table: Any, steps: Sequence[int], first: int) -> None:
        if "after" not in table.column_names or self._after_chunks is None:
            self._after_chunks = None
            return
        after = table["after"]
        for row in range(first):
            self._after_later[steps[row]] = after[row].as_py()
        self._after_chunks.append(_joined(after.slice(first).chunks, after.type))
        self._after_chunks = _fewer(self._after_chunks)

    def key(self, step: int) -> str:
        """Return the key of a step."""
        for chunk in self._key_chunks:
            if step < len(chunk):
                return str(chunk[step].as_py())
            step -= len(chunk)
        raise IndexError(step)

    @property
    def keys(self) -> Any:
        """The keys, in one Arrow array."""
        import pyarrow as pa

        if len(self._key_chunks) != 1:
            self._key_chunks = [_joined(self._key_chunks, pa.large_string())]
        return self._key_chunks[0]

    def steps_of(self, keys: Sequence[str]) -> list[int | None]:
        """Return the steps of keys; None for a key of no step."""
        import pyarrow as pa
        from pyarrow import compute

        # From a list ``pyarrow.array`` would import pandas.
        if len(keys) <= _FEW_KEYS:
            indices = [
                compute.index(self.keys, scalar(key, pa.large_string())).as_py() for key in keys
            ]
            return [None if index < 0 else index for index in indices]
        wanted = set(keys)
        index_of = {key: step for step, key in enumerate(self.keys.to_pylist()) if key in wanted}
        return [index_of.get(key) for key in keys]

    @property
    def has_predecessors(self) -> bool:
        """Whether the log says after which steps each step comes."""
        return self._after_chunks is not None

    def predecessors(self, step: int) -> Sequence[int]:
        """Return the steps that a step takes values from; none where the log does not say."""
        if step in self._after_later:
            return self._after_later[step]
        rest = step
        for chunk in self._after_chunks or ():
            if rest < len(chunk):
                return list(chunk[rest].as_py() or ())
            rest -= len(chunk)
        return ()

    def edges(self) -> tuple[array[int], array[int]]:
        """Return all pairs of a step and one after it, as two columns."""
        sources, targets = array("i"), array("i")
        first = 0
        for chunk in self._after_chunks or ():
            extend(sources, chunk.flatten())
            lengths = numbers_of(chunk.value_lengths())
            targets.extend(
                [first + row for row, length in enumerate(lengths) for _ in range(length)]
            )
            first += len(chunk)
        if self._after_later:
            pairs = [
                (source, target)
                for source, target in zip(sources, targets, strict=True)
                if target not in self._after_later
            ]
            pairs += [(each, step) for step, after in self._after_later.items() for each in after]
            sources = array("i", [source for source, _ in pairs])
            targets = array("i", [target for _, target in pairs])
        return sources, targets

    def has_few_nodes(self, most: int) -> bool:
        """Whether the steps are of ``most`` nodes or fewer."""
        from pyarrow import compute

        # A node with one step has a key without mapping keys.
        is_mapped = compute.match_substring(self.keys, "[")
        single = len(self) - (compute.sum(is_mapped).as_py() or 0)
        return single <= most and len(self.node_paths()[0]) <= most

    def node_paths(self) -> tuple[list[str], Any]:
        """Return the paths of nodes in the order of their steps, and the path's index by step."""
        from pyarrow import compute

        paths = compute.replace_substring_regex(self.keys, r"(?s)\[.*", "").dictionary_encode()
        return paths.dictionary.to_pylist(), paths.indices

    def counts(self, steps: Iterable[int] | None = None) -> dict[StepEnd, int]:
        """Return the number of steps with each end; of ``steps``, or of all."""
        ends = self.ends if steps is None else bytes([self.ends[step] for step in steps])
        return {end: ends.count(code) for end, code in END_CODES.items()}

    def arrow_ops(self) -> Any:
        """Return the op of each step, by index."""
        return arrow_of(self.op_of_step)

    def arrow_ends(self) -> Any:
        """Return the code of each step's end."""
        return arrow_of(self.ends)


def _joined(chunks: Sequence[Any], kind: Any) -> Any:
    import pyarrow as pa

    if not chunks:  # ``concat_arrays`` refuses none.
        return pa.nulls(0, kind)
    return pa.concat_arrays(chunks)


def _fewer(chunks: list[Any]) -> list[Any]:
    return [_joined(chunks, None)] if len(chunks) > _MOST_CHUNKS else chunks
