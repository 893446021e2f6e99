"""Rendering of runs on a terminal and as a page."""
