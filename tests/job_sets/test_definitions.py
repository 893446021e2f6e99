# mypy: disable-error-code="untyped-decorator,arg-type,dict-item,type-arg,list-item"
"""Definitions and repositories: what each answers, as Dagster does.

The answers are Dagster's, measured by running it. Where it lets its own checks of arguments fail,
rayexec raises DefinitionError.
"""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import rayexec as dg
from rayexec import DefinitionError, Definitions, InvariantError, UnsupportedError


@dg.op
def one() -> int:
    return 1


@dg.op(required_resource_keys={"r"})
def two(context: Any) -> Any:
    return context.resources.r


@dg.job
def plain() -> None:
    one()


@dg.graph
def graphed() -> None:
    one()


@dg.job
def needy() -> None:
    two()


@dg.job(resource_defs={"r": dg.ResourceDefinition.hardcoded_resource("own")})
def owning() -> None:
    two()


@dg.logger
def shared_logger(_: Any) -> logging.Logger:
    return logging.getLogger("shared")


@dg.logger
def own_logger(_: Any) -> logging.Logger:
    return logging.getLogger("own")


@dg.asset
def orders() -> None: ...


@dg.asset_check(asset=orders)
def filled() -> None: ...


@dg.schedule(job=graphed, cron_schedule="0 0 * * *")
def nightly(_: Any) -> None: ...


@dg.sensor(jobs=[plain, needy])
def watching(_: Any) -> None: ...


@dg.run_status_sensor(
    run_status=dg.DefaultSensorStatus.RUNNING, monitored_jobs=[plain], request_job=owning
)
def after(_: Any) -> None: ...


asset_job = dg.define_asset_job("asset_job", selection=[orders])
namesake = graphed.to_job(name="plain")


def repository_of(value: Any, **settings: Any) -> dg.RepositoryDefinition:
    @dg.repository(**settings)
    def mine() -> Any:
        """Say what it is for."""
        return value

    return mine


def names(definitions: Definitions) -> list[str]:
    return [job.name for job in definitions.resolve_all_job_defs()]


def given_r(definitions: Definitions, name: str) -> Any:
    return definitions.get_job_def(name).execute_in_process().output_for_node("two")


def _dict_of(**jobs: Any) -> dict[str, Any]:
    return {"jobs": jobs}


