"""Config: schemas, run config against its job, and the settings of a run's execution."""
