"""Protocol between driver and workers: what both sides of the engine on Ray need."""
