"""The program `chatgptes`; each of its commands is in its own file."""

from __future__ import annotations

import sys

import click

from .. import __version__
from .ask import ask_command
from .batch import batch_command
from .bots import bots_command
from .chat import chat_command
from .config import config_command
from .doctor import doctor_command
from .group import PromptGroup
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


for _each in (
    ask_command, batch_command, bots_command, chat_command, config_command, doctor_command,
    serve_command,
):  # fmt: skip
    command.add_command(_each)


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
