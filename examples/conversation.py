"""Say several things in a row, keep the conversation in a file, and go on from it.

python examples/conversation.py [URL of a page that shows a bot]
"""

import sys
import tempfile
from pathlib import Path

import chatgptes
from chatgptes import sandbox


def main(site: str) -> None:
    with tempfile.TemporaryDirectory() as folder, chatgptes.Client(site=site) as client:
        file = Path(folder) / "talk.json"

        talk = client.conversation()
        print(talk.chat("My name is Ada."))
        talk.save(file)

        later = client.conversation(file)
        print(later.chat("What is my name?"))
        print(f"\n{len(later.messages)} messages, kept in {file.name}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with sandbox.Site() as local:
            main(local.url)
