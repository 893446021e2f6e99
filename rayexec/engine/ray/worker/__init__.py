"""Worker side of the engine on Ray."""
