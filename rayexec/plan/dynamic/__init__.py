"""Plans that grow while a run yields the values of dynamic outputs."""
