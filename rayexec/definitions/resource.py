"""What ops share and do not compute: connections, clients, models."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, overload

from rayexec.definitions.code import ByReference
from rayexec.definitions.config import Config, EnvVar, keep_environment
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.errors import DefinitionError
from rayexec.names import nearest

__all__ = [
    "BATCH",
    "SCOPES",
    "STEP",
    "WORKER",
    "ConfigurableResource",
    "ResourceDefinition",
    "ResourceParam",
    "resource",
    "resource_definition",
]

STEP, BATCH, WORKER = "step", "batch", "worker"
# How long a resource stays open, from the shortest to the longest.
SCOPES = (STEP, BATCH, WORKER)
_FORMER_SCOPES = {"slice": BATCH}  # accepted, since job files name it


@dataclass(frozen=True, eq=False)
class ResourceDefinition(ByReference):
    """A function that opens a resource: it returns the object, or yields it once and closes it
    afterwards.

    ``scope`` is how long it stays open: ``"step"`` for each attempt of a step, ``"batch"`` for one
    batch of steps on Ray, ``"worker"`` for as long as a worker process serves the run. In-process
    the latter two are the whole run. Raises DefinitionError for any other.
    """

    fn: Callable[..., Any]
    config_schema: Any = None
    required_resource_keys: frozenset[str] = frozenset()
    description: str | None = None
    preset_config: Any = NO_DEFAULT
    scope: str = BATCH

    def __post_init__(self) -> None:
        label = f"resource {getattr(self.fn, '__name__', 'function')!r}"
        object.__setattr__(self, "scope", _as_scope(self.scope, label))

    @staticmethod
    def hardcoded_resource(value: Any, description: str | None = None) -> ResourceDefinition:
        """A resource that is simply this object; there is nothing to close, so resources of any
        scope may need it.
        """
        return ResourceDefinition(_Constant(value), description=description, scope=WORKER)

    def with_scope(self, scope: str) -> ResourceDefinition:
        """Return a copy that stays open for another time; raises DefinitionError for an unknown
        scope.
        """
        return replace(self, scope=scope)

    @property
    def is_constant(self) -> bool:
        """Whether it is an object that was given, so that nothing is opened or closed."""
        return isinstance(self.fn, _Constant)

    def configured(self, config: Any) -> ResourceDefinition:
        """Return a copy whose config is fixed to ``config``, or made by it where it is a
        ConfigMapping.
        """
        return replace(self, preset_config=config)

    @contextlib.contextmanager
    def open(self, context: Any) -> Iterator[Any]:
        """Open the resource for as long as the ``with`` block lasts; ``context`` is an
        InitResourceContext.
        """
        parameters = inspect.signature(self.fn).parameters
        made = self.fn(context) if parameters else self.fn()
        if not inspect.isgenerator(made):
            yield made
            return
        try:
            value = next(made)
        except StopIteration:
            raise DefinitionError(
                "a resource function that is a generator must yield its object once."
            ) from None
        try:
            yield value
        except BaseException as error:
            # The generator sees the failure, so that its own except and finally run as they would
            # around a body.
            with contextlib.suppress(StopIteration):
                made.throw(error)
            raise
        else:
            with contextlib.suppress(StopIteration):
                next(made)


def _as_scope(scope: Any, label: str) -> str:
    """Return ``scope`` under its present name; raises DefinitionError for an unknown one."""
    if isinstance(scope, str):
        scope = _FORMER_SCOPES.get(scope, scope)
    if scope not in SCOPES:
        listed = ", ".join(map(repr, SCOPES))
        raise DefinitionError(
            f"{label}: scope must be one of {listed}, got {scope!r}.{nearest(str(scope), SCOPES)}"
        )
    return str(scope)


class _Constant:
    """A resource function that returns the object that it was given."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __call__(self, _context: Any) -> Any:
        return self._value


