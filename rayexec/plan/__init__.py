"""Plans: jobs compiled to steps."""

from rayexec.plan.base import Plan
from rayexec.plan.compile import compile_job
from rayexec.plan.model import FromConfig, FromStep, OpenInput, Step, StepInput, Template
from rayexec.plan.static_plan import StaticPlan

__all__ = [
    "FromConfig",
    "FromStep",
    "OpenInput",
    "Plan",
    "StaticPlan",
    "Step",
    "StepInput",
    "Template",
    "compile_job",
]
