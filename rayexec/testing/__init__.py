"""Engines and fakes for tests; no product code imports them."""
