"""``python -m paragrad``: the command line."""

from paragrad.cli.main import main

main()