class ConfigurableResource(Config):
    """A resource whose fields are its config.

    Override ``setup_for_execution`` and ``teardown_after_execution``, or ``yield_for_execution``,
    to open and close what it holds; keep that in private attributes (``pydantic.PrivateAttr``). An
    op takes one by annotating a parameter, whose name is the resource's key, with its class.
    ``resource_scope = "worker"`` in the class's body says how long it stays open (see
    ResourceDefinition).
    """

    resource_scope: ClassVar[str] = BATCH

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        cls.resource_scope = _as_scope(cls.resource_scope, f"resource class {cls.__name__}")

    if not TYPE_CHECKING:  # type checkers see the fields instead

        def __init__(self, **fields: Any) -> None:
            if any(isinstance(each, EnvVar) for each in fields.values()):
                keep_environment(self, super().__init__, fields)
            else:
                super().__init__(**fields)

        __init__.__pydantic_base_init__ = True  # what pydantic makes from a mapping holds no EnvVar

    @classmethod
    def configure_at_launch(cls, **fields: Any) -> ResourceDefinition:
        """Return a resource whose remaining fields come from ``resources.<key>.config`` of the run."""
        known = {name: each for name, each in fields.items() if not isinstance(each, EnvVar)}
        return ResourceDefinition(
            _Launch(cls, known), config_schema=_remaining(cls, fields), scope=cls.resource_scope
        )

    def setup_for_execution(self, context: Any) -> None:
        """Open what the resource holds; called once before the first step that needs it."""

    def teardown_after_execution(self, context: Any) -> None:
        """Close what ``setup_for_execution`` opened; called also after a failure."""

    @contextlib.contextmanager
    def yield_for_execution(self, context: Any) -> Iterator[Any]:
        """Open, yield and close in one; what is yielded is what ops see."""
        self.setup_for_execution(context)
        try:
            yield self
        finally:
            self.teardown_after_execution(context)


class _Launch:
    """The resource function of a ConfigurableResource that takes its config from the run."""

    def __init__(self, cls: type[ConfigurableResource], fields: dict[str, Any]) -> None:
        self._cls = cls
        self._fields = fields

    def __call__(self, context: Any) -> Iterator[Any]:
        config = context.resource_config
        given = (
            {key: getattr(config, key) for key in type(config).model_fields}
            if config is not None
            else {}
        )
        with self._cls(**{**given, **self._fields}).yield_for_execution(context) as value:
            yield value


def _remaining(cls: type[ConfigurableResource], fields: Mapping[str, Any]) -> type[Config]:
    import pydantic

    open_fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in cls.model_fields.items()
        if name not in fields
    }
    for name, value in fields.items():
        if (
            isinstance(value, EnvVar) and name in cls.model_fields
        ):  # read when the run starts, as its config is
            open_fields[name] = (cls.model_fields[name].annotation, value)
    return pydantic.create_model(f"{cls.__name__}Config", __base__=Config, **open_fields)


class ResourceParam:
    """``ResourceParam[Client]`` annotates an op's parameter as the resource of that name, whatever
    its class.
    """

    def __class_getitem__(cls, item: Any) -> Any:
        return _ResourceAnnotation(item)


@dataclass(frozen=True)
class _ResourceAnnotation:
    inner: Any


def is_resource_annotation(annotation: Any) -> bool:
    """Whether a parameter with this annotation is a resource rather than an input."""
    if isinstance(annotation, _ResourceAnnotation):
        return True
    return isinstance(annotation, type) and issubclass(annotation, ConfigurableResource)


Decorator = Callable[[Callable[..., Any]], ResourceDefinition]


@overload
def resource(fn: Callable[..., Any], /) -> ResourceDefinition: ...
@overload
def resource(
    *,
    config_schema: Any = ...,
    required_resource_keys: Iterable[str] = ...,
    description: str | None = ...,
    scope: str = ...,
) -> Decorator: ...
def resource(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    config_schema: Any = None,
    required_resource_keys: Iterable[str] = (),
    description: str | None = None,
    scope: str = BATCH,
) -> ResourceDefinition | Decorator:
    """Make a function of an InitResourceContext (or of nothing) a resource; ``scope`` as in
    ResourceDefinition.
    """

    def decorate(fn: Callable[..., Any]) -> ResourceDefinition:
        return ResourceDefinition(
            fn,
            config_schema,
            frozenset(required_resource_keys),
            description or inspect.getdoc(fn),
            scope=scope,
        )

    return decorate if fn is None else decorate(fn)


def resource_definition(given: Any) -> ResourceDefinition:
    """Return the definition of whatever stands as a resource: a definition, a ConfigurableResource,
    any object.
    """
    if isinstance(given, ResourceDefinition):
        return given
    if isinstance(given, ConfigurableResource):
        made = ResourceDefinition(_Configured(given), scope=given.resource_scope)
        if _awaits_environment(given):  # read when the run starts, as config is
            return replace(made, config_schema=type(given), preset_config=given)
        return made
    return ResourceDefinition.hardcoded_resource(given)


def _awaits_environment(given: Config) -> bool:
    return any(
        isinstance(each, EnvVar) or (isinstance(each, Config) and _awaits_environment(each))
        for _, each in given
    )


class _Configured:
    """The resource function of a ConfigurableResource whose fields are already set."""

    def __init__(self, instance: ConfigurableResource) -> None:
        self._instance = instance

    def __call__(self, context: Any) -> Iterator[Any]:
        read = context.resource_config
        instance = read if isinstance(read, ConfigurableResource) else self._instance
        with instance.yield_for_execution(context) as value:
            yield value
