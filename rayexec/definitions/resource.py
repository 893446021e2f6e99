"""Resources: objects that ops share, such as connections, clients and models."""

from __future__ import annotations

import contextlib
import enum
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from rayexec.definitions.code import ByReference
from rayexec.definitions.config_models import Config
from rayexec.definitions.config_parameter import checked_schema
from rayexec.definitions.decorated import named_like
from rayexec.definitions.mapping import preset_of
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.types.dagster_type import is_subclass
from rayexec.direct_calls import direct_calls
from rayexec.errors import DefinitionError
from rayexec.names import nearest

__all__ = [
    "IAttachDifferentObjectToOpContext",
    "ResourceClass",
    "ResourceDefinition",
    "ResourceParam",
    "ResourceScope",
    "is_resource_annotation",
    "make_values_resource",
    "resource",
]

T = TypeVar("T")


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

    The function may be decorated with ``contextlib.contextmanager`` too. ``scope`` is a
    ResourceScope or its name: ``"step"``, ``"batch"`` or ``"worker"``. Raises DefinitionError for
    any other, and for a ``resource_fn`` that nothing can call.
    """

    resource_fn: Callable[..., Any]
    config_schema: Any = None
    description: str | None = None
    required_resource_keys: frozenset[str] = frozenset()
    version: str | None = None
    preset_config: Any = NO_DEFAULT
    scope: str = ResourceScope.BATCH

    code_field = "resource_fn"

    def __post_init__(self) -> None:
        label = f"resource {getattr(self.resource_fn, '__name__', 'function')!r}"
        if not callable(self.resource_fn):
            raise DefinitionError(
                f"a resource is made of a function, got {type(self.resource_fn).__name__}; for a "
                "plain object use ResourceDefinition.hardcoded_resource(…)."
            )
        keys = self.required_resource_keys
        object.__setattr__(self, "required_resource_keys", resource_keys(keys, label))
        object.__setattr__(self, "scope", ResourceScope.of(self.scope, label))
        checked_schema(self.config_schema, label)

    @property
    def fn(self) -> Callable[..., Any]:
        """The function that opens the resource."""
        return self.resource_fn

    @staticmethod
    def hardcoded_resource(value: Any, description: str | None = None) -> ResourceDefinition:
        """Return a resource that is this object.

        It has nothing to close, so resources of any scope may require it.
        """
        return ResourceDefinition(
            _Constant(value), description=description, scope=ResourceScope.WORKER
        )

    @staticmethod
    def none_resource(description: str | None = None) -> ResourceDefinition:
        """Return a resource that is None."""
        return ResourceDefinition.hardcoded_resource(None, description)

    @staticmethod
    def string_resource(description: str | None = None) -> ResourceDefinition:
        """Return a resource that is the string in its config."""
        return ResourceDefinition(_config_itself, config_schema=str, description=description)

    @staticmethod
    def mock_resource(description: str | None = None) -> ResourceDefinition:
        """Return a resource that is a new ``unittest.mock.MagicMock`` at each opening."""
        return ResourceDefinition(_mock, description=description)

    def with_changes(self, **changes: Any) -> Any:
        """Return a copy with other attributes; none of them is checked."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__, **changes)
        return copied

    def with_scope(self, scope: str) -> ResourceDefinition:
        """Return a copy with another scope; raises DefinitionError for an unknown one."""
        changed: ResourceDefinition = self.with_changes(scope=ResourceScope.of(scope, "a resource"))
        return changed

    @property
    def is_constant(self) -> bool:
        """Whether the resource is a plain object, with nothing to open or close."""
        return isinstance(self.resource_fn, _Constant)

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
        changed: ResourceDefinition = self.with_changes(
            preset_config=preset, description=description or self.description
        )
        return changed

    def open(self, context: Any) -> contextlib.AbstractContextManager[Any]:
        """Open the resource for the ``with`` block; ``context`` is an InitResourceContext."""
        takes_context = bool(inspect.signature(self.resource_fn).parameters)
        return opened(self.resource_fn(context) if takes_context else self.resource_fn())


