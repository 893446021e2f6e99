"""Graphs and jobs: how bodies and data make nodes, and the checks of the whole."""
