"""Dagster's warnings, for files that filter them or warn themselves; rayexec uses none of them."""

from __future__ import annotations

import warnings

__all__ = [
    "BetaWarning",
    "ConfigArgumentWarning",
    "PreviewWarning",
    "SupersessionWarning",
    "deprecation_warning",
]


class PreviewWarning(Warning):
    """Dagster's warning for the use of something in preview."""


class BetaWarning(Warning):
    """Dagster's warning for the use of something in beta."""


class SupersessionWarning(FutureWarning):
    """Dagster's warning for the use of something with a better successor."""


class ConfigArgumentWarning(SyntaxWarning):
    """Dagster's warning for an op that takes its config as a legacy argument."""


def deprecation_warning(
    subject: str,
    breaking_version: str,
    additional_warn_text: str | None = None,
    stacklevel: int = 3,
) -> None:
    """Warn that ``subject`` goes in ``breaking_version``, with a DeprecationWarning."""
    text = f"{subject} is deprecated and will be removed in {breaking_version}."
    if additional_warn_text:
        text += f" {additional_warn_text}"
    warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)
