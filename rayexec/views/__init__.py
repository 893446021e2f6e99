"""Read models that doors share."""
