"""The commands and their options; each command's work is in its own file."""

from __future__ import annotations

import sys
from typing import Any

import click

from .. import __version__
from .errors import one_line_errors
from .options import arguments_of, client_options, site_of, talk_options
from .serve import serve_command

__all__ = ["command"]

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_DEFAULT = "ask"


class _Prompts(click.Group):
    """A group that takes a first word which is no command's name for a prompt.

    Options may stand before the command: `chatgptes --sandbox chat`.
    """

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        at = self._first_word(context, args)
        word = args[at] if at < len(args) else ""
        if word in self.commands and "--" not in args[:at]:
            args = [word, *args[:at], *args[at + 1 :]]
        elif args[:1] not in (["-h"], ["--help"], ["--version"]):
            args = [_DEFAULT, *args]
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            sys.exit(130)  # click would say "Aborted!", and 1.

    def _first_word(self, context: click.Context, args: list[str]) -> int:
        takes_value = {
            name
            for command in self.commands.values()
            for option in command.params
            if isinstance(option, click.Option) and not (option.is_flag or option.count)
            for name in option.opts
        }
        at = 0
        while at < len(args) and args[at].startswith("-") and args[at] not in ("-", "--"):
            at += 2 if args[at] in takes_value else 1
        return min(at, len(args))


@click.group(cls=_Prompts, context_settings=_SETTINGS)
@click.version_option(__version__)
def command() -> None:
    """Talk to the chat bot of a WordPress site with the AI Power plugin.

    \b
    chatgptes "PROMPT"       ask one thing; `chatgptes ask --help` has the options
    chatgptes chat           a conversation
    chatgptes doctor URL     why does this site not answer?

    To ask a prompt that is a command's name: `chatgptes ask "chat"`.  Options have defaults in the
    environment: CHATGPTES_SITE, _BOT, _API_KEY, _TRANSPORT, _PROXY, _SYSTEM, _TIMEOUT.
    """


_plain = click.option(
    "--plain", is_flag=True, help="Print plain text on a terminal too, instead of drawn Markdown."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@command.command("ask")
@click.argument("words", metavar="[PROMPT]", nargs=-1)
@talk_options
@click.option(
    "--image",
    "images",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    help="Send a picture along; may be given several times.",
)
@click.option("--web-search", is_flag=True, help="Let the bot search the web, if it offers that.")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is complete.")
@_plain
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, when complete.")
@click.pass_context
def _ask(
    context: click.Context,
    /,
    words: tuple[str, ...],
    site: str | None,
    sandbox: bool,
    images: tuple[str, ...],
    web_search: bool,
    as_json: bool,
    no_stream: bool,
    plain: bool,
    **options: Any,
) -> None:
    """Ask a bot one thing and print its answer.

    Without PROMPT, or with "-", it is read from standard input.
    """
    from .ask import ask

    if len(words) > 1:
        raise click.UsageError(
            f"A prompt of several words goes in quotes; and there is no command {words[0]!r}"
            " (`chatgptes --help` lists them)."
        )
    ask(
        context,
        words[0] if words else None,
        site=site,
        sandbox=sandbox,
        images=images,
        web_search=web_search,
        as_json=as_json,
        no_stream=no_stream,
        plain=plain,
        options=options,
    )


@command.command("chat")
@talk_options
@_plain
@click.option(
    "--load", "file", metavar="FILE", type=click.Path(), help="Continue a saved conversation."
)
@click.pass_context
def _chat(
    context: click.Context,
    /,
    site: str | None,
    sandbox: bool,
    plain: bool,
    file: str | None,
    **options: Any,
) -> None:
    """Have a conversation; /help lists its commands.

    In a pipe each line is a message, and the exit status is 1 if one of them failed.
    """
    from .chat import Chat

    with (
        one_line_errors(),
        site_of(context, site, sandbox, options) as client,
    ):
        if not Chat(client, plain=plain).run(file):
            sys.exit(1)


_url = click.argument("site", metavar="[URL]", required=False, envvar="CHATGPTES_SITE")
# For people who have just typed it for another command.
_site_too = click.option("--site", "named", metavar="URL", hidden=True)


@command.command("bots")
@_url
@_site_too
@client_options
@_json
@click.pass_context
def _bots(
    context: click.Context,
    /,
    site: str | None,
    named: str | None,
    sandbox: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """List the bots that a page shows."""
    from .bots import show_bots

    with (
        one_line_errors(as_json=as_json),
        site_of(context, named or site, sandbox, options) as client,
    ):
        show_bots(client.bots(), as_json=as_json)


@command.command("doctor")
@_url
@_site_too
@client_options
@click.option(
    "--ask",
    "asks",
    is_flag=True,
    help="Take a test turn too: it asks the model, and may count against a limit.",
)
@_json
@click.pass_context
def _doctor(
    context: click.Context,
    /,
    site: str | None,
    named: str | None,
    sandbox: bool,
    asks: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find out why a site does not answer, and what to do about it.

    The exit status is 1 if a step fails, and 0 otherwise.
    """
    from ..diagnosis import doctor
    from .doctor import show_diagnosis

    with (
        one_line_errors(as_json=as_json),
        arguments_of(context, named or site, sandbox, options) as arguments,
    ):
        diagnosis = doctor(**arguments, ask=asks)
        show_diagnosis(diagnosis, as_json=as_json)
        if not diagnosis.ok:
            sys.exit(1)


@command.command("batch")
@click.argument("source", metavar="IN", type=click.Path())
@click.option(
    "-o",
    "--out",
    metavar="OUT",
    type=click.Path(dir_okay=False),
    help="Append the replies to this file (JSON lines), and continue where it ends.  [print them]",
)
@click.option("--jobs", metavar="N", type=int, default=4, show_default=True, help="Turns at once.")
@click.option(
    "--min-interval",
    metavar="SECONDS",
    type=float,
    default=0.0,
    show_default=True,
    help="Least time between the starts of two turns.",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Ask only those that failed before.",
)
@talk_options
@click.pass_context
def _batch(
    context: click.Context,
    /,
    source: str,
    out: str | None,
    jobs: int,
    min_interval: float,
    retry_failed: bool,
    site: str | None,
    sandbox: bool,
    **options: Any,
) -> None:
    """Ask every prompt of a file: one on each line, or JSON lines.

    \b
    {"id": "a1", "prompt": "…"}          (the id is optional)
    {"messages": [{"role": "user", "content": "…"}]}

    After a crash, a kill or Ctrl-C, the same command continues where it stopped.  IN may be "-".
    The exit status is 1 if a prompt has failed, in this run or in an earlier one.
    """
    from .batch import run_batch

    with (
        one_line_errors(),
        arguments_of(context, site, sandbox, options) as arguments,
    ):
        good = run_batch(
            source,
            out,
            jobs=jobs,
            retry_failed=retry_failed,
            arguments={**arguments, "min_interval": min_interval},
        )
        if not good:
            sys.exit(1)


@command.command(
    "sandbox",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def _sandbox(arguments: tuple[str, ...]) -> None:
    """Serve the sandbox, a local site, until stopped; --help lists its options."""
    from ..sandbox.__main__ import main

    sys.exit(main(arguments, "chatgptes sandbox"))


command.add_command(serve_command)
