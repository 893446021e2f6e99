"""Declarations of users as data: ops, graphs, jobs, resources, types and their settings."""
