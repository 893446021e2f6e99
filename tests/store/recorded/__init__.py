"""A store of an earlier rayexec, the jobs that it ran, and facts of their runs."""
