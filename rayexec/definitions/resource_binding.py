"""Requirements of resources among each other, those in fields too."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rayexec.definitions.fields_resource import FieldsResource, PartialResource
from rayexec.definitions.mapping import open_schema
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.schemas.schema import is_required
from rayexec.errors import DefinitionError, InvariantError
from rayexec.names import nearest

__all__ = ["bind_resources"]


def bind_resources(
    resources: Mapping[str, ResourceDefinition], where: str
) -> dict[str, ResourceDefinition]:
    """Return resources that say what they require, for those in their fields too.

    A resource in a field opens with the one around it. One that needs config of the run opens under
    its own key instead, once for all. Raises DefinitionError for one that has no key, and
    InvariantError for a resource that requires itself, or one that is not there.
    """
    bound = dict(resources)
    for key, definition in resources.items():
        if isinstance(definition, FieldsResource) and definition.nested:
            bound[key] = definition.bound(_keys_among(resources, where), key)
    _check_requirements(bound, where)
    return bound


def _keys_among(
    resources: Mapping[str, ResourceDefinition], where: str
) -> Callable[[ResourceDefinition, str], str | None]:
    def shared_key(nested: ResourceDefinition, field: str) -> str | None:
        if not _awaits_run(nested):
            return None
        for key, definition in resources.items():
            if definition is nested:
                return key
        raise DefinitionError(
            f"{where}: the resource in the field {field} is configured at launch, so it needs a "
            "key in resource_defs for its config: give the same object there too."
        )

    return shared_key


def _awaits_run(nested: ResourceDefinition) -> bool:
    """Whether a resource in a field is not complete without config of the run."""
    if isinstance(nested, PartialResource):
        return True
    if isinstance(nested, FieldsResource):
        return False
    schema = open_schema(nested)
    return schema is not None and is_required(schema)


def _check_requirements(resources: Mapping[str, ResourceDefinition], where: str) -> None:
    done: set[str] = set()
    for key in resources:
        _check_below(key, (), done, resources, where)


def _check_below(
    key: str,
    above: tuple[str, ...],
    done: set[str],
    resources: Mapping[str, ResourceDefinition],
    where: str,
) -> None:
    if key in above:
        circle = " -> ".join((*above[above.index(key) :], key))
        raise InvariantError(f"{where}: resources require each other in a circle: {circle}.")
    if key in done:
        return
    for required in sorted(resources[key].required_resource_keys):
        if required not in resources:
            raise InvariantError(
                f"{where}: resource {key!r} requires resource {required!r}, which is not "
                f"there: add it to resource_defs.{nearest(required, resources)}"
            )
        _check_below(required, (*above, key), done, resources, where)
    done.add(key)
