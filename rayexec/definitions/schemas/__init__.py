"""Config schemas: their types, the reading and checking of values, and descriptions."""
