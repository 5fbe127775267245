"""``paragrad serve-embedded``."""

from __future__ import annotations

import click

from paragrad.cli.common import Command, Shell
from paragrad.errors import UsageError
from paragrad.runs.lines import labelled


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", show_default=True, help="The interface to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8321, show_default=True, help="0 takes a free one.")
@click.pass_obj
def command(shell: Shell, host: str, port: int) -> None:
    """Serve the language model in this package to any OpenAI client, until Ctrl-C.

    It knows only a toy world (counting, small sums, lists): good for trying things out, and for nothing else.
    """
    from paragrad.llm.embedded.server import serve

    try:
        server = serve(host, port)
    except (OSError, OverflowError) as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error}; take another --port") from error
    shell.give({"base_url": server.url, "model": "embedded"})
    shell.show(
        [
            labelled("SERVING", (server.url, "accent"), "  model ", ("embedded", "strong"), "  no key needed · Ctrl-C ends it"),
            labelled("USE", f"paragrad tune DATA --prompt FILE --model embedded --base-url {server.url}"),
        ]
    )
    with server:
        try:
            server.wait()
        except KeyboardInterrupt:
            shell.say(labelled("", "stopped"))
