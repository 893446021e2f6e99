"""Runs in another process or cluster."""
