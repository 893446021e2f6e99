"""Formats and messages that driver and workers of the engine on Ray share."""
