"""Ask a bot of your own site through its REST API, with the key from the plugin's settings.

python examples/own_site.py                                  # the local sandbox
CHATGPTES_KEY=... python examples/own_site.py https://example.org/ 5
"""

import os
import sys

import chatgptes
from chatgptes import sandbox


def main(site: str, api_key: str, bot: str) -> None:
    with chatgptes.Client(site=site, api_key=api_key, bot=bot) as client:
        reply = client.chat(
            [
                {"role": "system", "content": "Answer in one sentence."},
                {"role": "user", "content": "What is a nonce?"},
            ]
        )
    print(reply)
    if reply.usage is not None:
        print(f"\n{reply.model}, {reply.usage.total_tokens} tokens")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(sys.argv[1], os.environ["CHATGPTES_KEY"], sys.argv[2])
    else:
        with sandbox.Site() as local:
            main(local.url, local.api_key, local.rest_bot)
