"""Edits of run config as text: keys come or go, and every other byte stays."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from rayexec import Config, Field, Selector, job, op
from rayexec.config.run_config import resolve_run_config
from rayexec.config.run_config_schema import RunConfigSchema, run_config_schema
from rayexec.config.yaml_edit import Action, Edit, edited, missing_paths, unused_paths
from rayexec.config.yaml_text import YamlTextError
from rayexec.plan import compile_job


class Load(Config):
    n: int
    name: str = "x"


@op
def load(config: Load) -> int:
    return config.n


@op(config_schema={"how": Selector({"a": int, "b": Field(str, is_required=False)}), "m": int})
def pick(context: Any, one: int) -> int:
    return one + 1


@op
def quiet(one: int) -> int:
    return one + 1


@job(config={"ops": {"load": {"config": {"n": 3}}}})
def made() -> None:
    quiet(pick(load()))


def schema_of(selected: Any = None) -> RunConfigSchema:
    plan = compile_job(made, selected)
    return run_config_schema(made, plan.ops_by_key, plan.open_inputs)


SCHEMA = schema_of()


def without_insertions(edit: Edit) -> str:
    """Return the text of an edit without what it inserted."""
    text, shift, parts, end = edit.text, 0, [], 0
    for offset, more in edit.insertions:
        assert text[offset + shift :].startswith(more)
        parts.append(text[end : offset + shift])
        shift += len(more)
        end = offset + shift
    return "".join([*parts, text[end:]])


SCAFFOLDS = {
    # An empty text, and one with comments only.
    "": "ops:\n  load:\n    config:\n      n: 0\n  pick:\n    config:\n      how:\n"
    "        a: 0\n      m: 0\n",
    "# of the run": "# of the run\nops:\n  load:\n    config:\n      n: 0\n  pick:\n    config:\n"
    "      how:\n        a: 0\n      m: 0",
    # Behind what is there, with its indent and its comments.
    "ops:\n    load: # rows\n        config:\n            n: 4   # four\n\n# end\n": "ops:\n"
    "    load: # rows\n        config:\n            n: 4   # four\n    pick:\n      config:\n"
    "        how:\n          a: 0\n        m: 0\n\n# end\n",
    # In flow mappings.
    "ops: {load: {config: {n: 4}}, pick: {config: {how: {b: x}}}}": "ops: {load: {config: {n: 4}}, "
    "pick: {config: {how: {b: x}, m: 0}}}",
    "ops: {load: {config: {}}, pick: {config: {m: 1, how: {a: 2}}}} # c\n": "ops: {load: {config: "
    "{n: 0 }}, pick: {config: {m: 1, how: {a: 2}}}} # c\n",
    # Below a key without a value, with other line ends.
    "ops:\r\n  pick:\r\n  load: {config: {n: 1}}\r\n": "ops:\r\n  pick:\r\n    config:\r\n"
    "      how:\r\n        a: 0\r\n      m: 0\r\n  load: {config: {n: 1}}\r\n",
    # Two mappings that end on one line.
    "ops:\n  load: {config: {n: 1}}\n  pick:\n    config:\n      m: 1": "ops:\n  load: {config: "
    "{n: 1}}\n  pick:\n    config:\n      m: 1\n      how:\n        a: 0",
}


@pytest.mark.parametrize("text", SCAFFOLDS)
def test_what_is_missing_is_added(text: str) -> None:
    edit = edited(text, SCHEMA, "scaffold_missing")
    assert edit.text == SCAFFOLDS[text]
    assert without_insertions(edit) == text
    assert missing_paths(SCHEMA, yaml.safe_load(edit.text)) == []
    assert edited(edit.text, SCHEMA, "scaffold_missing").text == edit.text


def test_everything_is_added_and_the_executor_is_a_comment() -> None:
    edit = edited("ops: {load: {config: {n: 7}}}\n", SCHEMA, "scaffold_all")
    assert edit.text == (
        "ops: {load: {config: {n: 7, name: x}}, pick: {config: {how: {a: 0}, m: 0}}}\n"
        "# execution:\n#   config:\n#     multiprocess:\n#       max_concurrent: 4\n"
    )
    assert edit.added == (
        ("ops", "load", "config", "name"),
        ("ops", "pick", "config"),
    )
    assert edited(edit.text, SCHEMA, "scaffold_all").text == edit.text


def test_defaults_are_those_of_the_job() -> None:
    assert edited("", SCHEMA, "defaults").text == "ops:\n  load:\n    config:\n      n: 3\n"
    assert edited("ops: {load: {config: {n: 1}}}", SCHEMA, "defaults").added == ()


REMOVALS = {
    "ops:\n  laod: {config: {n: 1}} # wrong\n  load:\n    config: {n: 1}\n": "ops:\n  load:\n"
    "    config: {n: 1}\n",
    "opps: 1\nops:\n  load: {config: {n: 1}}\n# end": "ops:\n  load: {config: {n: 1}}\n# end",
    # A mapping without any other key goes as a whole.
    "a: 1\nops:\n  laod:\n    config: {n: 1} # wrong\n# end\n": "# end\n",
    "ops: {x: 1, load: {config: {n: 1}, outputs: {}, foo: [1, 2]}, y: 2}\n": "ops: {load: {config: "
    "{n: 1}, outputs: {}}}\n",
    "{ops: {a: 1, b: 2, load: {config: {n: 1}}, c: 1, d: 2}}": "{ops: {load: {config: {n: 1}}}}",
    # Config of an op that takes none.
    "ops:\r\n  load: {config: {n: 1}}\r\n  quiet:\r\n    config: 3\r\n": "ops:\r\n  load: {config: "
    "{n: 1}}\r\n",
    "ops:\n  text: |\n    one\n\n  load:\n    config: {n: 1}\n": "ops:\n  load:\n    config: {n: 1}"
    "\n",
}


@pytest.mark.parametrize("text", REMOVALS)
def test_what_is_unused_goes(text: str) -> None:
    edit = edited(text, SCHEMA, "remove_unused")
    assert edit.text == REMOVALS[text]
    assert unused_paths(SCHEMA, yaml.safe_load(edit.text)) == []
    put_back, shift = edit.text, 0
    for start, end in edit.cuts:
        put_back = put_back[:start] + text[start:end] + put_back[start:]
        shift += end - start
    assert put_back == text


def test_config_of_unselected_ops_is_unused() -> None:
    text = "ops:\n  load: {config: {n: 1}}\n  pick: {config: {m: 1, how: {a: 1}}}\n"
    assert edited(text, schema_of(["load"]), "remove_unused").removed == (("ops", "pick"),)


def test_what_others_need_stays() -> None:
    text = "base: &b {n: 1}\nops:\n  load:\n    config:\n      <<: *b\n"
    assert edited(text, SCHEMA, "remove_unused").text == text
    edit = edited(text, SCHEMA, "scaffold_all")
    assert yaml.safe_load(edit.text)["ops"]["load"]["config"] == {"n": 1, "name": "x"}
    assert "<<: *b\n      name: x\n" in edit.text


def test_an_alias_is_not_changed() -> None:
    text = "ops:\n  load: &l\n    config: {n: 1}\n  pick: *l\n"
    edit = edited(text, SCHEMA, "scaffold_missing")
    assert edit.text == text


def test_a_block_scalar_without_a_line_end_keeps_its_value() -> None:
    text = "ops:\n  load:\n    config:\n      n: |\n        four"
    edit = edited(text, SCHEMA, "scaffold_all")
    assert yaml.safe_load(edit.text)["ops"]["load"]["config"]["n"] == "four"
    assert without_insertions(edit) == text
    assert ("ops", "load", "config", "name") in edit.added


@pytest.mark.parametrize("text", ["~\n", "--- # c\n...\n", "? ops\n: ~\n"])
def test_a_text_where_no_line_fits_stays(text: str) -> None:
    edit = edited(text, SCHEMA, "scaffold_missing")
    assert (edit.text, edit.added) == (text, ())


@pytest.mark.parametrize("text", ["- 1\n", "word", "a: ["])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(YamlTextError):
        edited(text, SCHEMA, "scaffold_missing")


COMMENTS = st.sampled_from(["", "  # c", " # {", "\n\n# ops:", "\n  # deep"])
VALUES = st.sampled_from(["1", "'x y'", "{n: 1}", "[1, {a: 2}]", "", "|\n          t", "&a {b: 1}"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Texts of run config in many forms; not all of them are YAML."""
    indent = " " * draw(st.integers(1, 4))
    lines = ["# head"] if draw(st.booleans()) else []
    if draw(st.booleans()):
        lines.append(f"other: {draw(VALUES)}{draw(COMMENTS)}")
    lines.append(f"ops:{draw(COMMENTS)}")
    for name in draw(st.lists(st.sampled_from(["load", "pick", "laod", "quiet"]), unique=True)):
        if draw(st.booleans()):
            lines.append(f"{indent}{name}: {draw(VALUES)}{draw(COMMENTS)}")
            continue
        lines.append(f"{indent}{name}:{draw(COMMENTS)}")
        lines.append(f"{indent}{indent}config:{draw(COMMENTS)}")
        for key in draw(st.lists(st.sampled_from(["n", "m", "how", "x"]), unique=True)):
            lines.append(f"{indent}{indent}  {key}: {draw(VALUES)}{draw(COMMENTS)}")
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n# end", "\n..."]))
    return draw(st.sampled_from(["", "\ufeff", "---\n"])) + text.replace("\n", newline)


