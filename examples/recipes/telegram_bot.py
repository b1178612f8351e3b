"""A Telegram bot that answers with your site's bot, in one conversation for each chat.

    pip install python-telegram-bot
    TELEGRAM_TOKEN=... python examples/recipes/telegram_bot.py URL [Bot API server]

URL is the page that shows your bot.  BotFather gives the token.  Everyone on Telegram can write to
your bot, so it should be the bot of your own site: `max_concurrency` and the owner's limits hold.
"""

import functools
import os
import sys

from telegram import Update
from telegram.constants import ChatAction, MessageLimit
from telegram.ext import Application, ApplicationBuilder, ContextTypes, MessageHandler, filters

import chatgptes

MOST = MessageLimit.MAX_TEXT_LENGTH


def make_app(site: str, token: str, api: str) -> Application:
    client = chatgptes.AsyncClient(site)

    @functools.lru_cache(maxsize=1000)  # Chats that were quiet for long begin anew.
    def conversation_of(chat: int) -> chatgptes.AsyncConversation:
        return client.conversation()

    async def answer(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        message, chat = update.effective_message, update.effective_chat
        await chat.send_action(ChatAction.TYPING)
        try:
            text = (await conversation_of(chat.id).chat(message.text)).text
        except chatgptes.RateLimitError:
            text = "Too many questions at the moment. Please try again in a minute."
        except chatgptes.ChatGptEsError as error:
            print(f"No answer: {error}", file=sys.stderr)
            text = "Sorry, there is no answer at the moment."
        for start in range(0, len(text), MOST):
            await message.reply_text(text[start : start + MOST])

    async def close(app: Application) -> None:
        await client.aclose()

    builder = ApplicationBuilder().token(token).base_url(f"{api}/bot").concurrent_updates(True)
    app = builder.post_shutdown(close).build()
    app.add_handler(MessageHandler(filters.TEXT & ~filters.COMMAND, answer))
    return app


if __name__ == "__main__":
    api = sys.argv[2] if len(sys.argv) > 2 else "https://api.telegram.org"
    make_app(sys.argv[1], os.environ["TELEGRAM_TOKEN"], api).run_polling()
