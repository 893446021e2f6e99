"""Classes of Dagster's warnings, for files that filter them. rayexec never warns by them."""

from __future__ import annotations

__all__ = ["BetaWarning", "ConfigArgumentWarning", "PreviewWarning", "SupersessionWarning"]


class PreviewWarning(Warning):
    """Dagster's warning for the use of something in preview."""


class BetaWarning(Warning):
    """Dagster's warning for the use of something in beta."""


class SupersessionWarning(FutureWarning):
    """Dagster's warning for the use of something with a better successor."""


class ConfigArgumentWarning(SyntaxWarning):
    """Dagster's warning for an op that takes its config as a legacy argument."""
