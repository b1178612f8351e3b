"""Stream an answer in asyncio while something else goes on.

python examples/asyncio_chat.py [URL of a page that shows a bot]
"""

import asyncio
import sys

from chatgptes import AsyncClient, sandbox


async def clock() -> None:
    while True:
        await asyncio.sleep(0.1)
        print(" ·tick· ", end="", flush=True)


async def main(site: str) -> None:
    ticking = asyncio.create_task(clock())
    async with AsyncClient(site) as client, client.stream("Tell me a story.") as stream:
        async for chunk in stream:
            print(chunk, end="", flush=True)
    ticking.cancel()
    print(f"\n\n{stream.reply.elapsed:.2f} s")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with sandbox.Site(chunk_delay=0.02) as local:
            asyncio.run(main(local.url))
