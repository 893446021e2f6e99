"""Data of one run that engines, scheduler and steps are given."""
