"""Operations on config schemas: validate a value, describe the schema, scaffold a value."""

from __future__ import annotations

import copy

from rayexec.definitions.schemas.config_types import MISSING, Missing
from rayexec.definitions.schemas.findings import outline
from rayexec.definitions.schemas.schema_description import describe_type, scaffold_type
from rayexec.definitions.schemas.schema_reading import as_type, empty, needs_value
from rayexec.definitions.schemas.schema_validators import entry_with_validator, run_validator
from rayexec.definitions.schemas.secret_values import mask_secrets, without_secrets
from rayexec.errors import Problem

__all__ = ["MISSING", "Missing", "describe", "is_required", "mask_secrets", "scaffold", "validate"]


def validate(
    schema: object, value: object = MISSING, *, path: tuple[str, ...] = ()
) -> tuple[object, list[Problem]]:
    """Return the resolved value with every problem; with problems, return ``value`` as it came.

    A resolved value has all defaults, the values of environment variables, the Python values of
    Enums, and an instance of each Config class. MISSING resolves to the least value of the schema,
    and stays MISSING where the schema needs none. The path of a problem begins with ``path``.

    Raises DefinitionError for a malformed schema, and never for a value.
    """
    item, validator = entry_with_validator(schema)
    given: object = copy.deepcopy(item.fallback) if value is MISSING else value
    if given is MISSING:
        if not item.required:
            return MISSING, []
        # The missing keys of an empty dict say more than a missing dict.
        given = empty(item.type)
        if given is MISSING or not needs_value(item.type):
            return value, [Problem(path, f"a value is required. Expected: {outline(item.type)}")]
    result, findings = run_validator(validator, item.type, given)
    if findings:
        findings = without_secrets(item, findings, given)
        return value, [Problem(path + finding.path, finding.message) for finding in findings]
    return result, []


def is_required(schema: object) -> bool:
    """Return whether a schema needs a value; raises DefinitionError for a malformed schema."""
    return entry_with_validator(schema)[0].required


def describe(schema: object) -> str:
    """Return a schema in one line, such as ``{n: int, name?: str = "x"}``.

    Raises DefinitionError for a malformed schema.
    """
    entry_with_validator(schema)
    return describe_type(as_type(schema))


def scaffold(schema: object, *, only_required: bool = False) -> object:
    """Return a value to start from, with a default or a placeholder for each key.

    YAML can hold the value, and it is valid except for constraints of Config classes. A Selector
    shows its first arm. With ``only_required`` optional keys are left out. Raises DefinitionError
    for a malformed schema.
    """
    entry_with_validator(schema)
    return scaffold_type(as_type(schema), only_required)
