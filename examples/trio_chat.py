"""The same client in trio: three questions at once, each with a time limit.

python examples/trio_chat.py [URL of a page that shows a bot]
"""

import sys

import trio

from chatgptes import AsyncClient, sandbox


async def ask(client: AsyncClient, question: str) -> None:
    with trio.move_on_after(60) as scope:
        reply = await client.chat(question)
        print(f"{question} -> {len(reply.text)} characters in {reply.elapsed:.2f} s")
    if scope.cancelled_caught:
        print(f"{question} -> too slow")


async def main(site: str) -> None:
    async with AsyncClient(site) as client, trio.open_nursery() as nursery:
        for question in ("What is a nonce?", "What is a cookie?", "What is a session?"):
            nursery.start_soon(ask, client, question)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        trio.run(main, sys.argv[1])
    else:
        with sandbox.Site(chunk_delay=0.01) as local:
            trio.run(main, local.url)