_ANSWERS: dict[str, tuple[Callable[[], Any], Any]] = {
    "nothing": (lambda: names(Definitions()), []),
    "the fields": (
        lambda: (Definitions().jobs, Definitions().assets, Definitions().resources),
        (None, None, None),
    ),
    "jobs by name": (
        lambda: names(Definitions(jobs=[plain, needy], resources={"r": 1})),
        ["needy", "plain"],
    ),
    "the same job twice": (lambda: names(Definitions(jobs=[plain, plain])), ["plain"]),
    "an iterator of jobs": (lambda: names(Definitions(jobs=iter([plain]))), ["plain"]),
    "a bound resource": (
        lambda: given_r(Definitions(jobs=[needy], resources={"r": "x"}), "needy"),
        "x",
    ),
    "a resource of the job's own": (
        lambda: given_r(Definitions(jobs=[owning], resources={"r": "x"}), "owning"),
        "own",
    ),
    "a job that lacks nothing": (
        lambda: Definitions(jobs=[plain], resources={"r": 1}).get_job_def("plain") is plain,
        True,
    ),
    "a resource for one run": (
        lambda: (
            Definitions(jobs=[needy], resources={"r": "x"})
            .get_job_def("needy")
            .execute_in_process(resources={"r": 7})
            .output_for_node("two")
        ),
        7,
    ),
    "an IO manager": (
        lambda: list(
            Definitions(
                jobs=[plain], resources={"io_manager": dg.FilesystemIOManager(base_dir="x")}
            )
            .get_job_def("plain")
            .resource_defs
        ),
        ["io_manager"],
    ),
    "BindResourcesToJobs": (
        lambda: given_r(
            Definitions(jobs=dg.BindResourcesToJobs([needy]), resources={"r": "x"}), "needy"
        ),
        "x",
    ),
    "an executor": (
        lambda: (
            Definitions(jobs=[plain], executor=dg.in_process_executor)
            .get_job_def("plain")
            .executor_def
        ),
        dg.in_process_executor,
    ),
    "an executor of the job's own": (
        lambda: (
            Definitions(
                jobs=[graphed.to_job(executor_def=dg.multiprocess_executor)],
                executor=dg.in_process_executor,
            )
            .get_job_def("graphed")
            .executor_def
        ),
        dg.multiprocess_executor,
    ),
    "loggers": (
        lambda: list(
            Definitions(jobs=[plain], loggers={"a": shared_logger}).get_job_def("plain").logger_defs
        ),
        ["a"],
    ),
    "loggers of the job's own": (
        lambda: list(
            Definitions(
                jobs=[graphed.to_job(logger_defs={"b": own_logger})], loggers={"a": shared_logger}
            )
            .get_job_def("graphed")
            .logger_defs
        ),
        ["b"],
    ),
    "the job of a schedule": (
        lambda: names(Definitions(schedules=[dg.ScheduleDefinition(job=plain, cron_schedule="")])),
        ["plain"],
    ),
    "the graph of a schedule": (lambda: names(Definitions(schedules=[nightly])), ["graphed"]),
    "the jobs of a sensor": (
        lambda: names(Definitions(sensors=[watching], resources={"r": 1})),
        ["needy", "plain"],
    ),
    "the job that a sensor of runs starts": (
        lambda: names(Definitions(sensors=[after])),
        ["owning"],
    ),
    "an asset job": (lambda: names(Definitions(jobs=[asset_job, plain])), ["plain"]),
    "metadata": (lambda: list(Definitions(metadata={"a": 1}).metadata), ["a"]),
    "its repository": (
        lambda: (
            Definitions(jobs=[plain]).get_repository_def().name,
            Definitions(jobs=[owning, plain]).get_repository_def().job_names,
            Definitions(jobs=[plain]).get_repository_def().has_job("plain"),
            Definitions(jobs=[plain]).get_repository_def().has_job("other"),
        ),
        ("__repository__", ["owning", "plain"], True, False),
    ),
    "no job of all assets": (
        lambda: Definitions(jobs=[plain]).has_implicit_global_asset_job_def(),
        False,
    ),
    "validate_loadable": (lambda: Definitions.validate_loadable(Definitions(jobs=[plain])), None),
    "merge": (
        lambda: names(
            Definitions.merge(
                Definitions(jobs=[needy], assets=[orders]),
                Definitions(jobs=[plain], resources={"r": 1}),
            )
        ),
        ["needy", "plain"],
    ),
    "merge of none": (lambda: Definitions.merge().jobs, []),
    "merge of one resource twice": (
        lambda: (
            Definitions.merge(
                Definitions(resources={"a": one}), Definitions(resources={"a": one})
            ).resources
        ),
        {"a": one},
    ),
    "merge of bound ones": (lambda: names(Definitions.merge(_bound())), ["plain"]),
    "merge_unbound_defs": (
        lambda: names(Definitions.merge_unbound_defs(Definitions(jobs=[plain]))),
        ["plain"],
    ),
    "with_resources": (
        lambda: given_r(Definitions(jobs=[needy]).with_resources({"r": "x"}), "needy"),
        "x",
    ),
    "a list": (lambda: repository_of([plain, graphed]).job_names, ["plain", "graphed"]),
    "all jobs of a list": (
        lambda: [each.name for each in repository_of([plain, graphed]).get_all_jobs()],
        ["graphed", "plain"],
    ),
    "a list in a list": (lambda: repository_of([[plain], graphed]).job_names, ["plain", "graphed"]),
    "things beside the jobs": (
        lambda: repository_of([plain, orders, nightly, asset_job]).job_names,
        ["plain", "graphed"],
    ),
    "a dict": (
        lambda: repository_of(_dict_of(plain=lambda: plain, owning=owning)).get_job("plain"),
        plain,
    ),
    "a dict with a graph": (
        lambda: repository_of(_dict_of(graphed=graphed)).get_job("graphed").name,
        "graphed",
    ),
    "a job of a dict that lacks a resource": (
        lambda: repository_of(_dict_of(needy=lambda: needy)).get_job("needy"),
        needy,
    ),
    "settings of a repository": (
        lambda: _settings(repository_of([plain], name="x", description="d", metadata={"a": 1})),
        ("x", "d", ["a"]),
    ),
    "a repository without settings": (lambda: _settings(dg.repository(_bare)), ("_bare", None, [])),
    "its docstring": (lambda: repository_of([plain]).__doc__, "Say what it is for."),
    "a call": (lambda: repository_of([plain])().name, "mine"),
    "an executor of a repository": (
        lambda: (
            repository_of([plain], default_executor_def=dg.in_process_executor)
            .get_job("plain")
            .executor_def
        ),
        dg.in_process_executor,
    ),
    "loggers of a repository": (
        lambda: list(
            repository_of([plain], default_logger_defs={"a": shared_logger})
            .get_job("plain")
            .logger_defs
        ),
        ["a"],
    ),
    "the arguments of Definitions": (
        lambda: (
            dg.create_repository_using_definitions_args("x", jobs=[needy], resources={"r": 3})
            .get_job("needy")
            .execute_in_process()
            .output_for_node("two")
        ),
        3,
    ),
    "a function with @definitions": (
        lambda: names(dg.definitions(lambda: Definitions(jobs=[plain]))()),
        ["plain"],
    ),
    "its schedules": (
        lambda: [
            Definitions(schedules=[nightly]).get_schedule_def("nightly") is nightly,
            repository_of([nightly]).has_schedule_def("nightly"),
            repository_of([after]).has_sensor_def("other"),
        ],
        [True, True, False],
    ),
}


