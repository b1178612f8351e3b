"""A Discord bot that answers with your site's bot, where it is mentioned and in direct messages.

    pip install discord.py
    DISCORD_TOKEN=... python examples/recipes/discord_bot.py URL

URL is the page that shows your bot.  The token is that of an application in Discord's developer
portal; no privileged intent is needed.  Each user has a conversation in each channel.
"""

import functools
import os
import sys

import discord

import chatgptes

MOST = 2000
"""Characters of a message, by Discord's rules."""


class SiteBot(discord.Client):
    def __init__(self, site: str) -> None:
        # Whatever the bot says: it calls nobody.
        nobody = discord.AllowedMentions.none()
        super().__init__(intents=discord.Intents.default(), allowed_mentions=nobody)
        self.client = chatgptes.AsyncClient(site)
        # Those that were quiet for long begin anew.
        self.conversation_of = functools.lru_cache(maxsize=1000)(self.new_conversation)

    def new_conversation(self, channel: int, user: int) -> chatgptes.AsyncConversation:
        return self.client.conversation()

    async def on_message(self, message: discord.Message) -> None:
        direct = isinstance(message.channel, discord.DMChannel)
        if message.author.bot or not (direct or self.user in message.mentions):
            return
        question = message.content.replace(self.user.mention, "").strip()
        if not question:
            return
        async with message.channel.typing():
            conversation = self.conversation_of(message.channel.id, message.author.id)
            try:
                text = (await conversation.chat(question)).text
            except chatgptes.RateLimitError:
                text = "Too many questions at the moment. Please try again in a minute."
            except chatgptes.ChatGptEsError as error:
                print(f"No answer: {error}", file=sys.stderr)
                text = "Sorry, there is no answer at the moment."
        for start in range(0, len(text), MOST):
            await message.reply(text[start : start + MOST])

    async def close(self) -> None:
        await super().close()
        await self.client.aclose()


if __name__ == "__main__":
    SiteBot(sys.argv[1]).run(os.environ["DISCORD_TOKEN"])
