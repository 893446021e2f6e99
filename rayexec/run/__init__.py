"""Data of a run that scheduler and steps share: its spec, its previous run, retries."""
