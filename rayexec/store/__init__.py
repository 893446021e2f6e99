"""Run stores: records, logs and values of runs, and the cache of outputs."""

from rayexec.store.base import RunReader, RunStore, RunWriter, current, is_own
from rayexec.store.cache import CacheRecord, StepCache
from rayexec.store.directory import DirectoryRunStore
from rayexec.store.memory import MemoryRunStore
from rayexec.store.record import SCHEMA_VERSION, RunRecord, is_over, settled
from rayexec.store.registry import default_store, is_default, register_store, store_at
from rayexec.store.request import CancelRequest

__all__ = [
    "SCHEMA_VERSION",
    "CacheRecord",
    "CancelRequest",
    "DirectoryRunStore",
    "MemoryRunStore",
    "RunReader",
    "RunRecord",
    "RunStore",
    "RunWriter",
    "StepCache",
    "current",
    "default_store",
    "is_default",
    "is_over",
    "is_own",
    "register_store",
    "settled",
    "store_at",
]
