"""Resources: objects that ops share, such as connections, clients and models."""

from __future__ import annotations

import contextlib
import enum
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, overload

import pydantic

from rayexec.definitions.code import ByReference
from rayexec.definitions.config_models import (
    Config,
    EnvVar,
    keep_environment,
    note_origins,
    origins_in_environment,
    without_inputs,
)
from rayexec.definitions.direct_calls import direct_calls
from rayexec.definitions.mapping import preset_of
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.types import is_subclass
from rayexec.errors import DefinitionError
from rayexec.names import nearest

__all__ = [
    "ConfigurableResource",
    "ResourceDefinition",
    "ResourceParam",
    "ResourceScope",
    "resource",
    "resource_definition",
]


class ResourceScope(str, enum.Enum):
    """Time for which a resource stays open, from the shortest to the longest."""

    #: One attempt of a step.
    STEP = "step"
    #: One batch of steps on Ray; in-process, the run.
    BATCH = "batch"
    #: The time for which a worker process serves the run; in-process, the run.
    WORKER = "worker"

    def is_within(self, other: ResourceScope) -> bool:
        """Whether a resource of this scope closes before one of the other."""
        scopes = list(ResourceScope)
        return scopes.index(self) < scopes.index(other)

    @staticmethod
    def of(scope: Any, label: str) -> ResourceScope:
        """Return the scope of that name; raises DefinitionError for an unknown one."""
        if isinstance(scope, ResourceScope):
            return scope
        for known_scope in ResourceScope:
            if scope == known_scope.value:
                return known_scope
        if scope == "slice":  # the former name of a batch, in job files of users
            return ResourceScope.BATCH
        names = [each.value for each in ResourceScope]
        raise DefinitionError(
            f"{label}: scope must be one of {', '.join(map(repr, names))}, got {scope!r}."
            f"{nearest(str(scope), names)}"
        )


@dataclass(frozen=True, eq=False)
class ResourceDefinition(ByReference):
    """A function to open a resource: it returns the object, or yields it once and then closes it.

    ``scope`` is a ResourceScope or its name: ``"step"``, ``"batch"`` or ``"worker"``. Raises
    DefinitionError for any other.
    """

    fn: Callable[..., Any]
    config_schema: Any = None
    required_resource_keys: frozenset[str] = frozenset()
    description: str | None = None
    preset_config: Any = NO_DEFAULT
    scope: str = ResourceScope.BATCH

    def __post_init__(self) -> None:
        label = f"resource {getattr(self.fn, '__name__', 'function')!r}"
        object.__setattr__(self, "scope", ResourceScope.of(self.scope, label))

    @staticmethod
    def hardcoded_resource(value: Any, description: str | None = None) -> ResourceDefinition:
        """Return a resource that is this object.

        It has nothing to close, so resources of any scope may require it.
        """
        return ResourceDefinition(
            _Constant(value), description=description, scope=ResourceScope.WORKER
        )

    def with_scope(self, scope: str) -> ResourceDefinition:
        """Return a copy with another scope; raises DefinitionError for an unknown one."""
        return replace(self, scope=scope)

    @property
    def is_constant(self) -> bool:
        """Whether the resource is a plain object, with nothing to open or close."""
        return isinstance(self.fn, _Constant)

    @property
    def has_to_close(self) -> bool:
        """Whether its function yields the object, and so has something to do after its use."""
        if inspect.isgeneratorfunction(inspect.unwrap(self.fn)):
            return True
        return bool(getattr(self.fn, "has_to_close", False))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the object, or a context manager around one that is to be closed.

        For unit tests: a function that takes a context needs one of
        ``build_init_resource_context``, or None. Raises InvocationError for other arguments, and
        ConfigError for wrong config.
        """
        return direct_calls().call_resource(self, args, kwargs)

    def configured(
        self,
        config_or_config_fn: Any,
        config_schema: Any = None,
        description: str | None = None,
    ) -> ResourceDefinition:
        """Return a copy whose config is fixed, or made by a function.

        ``config_schema`` is the schema of the function's own config.
        """
        where = "configured() of a resource"
        preset = preset_of(self.preset_config, config_or_config_fn, config_schema, where)
        return replace(self, preset_config=preset, description=description or self.description)

    @contextlib.contextmanager
    def open(self, context: Any) -> Iterator[Any]:
        """Open the resource for the ``with`` block; ``context`` is an InitResourceContext."""
        parameters = inspect.signature(self.fn).parameters
        returned = self.fn(context) if parameters else self.fn()
        if not inspect.isgenerator(returned):
            yield returned
            return
        try:
            value = next(returned)
        except StopIteration:
            raise DefinitionError(
                "a resource function that is a generator must yield its object once."
            ) from None
        try:
            yield value
        except BaseException as error:
            # The generator gets the error, so that its own except and finally clauses run.
            with contextlib.suppress(StopIteration):
                returned.throw(error)
            raise
        else:
            with contextlib.suppress(StopIteration):
                next(returned)


class _Constant:
    """A resource function that returns a fixed object."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __call__(self, _context: Any) -> Any:
        return self._value


