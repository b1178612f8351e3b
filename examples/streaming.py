"""Print an answer while it is being written.

python examples/streaming.py [URL of a page that shows a bot]
"""

import sys

import chatgptes
from chatgptes import sandbox


def main(site: str) -> None:
    with (
        chatgptes.Client(site=site) as client,
        client.stream("Tell me a story, please.") as stream,
    ):
        for chunk in stream:
            print(chunk, end="", flush=True)
        print(f"\n\n{stream.reply.elapsed:.2f} s, {len(stream.text)} characters")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with sandbox.Site(chunk_delay=0.02) as local:
            main(local.url)
