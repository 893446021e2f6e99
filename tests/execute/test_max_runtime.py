"""Runs that may not take longer than they were given: by the loop's own clock, on Ray and
in-process.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rayexec import ConfigError, DefinitionError, RunTimeoutError, execute_job, job, op
from rayexec.execute.driver import run_to_end
from rayexec.execute.log import RunLog
from rayexec.execute.observer import Observer
from rayexec.execute.prepare import prepare
from rayexec.testing.simulated_engine import SimulatedEngine


def limited(executor: str, seconds: Any) -> dict[str, Any]:
    return {"execution": {"config": {executor: {"max_runtime": seconds}}}}


@op
def quick() -> int:
    return 5


@op
def after(given: int) -> int:
    return given


@job
def two_steps() -> None:
    after(quick())


@pytest.mark.parametrize(
    ("config", "tag", "ends"),
    [
        (25.0, None, 30.0),
        (None, "15", 20.0),
        (25.0, "15", 20.0),
        (15, "25", 20.0),
        (20.5, None, 30.0),
        (31, "40", None),
    ],
)
def test_the_shorter_of_config_and_tag_holds(
    config: Any, tag: str | None, ends: float | None
) -> None:
    @job
    def three_steps() -> None:
        after.alias("last")(after(quick()))

    tags = {"dagster/max_runtime": tag} if tag is not None else None
    spec = prepare(three_steps, limited("ray", config), tags=tags)
    # What runs cannot be interrupted there, and takes 10 s; no further step starts.
    engine = SimulatedEngine(spec.plan, nodes=[1], seconds=lambda _call: 10.0, batching=False)
    outcome, _ = run_to_end(spec, lambda: engine, RunLog(spec.plan), Observer(), clock=engine.now)
    if ends is None:
        assert (outcome.status, outcome.error) == ("SUCCESS", None)
        return
    seconds = min(float(each) for each in (config, tag) if each is not None)
    assert outcome.status == "FAILURE"
    assert isinstance(outcome.error, RunTimeoutError)
    assert outcome.error.seconds == seconds
    assert str(outcome.error) == f"the run took longer than its max_runtime of {seconds:g} s"
    assert max(start for start, _, _ in engine.schedule) < seconds
    assert engine.now() == pytest.approx(ends, abs=0.1)


def waiting_job(place: Path) -> Any:
    @op
    def waits(given: int) -> None:
        (place / "begun").touch()
        try:
            threading.Event().wait(60)
        finally:
            (place / "closed").touch()

    @op
    def never(nothing: Any) -> None:
        (place / "never").touch()

    @job
    def waiting() -> None:
        never(waits(quick()))

    return waiting


@pytest.mark.long("waits for processes for some seconds")
@pytest.mark.parametrize("where", ["ray", "in_process"])
def test_what_runs_is_interrupted_and_what_is_done_is_kept(
    where: str, ray_session: None, tmp_path: Path, capfd: Any
) -> None:
    waiting = waiting_job(tmp_path)
    execute_job(two_steps)  # so that workers are there
    seconds = (
        5 if where == "ray" else 1.5
    )  # which busy workers may need to come to the step that waits
    result = execute_job(waiting, limited(where, seconds))
    assert result.status == "FAILURE"
    assert isinstance(result.error, RunTimeoutError)
    assert (tmp_path / "begun").exists()
    assert (tmp_path / "closed").exists()
    assert not (tmp_path / "never").exists()
    assert result.is_node_success("quick")
    assert result.output_for_node("quick") == 5
    words = f"RunTimeoutError: the run took longer than its max_runtime of {seconds:g} s"
    assert (
        result.get_run_failure_event().message == f'Execution of run for "waiting" failed. {words}'
    )


def test_in_process_by_a_tag_it_is_raised_and_leaves_other_timeouts_alone(tmp_path: Path) -> None:
    @op(timeout=60)
    def outer(given: int) -> None:
        # The run around it is over first; that is not this one's limit.
        two_steps.execute_in_process(tags={"dagster/max_runtime": 50})
        threading.Event().wait(60)

    @job
    def nesting() -> None:
        outer(quick())

    with pytest.raises(RunTimeoutError, match=r"its max_runtime of 0\.5 s"):
        nesting.execute_in_process(tags={"dagster/max_runtime": 0.5})


def test_a_timeout_in_a_timeout_holds_whichever_is_due_first() -> None:
    from rayexec.errors import StepTimeoutError
    from rayexec.steps.timeouts import deadline

    def nested(outer: float, inner: float) -> str:
        with (
            pytest.raises(StepTimeoutError) as raised,
            deadline(outer, "the outer"),
            deadline(inner, "the inner"),
        ):
            time.sleep(30)
        return str(raised.value)

    assert nested(60, 0.05).startswith("the inner")
    assert nested(0.05, 60).startswith("the outer")

    def one_after_the_other() -> None:
        with deadline(0.3, "the outer"):
            with deadline(60, "the inner"):
                pass
            time.sleep(30)

    with pytest.raises(StepTimeoutError, match="the outer"):
        one_after_the_other()


@pytest.mark.parametrize("seconds", [0, -1, "soon", float("nan")])
def test_no_time_at_all_is_refused(seconds: Any) -> None:
    with pytest.raises(ConfigError, match="max_runtime"):
        two_steps.execute(limited("ray", seconds))
    with pytest.raises(
        DefinitionError, match="tag 'dagster/max_runtime' must be a number of seconds above 0"
    ):
        two_steps.execute_in_process(tags={"dagster/max_runtime": str(seconds)})
