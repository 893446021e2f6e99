"""IO managers of rayexec; they store values as files, on this machine or in an object store."""