class ConfigurableResource(Config):
    """A resource whose fields are its config.

    Override ``setup_for_execution`` and ``teardown_after_execution``, or ``yield_for_execution``,
    to open and close its connections, in private attributes (``pydantic.PrivateAttr``). An op
    requests it by a parameter annotated with its class; the parameter's name is the resource's key.
    ``resource_scope = "worker"`` in the class's body sets its ResourceScope.
    """

    resource_scope: ClassVar[str] = ResourceScope.BATCH

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        cls.resource_scope = ResourceScope.of(cls.resource_scope, f"resource class {cls.__name__}")

    if not TYPE_CHECKING:  # type checkers see the fields instead

        def __init__(self, **fields: Any) -> None:
            if any(isinstance(each, EnvVar) for each in fields.values()):
                keep_environment(self, super().__init__, fields)
            else:
                super().__init__(**fields)

        __init__.__pydantic_base_init__ = True  # pydantic makes no EnvVar from a mapping

    @classmethod
    def configure_at_launch(cls, **fields: Any) -> ResourceDefinition:
        """Return a resource with its other fields from ``resources.<key>.config`` of the run."""
        fixed = {name: each for name, each in fields.items() if not isinstance(each, EnvVar)}
        return ResourceDefinition(
            _Launch(cls, fixed), config_schema=_remaining(cls, fields), scope=cls.resource_scope
        )

    @classmethod
    def has_to_close(cls) -> bool:
        """Whether the class has something to do after the use of a resource."""
        return (
            cls.yield_for_execution is not ConfigurableResource.yield_for_execution
            or cls.teardown_after_execution is not ConfigurableResource.teardown_after_execution
        )

    def setup_for_execution(self, context: Any) -> None:
        """Open the resource; called once, before the first step that needs it."""

    def teardown_after_execution(self, context: Any) -> None:
        """Close the resource; called after a failure too."""

    @contextlib.contextmanager
    def yield_for_execution(self, context: Any) -> Iterator[Any]:
        """Open the resource, yield the object for ops, and close it."""
        self.setup_for_execution(context)
        try:
            yield self
        finally:
            self.teardown_after_execution(context)


class _Launch:
    """The resource function of a ConfigurableResource with config from the run."""

    def __init__(self, cls: type[ConfigurableResource], fields: dict[str, Any]) -> None:
        self._cls = cls
        self._fields = fields

    @property
    def has_to_close(self) -> bool:
        return self._cls.has_to_close()

    def __call__(self, context: Any) -> Iterator[Any]:
        config = context.resource_config
        from_run = (
            {key: getattr(config, key) for key in type(config).model_fields}
            if config is not None
            else {}
        )
        opened = self._made({**from_run, **self._fields}, config)
        with opened.yield_for_execution(context) as value:
            yield value

    def _made(self, fields: dict[str, Any], config: object) -> ConfigurableResource:
        """Return the resource; only here do its own validators see the values."""
        origins = origins_in_environment(config) if isinstance(config, Config) else {}
        try:
            opened = self._cls(**fields)
        except pydantic.ValidationError as error:
            if not origins:
                raise
            refused = without_inputs(error)
        else:
            note_origins(opened, origins)
            return opened
        raise refused


def _remaining(cls: type[ConfigurableResource], fields: Mapping[str, Any]) -> type[Config]:
    import pydantic

    open_fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in cls.model_fields.items()
        if name not in fields
    }
    for name, value in fields.items():
        # An EnvVar is read at the start of the run, like config.
        if isinstance(value, EnvVar) and name in cls.model_fields:
            open_fields[name] = (cls.model_fields[name].annotation, value)
    return pydantic.create_model(f"{cls.__name__}Config", __base__=Config, **open_fields)


class ResourceParam:
    """Annotation of an op's parameter as the resource of that name, of any class.

    Example: ``client: ResourceParam[Client]``.
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
    return is_subclass(annotation, ConfigurableResource)


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
    scope: str = ResourceScope.BATCH,
) -> ResourceDefinition | Decorator:
    """Make a resource of a function of an InitResourceContext, or of nothing.

    ``scope`` is a ResourceScope or its name.
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
    """Return the definition of a resource: itself, a ConfigurableResource, or any object."""
    if isinstance(given, ResourceDefinition):
        return given
    if isinstance(given, ConfigurableResource):
        definition = ResourceDefinition(_Configured(given), scope=given.resource_scope)
        if _awaits_environment(given):  # read at the start of the run, like config
            return replace(definition, config_schema=type(given), preset_config=given)
        return definition
    return ResourceDefinition.hardcoded_resource(given)


def _awaits_environment(given: Config) -> bool:
    return any(
        isinstance(each, EnvVar) or (isinstance(each, Config) and _awaits_environment(each))
        for _, each in given
    )


class _Configured:
    """The resource function of a ConfigurableResource with all fields set."""

    def __init__(self, instance: ConfigurableResource) -> None:
        self._instance = instance

    @property
    def has_to_close(self) -> bool:
        return self._instance.has_to_close()

    def __call__(self, context: Any) -> Iterator[Any]:
        config = context.resource_config
        instance = config if isinstance(config, ConfigurableResource) else self._instance
        with instance.yield_for_execution(context) as value:
            yield value
