"""Calls of ops and graphs in the body of a graph or job, as nodes of that graph."""

from __future__ import annotations

import contextvars
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from rayexec.definitions.handles import Binding, Level
from rayexec.definitions.hooks import HookDefinition, hook_set
from rayexec.definitions.ports_by_name import PortsByName
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.tags import normalize_tags
from rayexec.errors import DefinitionError
from rayexec.names import check_name

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["CURRENT_BODY", "Invocable", "Invocation", "PendingNodeInvocation"]


class InvocationRecorder(Protocol):
    """The body of a graph or job while it runs."""

    def expect_call(self, pending: PendingNodeInvocation, earlier: PendingNodeInvocation) -> None:
        """Note that the body made ``pending`` of an ``earlier`` one for a call."""
        ...

    def invoke(
        self, pending: PendingNodeInvocation, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Record a call and return the handles of its outputs."""
        ...


# The body that runs now in this thread; a call outside of one runs the op's function.
CURRENT_BODY: contextvars.ContextVar[InvocationRecorder | None] = contextvars.ContextVar(
    "rayexec_current_body", default=None
)


class Invocable(PortsByName):
    """A definition for the body of a graph to call: an op or another graph."""

    name: str

    def input_names(self) -> tuple[str, ...]:
        """Return the inputs in the order of a call's positional arguments."""
        raise NotImplementedError

    def positional_inputs(self) -> tuple[str, ...]:
        """Return the inputs that a call in a body may give by position."""
        return self.input_names()

    def levels_by_output(self) -> Mapping[str, Level]:
        """Return the outputs in order, each with the dynamic outputs that multiply it."""
        raise NotImplementedError

    def pending(self) -> PendingNodeInvocation:
        """Return this definition for one call, with nothing of its own yet."""
        return PendingNodeInvocation(self)

    def alias(self, name: str) -> PendingNodeInvocation:
        """Return this definition for one call, its node called ``name``."""
        return self.pending().alias(name)

    def tag(self, tags: Mapping[str, Any]) -> PendingNodeInvocation:
        """Return this definition for one call, with ``tags`` added."""
        return self.pending().tag(tags)

    def with_hooks(self, hook_defs: Iterable[HookDefinition]) -> PendingNodeInvocation:
        """Return this definition for one call, with ``hook_defs`` added."""
        return self.pending().with_hooks(hook_defs)

    def with_retry_policy(self, retry_policy: RetryPolicy) -> PendingNodeInvocation:
        """Return this definition for one call, under another retry policy."""
        return self.pending().with_retry_policy(retry_policy)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        body = CURRENT_BODY.get()
        pending = PendingNodeInvocation(self)
        if body is None:
            return self.call_directly(pending, args, kwargs)
        return body.invoke(pending, args, kwargs)

    def call_directly(
        self, pending: PendingNodeInvocation, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run a call outside of the body of a graph; ``pending`` is this definition."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class PendingNodeInvocation:
    """A definition with an alias, tags, hooks or a retry policy for its next call."""

    definition: Invocable
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    hooks: tuple[HookDefinition, ...] = ()
    retry_policy: RetryPolicy | None = None

    @property
    def node_name(self) -> str:
        """The name of the node, where no other call has it."""
        return self.name or self.definition.name

    def alias(self, name: str) -> Self:
        """Return a copy whose node is called ``name``."""
        return self._with(name=check_name(name, "a node"))

    def tag(self, tags: Mapping[str, Any]) -> Self:
        """Return a copy with ``tags`` added; they win over the definition's own."""
        added = normalize_tags(tags, f"{self.definition.name}.tag")
        return self._with(tags={**self.tags, **added})

    def with_hooks(self, hook_defs: Iterable[HookDefinition]) -> Self:
        """Return a copy with ``hook_defs`` added."""
        where = f"{self.definition.name}.with_hooks"
        return self._with(hooks=hook_set((*self.hooks, *hook_set(hook_defs, where)), where))

    def with_retry_policy(self, retry_policy: RetryPolicy) -> Self:
        """Return a copy with a retry policy of its own."""
        if not isinstance(retry_policy, RetryPolicy):
            raise DefinitionError(
                f"{self.definition.name}.with_retry_policy takes a RetryPolicy, got "
                f"{type(retry_policy).__name__}."
            )
        return self._with(retry_policy=retry_policy)

    def _with(self, **changes: Any) -> Self:
        pending = replace(self, **changes)
        body = CURRENT_BODY.get()
        if body is not None:
            body.expect_call(pending, self)
        return pending

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        body = CURRENT_BODY.get()
        if body is None:
            return self.definition.call_directly(self, args, kwargs)
        return body.invoke(self, args, kwargs)


DefinitionT_co = TypeVar("DefinitionT_co", bound=Invocable, covariant=True)


@dataclass(frozen=True, eq=False)
class Invocation(Generic[DefinitionT_co]):
    """A node of a graph: a definition under a name of its own, and the sources of its inputs."""

    name: str
    definition: DefinitionT_co
    inputs: Mapping[str, Binding]
    tags: Mapping[str, str] = field(default_factory=dict)
    hooks: tuple[HookDefinition, ...] = ()
    retry_policy: RetryPolicy | None = None
