"""``bench``: what a step, a hop and a byte cost on this machine or cluster."""
