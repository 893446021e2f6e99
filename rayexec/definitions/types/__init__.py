"""Types of inputs and outputs: annotations, Dagster's types, their checks and loaders."""
