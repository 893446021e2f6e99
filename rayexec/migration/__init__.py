"""Files that import Dagster: their names looked up one by one, without running them."""
