"""Engines: their contract, their registry, and the implementations."""
