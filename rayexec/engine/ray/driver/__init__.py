"""Driver side of the engine on Ray."""
