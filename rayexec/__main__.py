"""``python -m rayexec``: the command line."""

from rayexec.cli.main import main

main()
