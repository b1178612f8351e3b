"""`ChatGptEs`, with the interface of the old provider class.

python examples/provider.py [URL of a page that shows a bot] [PROXY]
"""

import asyncio
import sys

from chatgptes import ChatGptEs, sandbox


async def main(site: str, proxy: str | None = None) -> None:
    class Local(ChatGptEs):
        url = site

    async for response in Local.create_async_generator(
        model="gpt-4o",
        messages=[{"role": "user", "content": "Hello, how are you?"}],
        proxy=proxy,
    ):
        print(response, end="", flush=True)
    print()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(*sys.argv[1:3]))
    else:
        with sandbox.Site(chunk_delay=0.01) as local:
            asyncio.run(main(local.url))
