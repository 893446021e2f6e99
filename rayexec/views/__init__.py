"""Read models of runs and jobs, as data for the command line and for other doors."""
