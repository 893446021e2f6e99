"""What will run: a job compiled to an immutable plan of steps."""

from rayexec.plan.compile import compile_job
from rayexec.plan.model import FromConfig, FromStep, OpenInput, Plan, Step, StepInput, Template

__all__ = [
    "FromConfig",
    "FromStep",
    "OpenInput",
    "Plan",
    "Step",
    "StepInput",
    "Template",
    "compile_job",
]
