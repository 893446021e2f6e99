"""Engine on Ray: a batch is a Ray task, and large values pass through Ray's object store."""
