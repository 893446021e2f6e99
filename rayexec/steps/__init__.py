"""One attempt of one step, on a worker or in this process."""
