"""Show which bots a page has, and ask each of them.

python examples/bots.py [URL of a page that shows bots]
"""

import sys

import chatgptes
from chatgptes import sandbox


def main(site: str) -> None:
    with chatgptes.Client(site=site) as client:
        bots = client.bots()
    for bot in bots:
        reply = chatgptes.chat("Who are you?", site=site, bot=bot.id)
        first_line = reply.text.splitlines()[0]
        print(f"{bot.id:>4}  {bot.dialect:7} {bot.kind:9} {bot.name or '-':20} {first_line}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with sandbox.Site() as local:
            main(local.page("aipkit-two"))
