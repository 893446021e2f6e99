"""Classes of resources: openings, objects for ops, contexts, and use outside of runs."""

import contextlib
import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pydantic
import pytest

from rayexec import (
    ConfigError,
    ConfigurableLegacyResourceAdapter,
    ConfigurableResource,
    ConfigurableResourceFactory,
    EnvVar,
    IAttachDifferentObjectToOpContext,
    InitResourceContext,
    InvariantError,
    ResourceDefinition,
    ResourceDependency,
    ResourceParam,
    build_init_resource_context,
    job,
    make_values_resource,
    op,
    resource,
)

events: list[str] = []


@pytest.fixture(autouse=True)
def no_events() -> None:
    events.clear()


class Token(ConfigurableResource):
    user: str
    _value: str = pydantic.PrivateAttr(default="")

    def setup_for_execution(self, context: InitResourceContext) -> None:
        events.append("open")
        self._value += f"token of {self.user}"

    def text(self) -> str:
        return self._value


class ClosedToken(Token):
    def teardown_after_execution(self, context: InitResourceContext) -> None:
        events.append("close")


@op
def read(token: Token) -> str:
    return token.text()


def test_each_opening_has_an_instance_of_its_own() -> None:
    token = Token(user="ann")

    @job(resource_defs={"token": token})
    def reading() -> None:
        read()

    assert reading.execute_in_process().output_for_node("read") == "token of ann"
    assert reading.execute_in_process().output_for_node("read") == "token of ann"
    assert token.text() == ""


def test_a_factory_gives_ops_another_object(execute: Any) -> None:
    class Doubled(ConfigurableResourceFactory[list[int]]):
        count: int

        def create_resource(self, context: InitResourceContext) -> Any:
            yield [self.count] * 2

    class Text(ConfigurableResource[str]):
        def create_resource(self, context: InitResourceContext) -> str:
            return "text"

    @op
    def show(doubled: ResourceParam[list[int]], text: ResourceParam[str]) -> list[Any]:
        return [doubled, text]

    @job(resource_defs={"doubled": Doubled.configure_at_launch(), "text": Text()})
    def showing() -> None:
        show()

    result = execute(showing, {"resources": {"doubled": {"config": {"count": 3}}}})
    assert result.output_for_node("show") == [[3, 3], "text"]
    with pytest.raises(TypeError, match="abstract"):
        ConfigurableResourceFactory()  # type: ignore[abstract]


def test_an_asynchronous_opening() -> None:
    class Session(ConfigurableResource):
        @contextlib.asynccontextmanager
        async def yield_for_execution(  # type: ignore[override]
            self, context: InitResourceContext
        ) -> AsyncIterator[str]:
            events.append("open")
            yield "session"
            events.append("close")

    @op
    def show(session: Session) -> str:
        return str(session)

    @job(resource_defs={"session": Session()})
    def showing() -> None:
        show()

    assert showing.execute_in_process().output_for_node("show") == "session"
    assert events == ["open", "close"]


def test_a_resource_may_give_contexts_another_object(execute: Any) -> None:
    class Client(ConfigurableResource, IAttachDifferentObjectToOpContext):
        url: str

        def get_object_to_set_on_execution_context(self) -> str:
            return f"bare {self.url}"

    @op(required_resource_keys={"client"})
    def old(context: Any) -> Any:
        return context.resources.client

    @op
    def new(client: Client) -> str:
        return client.url

    @job(resource_defs={"client": Client(url="u").configure_at_launch(url="u")})
    def migrating() -> None:
        old()
        new()

    result = execute(migrating)
    assert [result.output_for_node(each) for each in ("old", "new")] == ["bare u", "u"]


def test_a_class_around_a_function() -> None:
    @resource(config_schema={"prefix": str})
    def writer(context: InitResourceContext) -> Iterator[str]:
        yield f"{context.resource_config['prefix']} writer"
        events.append("closed")

    class Writer(ConfigurableLegacyResourceAdapter):
        prefix: str

        @property
        def wrapped_resource(self) -> ResourceDefinition:
            return writer

    @op(required_resource_keys={"writer"})
    def write(context: Any) -> Any:
        return context.resources.writer

    @job(resource_defs={"writer": Writer(prefix="a")})
    def writing() -> None:
        write()

    assert writing.execute_in_process().output_for_node("write") == "a writer"
    assert events == ["closed"]


