"""The driver's side of the engine on Ray."""
