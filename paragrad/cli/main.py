"""The entry point of the ``paragrad`` command."""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    from paragrad.cli.app import app

    app.main()
    raise SystemExit(0)


if __name__ == "__main__":
    main()
