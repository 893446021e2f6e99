"""Endpoints of the browser door, one module a subject; each has ``routes(session)``."""
