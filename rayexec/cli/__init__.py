"""Command line: the program, its commands, and their output."""
