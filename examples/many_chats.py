"""The core of a chat bot: many users at once, a conversation for each.  One user's long answer
does not delay another's.

Here the users are made up; in a real bot `on_message` is what the chat platform calls.

    python examples/many_chats.py [URL of a page that shows a bot]
"""

import asyncio
import sys

from chatgptes import AsyncClient, AsyncConversation, ChatGptEsError, sandbox


class Bot:
    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.talks: dict[str, AsyncConversation] = {}

    async def on_message(self, user: str, text: str) -> str:
        talk = self.talks.setdefault(user, self.client.conversation())
        try:
            return (await talk.chat(text, timeout=120)).text
        except ChatGptEsError as error:
            return f"Sorry, that did not work: {error}"


async def user(bot: Bot, name: str) -> None:
    await bot.on_message(name, f"My name is {name}.")
    answer = await bot.on_message(name, "What is my name?")
    print(f"{name} is remembered: {name in answer.split('before, you said')[-1]}")


async def main(site: str) -> None:
    async with AsyncClient(site, max_concurrency=20) as client:
        bot = Bot(client)
        names = [f"User{number:02}" for number in range(20)]
        await asyncio.gather(*(user(bot, name) for name in names))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with sandbox.Site(chunk_delay=0.005) as local:
            asyncio.run(main(local.url))
