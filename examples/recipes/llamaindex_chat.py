"""Your bot as a model of LlamaIndex, through `chatgptes serve`.

pip install llama-index-llms-openai-like
chatgptes serve --sandbox                        # prints the base URL and the key
python examples/recipes/llamaindex_chat.py BASE_URL KEY MODEL
"""

import sys

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike


def main(base_url: str, key: str, model: str) -> None:
    bot = OpenAILike(
        model=model,
        api_base=base_url,
        api_key=key,
        is_chat_model=True,
        is_function_calling_model=False,  # A site's bot has no tools.
        max_retries=0,
    )
    messages = [
        ChatMessage(role="user", content="My name is Ada."),
        ChatMessage(role="assistant", content="Hello Ada."),
        ChatMessage(role="user", content="What is my name?"),
    ]
    for part in bot.stream_chat(messages):
        print(part.delta, end="", flush=True)
    print("\n[whole]", bot.complete("What is a cookie?"))


if __name__ == "__main__":
    main(*sys.argv[1:4])
