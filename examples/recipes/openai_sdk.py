"""Your bot by OpenAI's own package, through `chatgptes serve`.

pip install openai
chatgptes serve --sandbox                        # prints the base URL and the key
python examples/recipes/openai_sdk.py BASE_URL KEY
"""

import sys

from openai import OpenAI, RateLimitError


def main(base_url: str, key: str) -> None:
    client = OpenAI(base_url=base_url, api_key=key)
    model = client.models.list().data[0].id
    messages = [{"role": "user", "content": "What is a nonce?"}]
    try:
        with client.chat.completions.create(
            model=model, messages=messages, stream=True, user="ada"
        ) as stream:
            for chunk in stream:
                print(chunk.choices[0].delta.content or "", end="", flush=True)
    except RateLimitError as error:
        sys.exit(f"Come back later: {error}")
    print(f"\n[{model}]")


if __name__ == "__main__":
    main(*sys.argv[1:3])
