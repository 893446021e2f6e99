"""Execution of jobs: entry points, driver, recording, results."""

from rayexec.execute.cancel import cancel_run
from rayexec.execute.log import Record, RunLog
from rayexec.execute.observer import Observer
from rayexec.execute.prepare import execute_in_process, execute_job, prepare, validate_run_config
from rayexec.execute.result import (
    ExecuteInProcessResult,
    JobExecutionResult,
    RunResult,
    StepWait,
)
from rayexec.execute.resume import ReexecutionOptions

__all__ = [
    "ExecuteInProcessResult",
    "JobExecutionResult",
    "Observer",
    "Record",
    "ReexecutionOptions",
    "RunLog",
    "RunResult",
    "StepWait",
    "cancel_run",
    "execute_in_process",
    "execute_job",
    "prepare",
    "validate_run_config",
]
