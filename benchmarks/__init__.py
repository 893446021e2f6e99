"""Costs of rayexec beside the ops that it runs; see README.md."""

import os

# Only benchmarks.store measures recording, and nobody wants such runs among their own.
os.environ.setdefault("RAYEXEC_RECORD", "0")
