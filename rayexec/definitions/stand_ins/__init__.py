"""Names of Dagster that only import, and its private import paths."""
