"""Ask one thing, print the answer.

python examples/hello.py                       # the local sandbox
python examples/hello.py https://example.org/  # any page that shows a bot
"""

import sys

import chatgptes
from chatgptes import sandbox


def main(site: str) -> None:
    print(chatgptes.chat("Hello! What can you do?", site=site))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with sandbox.Site() as local:
            main(local.url)
