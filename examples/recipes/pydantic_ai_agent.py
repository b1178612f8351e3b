"""Your bot as the model of a pydantic-ai agent, through `chatgptes serve`.

    pip install 'pydantic-ai-slim[openai]'
    chatgptes serve --sandbox                        # prints the base URL and the key
    python examples/recipes/pydantic_ai_agent.py BASE_URL KEY MODEL

A site's bot has no tools, so the agent has none, and its output is text.
"""

import asyncio
import sys

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


async def main(base_url: str, key: str, model: str) -> None:
    provider = OpenAIProvider(base_url=base_url, api_key=key)
    agent = Agent(OpenAIChatModel(model, provider=provider), instructions="Answer in one word.")
    first = await agent.run("My name is Ada.")
    async with agent.run_stream("What is my name?", message_history=first.all_messages()) as run:
        async for text in run.stream_text(delta=True):
            print(text, end="", flush=True)
    print()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