@contextlib.contextmanager
def opened(returned: Any) -> Iterator[Any]:
    """Open what the function of a resource has returned, for the ``with`` block.

    A generator yields the object, and so does what ``contextlib.contextmanager`` makes. Anything
    else is the object itself, even if it is a context manager.
    """
    if isinstance(returned, contextlib.ContextDecorator):
        with returned as value:  # type: ignore[attr-defined]
            yield value
        return
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
    try:
        next(returned)
    except StopIteration:
        return
    returned.close()
    raise DefinitionError("a resource function that is a generator yielded a second object.")


class _Constant:
    """A resource function that returns a fixed object."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __call__(self, _context: Any) -> Any:
        return self._value


def _config_itself(context: Any) -> Any:
    return context.resource_config


def _mock() -> Any:
    from unittest import mock

    return mock.MagicMock()


def make_values_resource(**fields: Any) -> ResourceDefinition:
    """Return a resource that is the dict in its config, with ``fields`` as the schema."""
    return ResourceDefinition(_config_itself, config_schema=fields or None)


def resource_keys(keys: Iterable[str] | None, label: str) -> frozenset[str]:
    """Return ``required_resource_keys`` as a set; raises DefinitionError for other things."""
    listed = [keys] if isinstance(keys, str) else list(keys or ())
    if isinstance(keys, str) or not all(isinstance(key, str) for key in listed):
        raise DefinitionError(f"{label}: required_resource_keys is a set of strings, got {keys!r}.")
    return frozenset(listed)


class ResourceClass(Config):
    """Base of the classes whose instances are resources."""

    @classmethod
    def has_to_close(cls) -> bool:
        """Whether the class has something to do after the use of a resource."""
        return False


class IAttachDifferentObjectToOpContext:
    """A resource that gives another object than itself to ``context.resources``.

    A parameter of an op that is annotated with the resource's class gets the resource itself.
    """

    def get_object_to_set_on_execution_context(self) -> Any:
        """Return the object for ``context.resources``."""
        raise NotImplementedError


if TYPE_CHECKING:
    from typing import Annotated

    ResourceParam = Annotated[T, "resource"]
else:

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
    return isinstance(annotation, _ResourceAnnotation) or is_subclass(annotation, ResourceClass)


Decorator = Callable[[Callable[..., Any]], ResourceDefinition]


@overload
def resource(config_schema: Callable[..., Any], /) -> ResourceDefinition: ...
@overload
def resource(
    config_schema: Any = ...,
    description: str | None = ...,
    required_resource_keys: Iterable[str] | None = ...,
    version: str | None = ...,
    *,
    scope: str = ...,
) -> Decorator: ...
def resource(
    config_schema: Any = None,
    description: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
    version: str | None = None,
    *,
    scope: str = ResourceScope.BATCH,
) -> ResourceDefinition | Decorator:
    """Make a resource of a function of an InitResourceContext, or of nothing.

    ``scope`` is a ResourceScope or its name. Raises DefinitionError for a function that requires
    more than one argument.
    """
    if _is_function(config_schema):
        return resource()(config_schema)

    def decorate(fn: Callable[..., Any]) -> ResourceDefinition:
        check_one_argument(fn, "@resource")
        made = ResourceDefinition(
            fn,
            config_schema,
            description or inspect.getdoc(fn),
            resource_keys(required_resource_keys, f"resource {fn.__name__!r}"),
            version,
            scope=scope,
        )
        return named_like(made, fn)

    return decorate


def _is_function(given: Any) -> bool:
    """Whether a decorator got its function, and not a config schema."""
    return callable(given) and given is not Any and not isinstance(given, type)


def check_one_argument(fn: Callable[..., Any], decorator: str) -> None:
    """Raise DefinitionError for a function that requires more than a context."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [
        each.name
        for each in list(inspect.signature(fn).parameters.values())[1:]
        if each.kind in (*kinds, inspect.Parameter.KEYWORD_ONLY) and each.default is each.empty
    ]
    if required:
        raise DefinitionError(
            f"the function {fn.__name__!r} of {decorator} takes a context at most, so the "
            f"parameters {', '.join(required)} need defaults; other resources come by "
            "required_resource_keys."
        )
