"""Dynamic outputs in a plan: the steps that they add while a run is under way."""
