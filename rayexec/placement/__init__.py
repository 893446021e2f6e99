"""Placement: the resources and limits of steps, as data."""
