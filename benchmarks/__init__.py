"""What rayexec costs beside the ops it runs; see README.md."""