def test_a_resource_knows_its_context() -> None:
    class Aware(ConfigurableResource):
        size: int = 3

        def run_id(self) -> str | None:
            return self.get_resource_context().run_id

    class Outer(ConfigurableResource):
        aware: ResourceDependency[Aware]

    @op
    def show(aware: Aware, outer: Outer) -> list[Any]:
        copied = pickle.loads(pickle.dumps(Token(user="ann")))
        assert copied == Token(user="ann")
        context = aware.get_resource_context()
        return [aware.run_id(), outer.aware.run_id(), context.resource_config]

    @job(resource_defs={"aware": Aware(), "outer": Outer(aware=Aware())})
    def showing() -> None:
        show()

    with pytest.raises(InvariantError, match="Aware is not open"):
        Aware().run_id()
    result = showing.execute_in_process(run_id="here")
    assert result.output_for_node("show") == ["here", "here", {"size": 3}]
    context = build_init_resource_context()
    bound = Aware(size=4).with_replaced_resource_context(context)
    assert bound.size == 4
    assert bound.get_resource_context() is context


def test_openings_outside_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_USER", "ann")
    assert Token(user=EnvVar("TOKEN_USER")).process_config_and_initialize().text() == "token of ann"
    context = build_init_resource_context(config={"user": "bob"})
    assert Token.from_resource_context(context).text() == "token of bob"
    with pytest.raises(InvariantError, match="ClosedToken must be closed"):
        ClosedToken.from_resource_context(context)
    events.clear()
    with ClosedToken.from_resource_context_cm(context) as token:
        assert token.text() == "token of bob"
        assert events == ["open"]
    assert events == ["open", "close"]
    with ClosedToken(user=EnvVar("TOKEN_USER")).process_config_and_initialize_cm() as token:
        assert token.text() == "token of ann"
    monkeypatch.delenv("TOKEN_USER")
    with pytest.raises(ConfigError, match="'TOKEN_USER' is not set"):
        Token(user=EnvVar("TOKEN_USER")).process_config_and_initialize()


def test_nested_openings_outside_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client(ConfigurableResource):
        token: ClosedToken
        label: str

        def setup_for_execution(self, context: InitResourceContext) -> None:
            events.append(f"{self.label} with {self.token.text()}")

    monkeypatch.setenv("TOKEN_USER", "ann")
    monkeypatch.setenv("LABEL", "client")
    client = Client(label=EnvVar("LABEL"), token=ClosedToken(user=EnvVar("TOKEN_USER")))
    with client.process_config_and_initialize_cm() as opened:
        assert opened.token.user == "ann"
    assert events == ["open", "client with token of ann", "close"]


@pytest.mark.parametrize(
    ("definition", "config", "expected"),
    [
        (ResourceDefinition.none_resource(), None, None),
        (ResourceDefinition.string_resource(), "text", "text"),
        (ResourceDefinition.hardcoded_resource(5, "five"), None, 5),
        (make_values_resource(size=int), {"size": 3}, {"size": 3}),
        (make_values_resource(), {"any": ["thing"]}, {"any": ["thing"]}),
        (ResourceDefinition(resource_fn=lambda _: 7, description="seven", version="1"), None, 7),
        (ResourceDefinition(lambda context: context.resource_config, int), 4, 4),
    ],
)
def test_definitions_without_a_function_of_their_own(
    definition: ResourceDefinition, config: Any, expected: Any
) -> None:
    @op(required_resource_keys={"thing"})
    def show(context: Any) -> Any:
        return context.resources.thing

    @job(resource_defs={"thing": definition})
    def showing() -> None:
        show()

    entry = {} if config is None else {"resources": {"thing": {"config": config}}}
    assert showing.execute_in_process(entry).output_for_node("show") == expected


def test_a_mock_takes_any_call() -> None:
    @op(required_resource_keys={"thing"})
    def call(context: Any) -> None:
        context.resources.thing.whatever(1)[2].more()

    @job(resource_defs={"thing": ResourceDefinition.mock_resource()})
    def calling() -> None:
        call()

    assert calling.execute_in_process().success
