"""A bot in LangChain: a prompt, the model and a parser as one chain, streamed and in a batch.

pip install '.[langchain]'        # in a checkout
python examples/langchain_chain.py [URL of a page that shows a bot]
"""

import asyncio
import sys

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from chatgptes import sandbox
from chatgptes.integrations.langchain import ChatGptEsChat

PROMPT = ChatPromptTemplate.from_messages(
    [("system", "You explain things to a {reader}."), ("user", "What is {thing}?")]
)


async def main(site: str) -> None:
    chain = PROMPT | ChatGptEsChat(site=site) | StrOutputParser()
    async for chunk in chain.astream({"reader": "child", "thing": "a nonce"}):
        print(chunk, end="", flush=True)
    print("\n")
    things = [{"reader": "cook", "thing": thing} for thing in ("salt", "a stove", "soup")]
    for asked, answer in zip(things, await chain.abatch(things), strict=True):
        print(asked["thing"], "->", len(answer), "characters")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with sandbox.Site(chunk_delay=0.01) as local:
            asyncio.run(main(local.url))
