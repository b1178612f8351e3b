"""The commands and their options; each command's work is in its own file."""

from __future__ import annotations

import sys
from typing import Any

import click

from .. import __version__
from .config import config_command
from .errors import one_line_errors
from .group import PromptGroup
from .named_sites import names_of_sites
from .options import arguments_of, client_options, last_of, site_of, talk_options
from .serve import serve_command

__all__ = ["command"]

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=PromptGroup, context_settings=_SETTINGS)
@click.version_option(__version__)
def command() -> None:
    """Talk to the chat bot of a WordPress site (plugins AI Power and AI Engine).

    \b
    chatgptes --sandbox "Hello"        without a network
    chatgptes "PROMPT"                 `chatgptes ask --help` has the options
    git diff | chatgptes "Summarize"   sends both
    chatgptes ask "chat"               a prompt that is a command's name
    """


_plain = click.option(
    "--plain", is_flag=True, help="Print plain text on a terminal too, instead of drawn Markdown."
)
_continue = click.option(
    "-c", "--continue", "goes_on", is_flag=True, help="Continue the last conversation."
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
@_continue
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
    goes_on: bool,
    **options: Any,
) -> None:
    """Ask a bot one thing and print its answer.

    Without PROMPT, or with "-", it is read from standard input.  With both, what a pipe or a file
    on standard input holds is sent first, then PROMPT.

    Options have defaults in the environment: CHATGPTES_SITE, _BOT, _API_KEY, _TRANSPORT, _PROXY,
    _SYSTEM, _TIMEOUT.  CHATGPTES_DATA is the folder of the last conversation, the history and
    your id for each site ('' for none), CHATGPTES_CONFIG the file of `chatgptes config`.
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
        goes_on=goes_on,
        options=options,
    )


@command.command("chat")
@talk_options
@_plain
@click.option(
    "--load", "file", metavar="FILE", type=click.Path(), help="Continue a saved conversation."
)
@_continue
@click.pass_context
def _chat(
    context: click.Context,
    /,
    site: str | None,
    sandbox: bool,
    plain: bool,
    file: str | None,
    goes_on: bool,
    **options: Any,
) -> None:
    """Have a conversation; /help lists its commands.

    In a pipe each line is a message, and the exit status is 1 if one of them failed.
    """
    from .chat import Chat

    if goes_on and file is not None:
        raise click.UsageError("-c and --load don't go together.")
    saved = None
    with one_line_errors():
        if goes_on:
            saved, site = last_of(context, site, sandbox, options)
        with site_of(context, site, sandbox, options) as client:
            if not Chat(client, plain=plain, saved=saved, kept=not sandbox).run(file):
                sys.exit(1)


_url = click.argument(
    "site",
    metavar="[URL]",
    required=False,
    envvar="CHATGPTES_SITE",
    shell_complete=names_of_sites,
)
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
@click.option("--resume-failed", is_flag=True, hidden=True)  # Its name in version 1.0.
@click.option(
    "--to",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="How replies are printed; csv prints all those of OUT too, at the end.",
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
    resume_failed: bool,
    to: str,
    site: str | None,
    sandbox: bool,
    **options: Any,
) -> None:
    """Ask every prompt of a file: lines, JSON lines, or a table.

    \b
    {"id": "a1", "prompt": "…"}          (the id is optional)
    {"messages": [{"role": "user", "content": "…"}]}

    A table (.csv, .tsv) has a header with a column "prompt"; its other columns are kept for the
    replies.

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
            retry_failed=retry_failed or resume_failed,
            to=to,
            arguments={**arguments, "min_interval": min_interval},
        )
        if not good:
            sys.exit(1)


@command.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def _completion(shell: str) -> None:
    """Print a script that completes commands and options in a shell.

    \b
    bash   echo 'eval "$(chatgptes completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(chatgptes completion zsh)"' >> ~/.zshrc
    fish   chatgptes completion fish > ~/.config/fish/completions/chatgptes.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(command, {}, "chatgptes", "_CHATGPTES_COMPLETE").source())


@command.command(
    "sandbox",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def _sandbox(arguments: tuple[str, ...]) -> None:
    """Serve the sandbox, a local site, until stopped."""
    from ..sandbox.__main__ import main

    sys.exit(main(arguments, "chatgptes sandbox"))


command.add_command(config_command)
command.add_command(serve_command)