ACTIONS: list[Action] = ["scaffold_missing", "scaffold_all", "remove_unused", "defaults"]


@pytest.mark.long("reads some 1,000 texts")
@settings(max_examples=150, deadline=None)
@given(texts(), st.sampled_from(ACTIONS))
@example("ops:\n  load:\n    config:\n      n: 1", "scaffold_all")
@example("", "scaffold_all")
def test_any_text_means_the_same_but_for_the_keys(text: str, action: Action) -> None:
    try:
        before = yaml.safe_load(text) or {}
        edit = edited(text, SCHEMA, action)
    except (yaml.YAMLError, YamlTextError):
        assume(False)
        return
    after = yaml.safe_load(edit.text) or {}
    if action == "remove_unused":
        assert edit.added == ()
        for path in edit.removed:
            inner = before
            for key in path[:-1]:
                inner = inner[key]
            del inner[path[-1]]
    else:
        assert edit.removed == ()
        assert without_insertions(edit) == text
        for path in edit.added:
            inner, value = before, after
            for key in path[:-1]:
                if inner.get(key) is None:
                    inner[key] = {}
                inner, value = inner[key], value[key]
            assert path[-1] not in inner
            inner[path[-1]] = value[path[-1]]
    assert after == before


def test_a_whole_scaffold_is_valid() -> None:
    plan = compile_job(made)
    for action in ("scaffold_missing", "scaffold_all"):
        text = edited("", SCHEMA, action).text
        resolve_run_config(
            made,
            yaml.safe_load(text),
            ops=plan.ops_by_key,
            open_inputs=plan.open_inputs,
            resources={},
            needed=frozenset(),
        )
