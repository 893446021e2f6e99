"""Resources in the fields of others: order, sharing, config and mistakes, as in Dagster."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    ConfigError,
    ConfigurableResource,
    ConfigurableResourceFactory,
    DefinitionError,
    EnvVar,
    InvariantError,
    ResourceDefinition,
    ResourceDependency,
    ResourceParam,
    job,
    op,
    resource,
)


class Noted(ConfigurableResource):
    """A resource that writes into a file what happens to it."""

    log: str

    def note(self, text: str) -> None:
        with open(self.log, "a") as file:
            file.write(f"{text}\n")


class Account(Noted):
    user: str = "nobody"

    def setup_for_execution(self, context: Any) -> None:
        self.note(f"open account {self.user} {sorted(context.resource_config)}")

    def teardown_after_execution(self, context: Any) -> None:
        self.note(f"close account {self.user}")


class Store(Noted):
    account: Account
    host: str = "local"

    def setup_for_execution(self, context: Any) -> None:
        self.note(f"open store {self.host} of {self.account.user}")

    def teardown_after_execution(self, context: Any) -> None:
        self.note("close store")


class Shop(Noted):
    store: Store


@op
def sell(shop: Shop) -> list[str]:
    return [shop.store.host, shop.store.account.user]


@op
def login(account: Account) -> str:
    return account.user


@op
def look(store: Store) -> list[str]:
    return [store.host, store.account.user]


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def test_a_resource_opens_after_those_in_its_fields_and_closes_before_them(
    execute: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    account = Account(log=str(log), user="ann")

    @job(resource_defs={"shop": Shop(log=str(log), store=Store(log=str(log), account=account))})
    def shopping() -> None:
        sell()

    assert execute(shopping).output_for_node("sell") == ["local", "ann"]
    assert lines(log) == [
        "open account ann ['log', 'user']",
        "open store local of ann",
        "close store",
        "close account ann",
    ]


def test_a_resource_with_all_its_fields_opens_for_each_that_has_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    account = Account(log=str(log), user="ann")

    @job(resource_defs={"store": Store(log=str(log), account=account), "account": account})
    def both() -> None:
        look()
        login()

    config = {"resources": {"account": {"config": {"log": str(log), "user": "bob"}}}}
    result = both.execute_in_process(config)
    assert result.output_for_node("look") == ["local", "ann"]  # config of "account" is not its own
    assert result.output_for_node("login") == "bob"
    assert [line.split()[:3] for line in lines(log)] == [
        ["open", "account", "bob"],
        ["open", "account", "ann"],
        ["open", "store", "local"],
        ["close", "store"],
        ["close", "account", "ann"],
        ["close", "account", "bob"],
    ]


def test_a_resource_configured_at_launch_is_shared_under_its_own_key(
    execute: Any, tmp_path: Path
) -> None:
    log = str(tmp_path / "log")
    account = Account.configure_at_launch(log=log)
    store = Store.configure_at_launch(log=log, account=account)

    @job(resource_defs={"who": account, "store": store, "shop": Shop(log=log, store=store)})
    def shared() -> None:
        sell()

    config = {
        "resources": {
            "who": {"config": {"user": "cleo"}},
            "store": {"config": {"host": "far"}},
        }
    }
    assert execute(shared, config).output_for_node("sell") == ["far", "cleo"]
    assert [line.split()[:2] for line in lines(Path(log))] == [
        ["open", "account"],
        ["open", "store"],
        ["close", "store"],
        ["close", "account"],
    ]


def test_a_field_that_is_configured_at_launch_needs_a_key_of_its_own(tmp_path: Path) -> None:
    store = Store(log="log", account=Account.configure_at_launch())
    with pytest.raises(
        DefinitionError, match=r"field shop\.store\.account is configured at launch"
    ):

        @job(resource_defs={"shop": Shop(log="log", store=store)})
        def lacking() -> None:
            sell()

    @job
    def bare() -> None:
        sell()

    with pytest.raises(DefinitionError, match="give the same object there too"):
        bare.execute_in_process(resources={"shop": Shop(log="log", store=store)})


def test_run_config_does_not_reach_into_fields(tmp_path: Path) -> None:
    account = Account(log="log")

    @job(resource_defs={"store": Store(log="log", account=account)})
    def looking() -> None:
        look()

    with pytest.raises(ConfigError, match="unknown key 'account'"):
        looking.execute_in_process(
            {"resources": {"store": {"config": {"account": {"user": "eve"}}}}}
        )


def test_a_missing_variable_of_a_resource_in_a_field_is_named_before_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SHOP_USER", raising=False)
    account = Account(log="log", user=EnvVar("SHOP_USER"))

    @job(resource_defs={"store": Store(log="log", account=account)})
    def looking() -> None:
        look()

    with pytest.raises(ConfigError, match=r"store:config:account:user: .* 'SHOP_USER' is not set"):
        looking.execute_in_process()


@resource(config_schema={"prefix": str})
def printer(context: Any) -> Callable[[str], str]:
    prefix = context.resource_config["prefix"]
    return lambda text: f"{prefix}{text}"


@resource
@contextlib.contextmanager
def plain_printer() -> Iterator[Callable[[str], str]]:
    yield str


class Ending(ConfigurableResourceFactory[Callable[[str], str]]):
    """A resource that is a function."""

    printer: ResourceDependency[Callable[[str], str]]
    end: str

    def create_resource(self, context: Any) -> Callable[[str], str]:
        return lambda text: self.printer(f"{text}{self.end}")


@op
def say(ending: ResourceParam[Callable[[str], str]]) -> str:
    return ending("hi")


@pytest.mark.parametrize(
    ("inner", "config", "expected"),
    [
        (printer.configured({"prefix": "> "}), {}, "> hi!"),
        (plain_printer, {}, "hi!"),
        (str.upper, {}, "HI!"),
        (ResourceDefinition.hardcoded_resource(str.lower), {}, "hi!"),
        (printer, {"base": {"config": {"prefix": "- "}}}, "- hi!"),
    ],
)
def test_a_field_takes_resources_of_every_kind(inner: Any, config: Any, expected: str) -> None:
    defs = {"ending": Ending(printer=inner, end="!"), **({"base": inner} if config else {})}

    @job(resource_defs=defs)
    def saying() -> None:
        say()

    result = saying.execute_in_process({"resources": config})
    assert result.output_for_node("say") == expected


def test_a_function_in_a_field_that_needs_config_needs_a_key() -> None:
    with pytest.raises(DefinitionError, match=r"ending\.printer"):

        @job(resource_defs={"ending": Ending(printer=printer, end="!")})
        def saying() -> None:
            say()


def test_an_object_in_a_field_is_not_entered() -> None:
    class Session:
        is_open = False

        def __enter__(self) -> None:
            raise AssertionError("an object is no resource")

        def __exit__(self, *_error: object) -> None: ...

    class Client(ConfigurableResource):
        session: ResourceDependency[Session]

    @op
    def ask(client: Client) -> bool:
        return client.session.is_open

    @job(resource_defs={"client": Client(session=Session())})
    def asking() -> None:
        ask()

    assert asking.execute_in_process().output_for_node("ask") is False


def test_an_optional_field_may_hold_no_resource() -> None:
    class Client(ConfigurableResource):
        account: Account | None = None

    @op
    def ask(client: Client) -> str:
        return client.account.user if client.account else "none"

    @job
    def asking() -> None:
        ask()

    def answer(client: Client) -> Any:
        return asking.execute_in_process(resources={"client": client}).output_for_node("ask")

    assert answer(Client()) == answer(Client(account=None)) == "none"


@pytest.mark.parametrize("missing", [False, True])
def test_what_resources_require_is_checked_where_the_job_is_made(missing: bool) -> None:
    @resource(required_resource_keys={"second"})
    def first(context: Any) -> int:
        return int(context.resources.second)

    @resource(required_resource_keys={"first"})
    def second(context: Any) -> int:
        return int(context.resources.first)

    @op(required_resource_keys={"first"})
    def use(context: Any) -> int:
        return int(context.resources.first)

    defs = {"first": first} if missing else {"first": first, "second": second}
    message = "requires resource 'second'" if missing else "circle: first -> second -> first"
    with pytest.raises(InvariantError, match=message):

        @job(resource_defs=defs)
        def wrong() -> None:
            use()