def _with_another_one() -> dg.Job:
    @dg.op(name="one")
    def other() -> None: ...

    @dg.job
    def having_another() -> None:
        other()

    return having_another


def _bare() -> Any:
    return [plain]


def _settings(repository: dg.RepositoryDefinition) -> tuple[Any, ...]:
    return repository.name, repository.description, list(repository.metadata or ())


def _bound() -> Definitions:
    definitions = Definitions(jobs=[plain])
    definitions.get_job_def("plain")
    return definitions


@pytest.mark.parametrize("question", _ANSWERS)
def test_it_answers_as_dagster_does(question: str) -> None:
    ask, answer = _ANSWERS[question]
    assert ask() == answer


_REFUSALS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "jobs: op": (lambda: Definitions(jobs=[one]), DefinitionError, "in a function with @job"),
    "jobs: graph": (lambda: Definitions(jobs=[graphed]), DefinitionError, "to_job"),
    "jobs: no list": (lambda: Definitions(jobs=plain), DefinitionError, "must be a list"),
    "jobs: str": (lambda: Definitions(jobs=["a"]), DefinitionError, "type str, 'a'"),
    "jobs: schedule": (lambda: Definitions(jobs=[nightly]), DefinitionError, "nightly"),
    "modules: names": (
        lambda: dg.load_definitions_from_modules(["json"]),
        DefinitionError,
        "'json' at index 0 is of type str, not a module",
    ),
    "assets: op": (lambda: Definitions(assets=[one]), DefinitionError, "OpDefinition 'one'"),
    "assets: job": (lambda: Definitions(assets=[plain]), DefinitionError, "Job 'plain'"),
    "assets: function": (lambda: Definitions(assets=[names]), DefinitionError, "type function"),
    "schedules: job": (lambda: Definitions(schedules=[plain]), DefinitionError, "Job 'plain'"),
    "schedules: asset": (lambda: Definitions(schedules=[orders]), DefinitionError, "orders"),
    "sensors: str": (lambda: Definitions(sensors=["a"]), DefinitionError, "type str"),
    "resources: list": (lambda: Definitions(resources=["a"]), DefinitionError, "map names"),
    "executor: str": (lambda: Definitions(executor="a"), DefinitionError, "executor must be"),
    "loggers: int": (lambda: Definitions(loggers={"a": 1}), DefinitionError, "logger 'a'"),
    "a job lacks a resource": (
        lambda: Definitions(jobs=[needy, plain]).get_job_def("plain"),
        DefinitionError,
        "op 'two' requires resource 'r'",
    ),
    "validate_loadable": (
        lambda: Definitions.validate_loadable(Definitions(jobs=[needy])),
        DefinitionError,
        "op 'two' requires resource 'r'",
    ),
    "no such job": (
        lambda: Definitions(jobs=[plain]).get_job_def("plane"),
        InvariantError,
        "Did you mean 'plain'",
    ),
    "an asset job": (
        lambda: Definitions(jobs=[asset_job, plain]).get_job_def("asset_job"),
        UnsupportedError,
        "'asset_job' is an asset job: rayexec does not have assets",
    ),
    "two jobs of one name": (
        lambda: Definitions(jobs=[plain, namesake]).get_job_def("plain"),
        DefinitionError,
        "two jobs called 'plain'",
    ),
    "a target with the name of another job": (
        lambda: Definitions(jobs=[namesake], sensors=[watching]).get_job_def("plain"),
        DefinitionError,
        "targets of schedules and sensors",
    ),
    "a reserved name": (
        lambda: names(Definitions(jobs=[graphed.to_job(name="__ASSET_JOB")])),
        DefinitionError,
        "__ASSET_JOB",
    ),
    "no such schedule": (
        lambda: Definitions().get_schedule_def("a"),
        InvariantError,
        "no schedule 'a'",
    ),
    "assets": (
        lambda: Definitions().resolve_asset_graph(),
        UnsupportedError,
        "does not have assets",
    ),
    "merge: resources": (
        lambda: Definitions.merge(Definitions(resources={"a": 1}), Definitions(resources={"a": 2})),
        InvariantError,
        "different resources 'a'",
    ),
    "merge: loggers": (
        lambda: Definitions.merge(
            Definitions(loggers={"a": own_logger}), Definitions(loggers={"a": shared_logger})
        ),
        InvariantError,
        "different loggers 'a'",
    ),
    "merge: executors": (
        lambda: Definitions.merge(
            Definitions(executor=dg.in_process_executor),
            Definitions(executor=dg.multiprocess_executor),
        ),
        InvariantError,
        "an executor",
    ),
    "merge: int": (lambda: Definitions.merge(1), DefinitionError, "got int"),
    "merge_unbound_defs: bound": (
        lambda: Definitions.merge_unbound_defs(_bound()),
        InvariantError,
        "Definitions 0",
    ),
    "list: int": (lambda: repository_of([1, plain]), DefinitionError, "index 0 is of type int"),
    "list: op": (lambda: repository_of([one]), DefinitionError, "OpDefinition"),
    "list: lacks": (lambda: repository_of([needy]), DefinitionError, "requires resource 'r'"),
    "list: twice": (lambda: repository_of([plain, namesake]), DefinitionError, "two jobs called"),
    "str": (lambda: repository_of("a"), DefinitionError, "returns str"),
    "tuple": (lambda: repository_of((plain,)), DefinitionError, "returns tuple"),
    "None": (lambda: repository_of(None), DefinitionError, "returns NoneType"),
    "dict: key": (lambda: repository_of({"job": {}}), DefinitionError, "Did you mean 'jobs'"),
    "dict: value": (lambda: repository_of(_dict_of(a=1)), DefinitionError, "got int"),
    "dict: lacks": (lambda: repository_of(_dict_of(a=needy)), DefinitionError, "requires resource"),
    "dict: name": (
        lambda: repository_of(_dict_of(a=lambda: plain)).get_job("a"),
        DefinitionError,
        "called 'plain'",
    ),
    "dict: result": (
        lambda: repository_of(_dict_of(a=lambda: 1)).get_job("a"),
        DefinitionError,
        "returned int",
    ),
    "repository: no such job": (
        lambda: repository_of([plain]).get_job("other"),
        InvariantError,
        "there is no job 'other'; there is 'plain'",
    ),
    "@definitions: result": (lambda: dg.definitions(lambda: 1)(), InvariantError, "returned int"),
    "@definitions: parameter": (
        lambda: dg.definitions(lambda x: Definitions()),
        InvariantError,
        "must take nothing",
    ),
}


