"""The command line. ``paragrad --help`` loads click and nothing else.

To add a command: a file in ``commands/`` whose ``command`` is a click command, and one line in
``app.COMMANDS``.
"""
