"""A bot as a model of the program llm, from Python (in a checkout: `pip install '.[llm]'`).

python examples/llm_model.py [URL of a page that shows a bot]
"""

import sys

import llm

from chatgptes import sandbox


def main(site: str) -> None:
    talk = llm.get_model("chatgptes").conversation()
    for chunk in talk.prompt("My name is Ada.", site=site):
        print(chunk, end="", flush=True)
    print("\n")
    # It goes on where it was, so the site need not be named again.
    response = talk.prompt("What is my name?")
    print(response.text())
    print(response.json())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with sandbox.Site() as local:
            main(local.url)
