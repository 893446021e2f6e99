"""Sets of jobs with shared resources: Definitions and repositories."""

from rayexec.job_sets.definition_set import (
    BindResourcesToJobs,
    Definitions,
    create_repository_using_definitions_args,
)
from rayexec.job_sets.left_aside import LeftAside
from rayexec.job_sets.repository_decorator import repository
from rayexec.job_sets.repository_definition import RepositoryDefinition

__all__ = [
    "BindResourcesToJobs",
    "Definitions",
    "LeftAside",
    "RepositoryDefinition",
    "create_repository_using_definitions_args",
    "repository",
]
