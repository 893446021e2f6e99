"""Categories of Dagster's warnings, for filters of warnings; rayexec gives none of them."""

from __future__ import annotations

__all__ = ["BetaWarning", "ConfigArgumentWarning", "PreviewWarning", "SupersessionWarning"]


class BetaWarning(Warning):
    """A feature may change in a minor release."""


class PreviewWarning(Warning):
    """A feature is not ready for production."""


class SupersessionWarning(FutureWarning):
    """A feature has a better one beside it."""


class ConfigArgumentWarning(SyntaxWarning):
    """An argument named config has no meaning here."""
