"""Random requests by the document of the API, to a server with real runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from served_pages import ServedInThread, served_in_thread

from rayexec import DynamicOut, DynamicOutput, job, op
from rayexec.launch.job_file import JobSource
from rayexec.web.session import DoorOptions

if os.environ.get("CI") != "true":
    pytest.importorskip("schemathesis")
import schemathesis
from schemathesis import checks

pytestmark = pytest.mark.long("sends some thousand requests")

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
# Requests that change something are tested one by one.
CHANGING = ("/launch", "/cancel", "/resume", "/start", "/stop")
EXAMPLES = 20
CHECKS = [
    checks.not_a_server_error,
    checks.response_schema_conformance,
    checks.content_type_conformance,
]
JOB_FILE = """
from rayexec import Config, DynamicOut, DynamicOutput, job, op


class Settings(Config):
    size: int = 3
    names: list[str] = []


@op(out=DynamicOut(int))
def split(config: Settings):
    for number in range(config.size):
        yield DynamicOutput(number, str(number))


@op(pool="database")
def load(number: int) -> int:
    return number


@job
def fuzzed():
    split().map(load)
"""


@op(out=DynamicOut(int))
def split() -> Any:
    for number in range(3):
        yield DynamicOutput(number, str(number))


@op
def odd(number: int) -> int:
    if number == 1:
        raise ValueError("<script>\x1b[31m")
    return number


@job
def recorded() -> None:
    split().map(odd)


@pytest.fixture(scope="module")
def fuzzed_server(
    no_home: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedInThread]:
    file = tmp_path_factory.mktemp("fuzzed") / "fuzzed_job.py"
    file.write_text(JOB_FILE)
    with served_in_thread(DoorOptions(source=JobSource(file))) as served:
        yield served


@pytest.fixture(scope="module")
def run_id() -> str:
    return recorded.execute(IN_PROCESS, raise_on_error=False).run_id


def test_no_request_is_answered_otherwise_than_the_document_says(
    fuzzed_server: ServedInThread, run_id: str
) -> None:
    """Each good answer is held against its model by the server too, which fails if it is none."""
    there = {"run_id": run_id, "job": "fuzzed", "key": "odd[1]"}
    schema: Any = schemathesis.openapi.from_dict(fuzzed_server.get("api/openapi.json"))
    schema.config.update(base_url=fuzzed_server.url)
    operations = [result.ok() for result in schema.get_all_operations()]
    asking = [
        operation
        for operation in operations
        if operation.method != "delete" and not operation.path.endswith(CHANGING)
    ]
    assert len(asking) > 15

    def try_one(operation: Any) -> None:
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def answered(case: Any) -> None:
            parameters = dict(case.path_parameters or {})
            # Names of what is there lead deeper than random ones, which have their turn too.
            if sum(map(len, map(str, parameters.values()))) % 3:
                parameters |= {name: there[name] for name in parameters if name in there}
            case.path_parameters = parameters
            headers = {"Authorization": f"Bearer {fuzzed_server.token}"}
            answer = case.call(headers=headers, timeout=60)
            case.validate_response(answer, checks=CHECKS, headers=headers)

        answered()

    for operation in asking:
        try_one(operation)
