"""Scheduler of a run: pure state that takes events and answers with commands."""
