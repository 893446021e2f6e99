"""Metadata by kind: its classes, and the plain values that become them."""
