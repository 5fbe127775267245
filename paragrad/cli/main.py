"""The entry point of the ``paragrad`` command."""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    import signal

    from paragrad.cli.app import app

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends a run as cleanly as Ctrl-C
    app.main()
    raise SystemExit(0)


if __name__ == "__main__":
    main()
