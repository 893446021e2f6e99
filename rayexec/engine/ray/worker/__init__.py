"""The worker's side of the engine on Ray."""