@pytest.mark.parametrize("mistake", _REFUSALS)
def test_it_refuses_what_dagster_refuses(mistake: str) -> None:
    make, error, message = _REFUSALS[mistake]
    with pytest.raises(error, match=message):
        make()


def test_it_lists_what_it_leaves_aside_and_why() -> None:
    repository = Definitions(
        assets=[orders, dg.AssetSpec("raw")],
        asset_checks=[filled],
        jobs=[asset_job, plain],
        schedules=[nightly, dg.ScheduleDefinition(job=plain, cron_schedule="* * * * *")],
        sensors=[after],
    ).get_repository_def()
    assert [(each.kind.value, each.name) for each in repository.left_aside] == [
        ("asset", "orders"),
        ("asset", "raw"),
        ("schedule", "nightly"),
        ("schedule", "plain_schedule"),
        ("sensor", "after"),
        ("asset job", "asset_job"),
        ("asset check", "filled"),
    ]
    assert all("rayexec does not have" in each.reason for each in repository.left_aside)
    assert "rayexec job execute" in repository.left_aside[2].reason


def _module(name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(contents)
    return module


def test_modules_are_searched_for_jobs_and_what_is_beside_them() -> None:
    first = _module("first", plain=plain, again=plain, orders=orders, op=dg.op, nightly=nightly)
    second = _module(
        "second", plain=plain, several=[owning, needy], mixed=[plain, 1], asset=dg.asset
    )
    definitions = dg.load_definitions_from_modules(
        [first, second], resources={"r": 1}, executor=dg.in_process_executor
    )
    assert names(definitions) == ["graphed", "needy", "owning", "plain"]
    assert (definitions.assets, definitions.schedules) == ([orders], [nightly])
    assert definitions.get_job_def("needy").executor_def is dg.in_process_executor
    with pytest.raises(DefinitionError, match="two jobs called 'plain', in first and third"):
        dg.load_definitions_from_modules([first, _module("third", other=namesake)])


def test_packages_and_the_module_itself_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "searched" / "inner"
    inner.mkdir(parents=True)
    text = (
        "from rayexec import job, op\n\n@op\ndef {0}_op(): ...\n\n@job\ndef {0}():\n    {0}_op()\n"
    )
    own = "import rayexec\ndefs = rayexec.load_definitions_from_current_module()\n"
    (tmp_path / "searched" / "__init__.py").write_text(text.format("top"))
    (inner / "__init__.py").write_text("")
    (inner / "low.py").write_text(text.format("low") + own)
    monkeypatch.syspath_prepend(tmp_path)
    definitions = dg.load_definitions_from_package_name("searched")
    assert names(definitions) == ["low", "top"]
    assert names(dg.load_definitions_from_package_module(sys.modules["searched"])) == ["low", "top"]
    low = sys.modules["searched.inner.low"]
    assert names(low.defs) == ["low"] == names(dg.load_definitions_from_module(low))
    for name in [each for each in sys.modules if each.partition(".")[0] == "searched"]:
        del sys.modules[name]
