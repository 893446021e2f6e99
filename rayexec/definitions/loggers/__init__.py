"""Loggers of jobs, and the Python loggers of ops."""
