"""Send a picture with the question.

python examples/images.py [URL of a page that shows a bot] [picture]
"""

import sys

import chatgptes
from chatgptes import sandbox

DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cf"
    "c0000003010100c9fe92ef0000000049454e44ae426082"
)
"""A picture of one pixel: bytes will do as well as the path of a file."""


def main(site: str, picture: str | bytes) -> None:
    try:
        print(chatgptes.chat("What is this?", images=[picture], site=site))
    except chatgptes.InvalidMessageError as error:
        print(f"Not sent: {error}")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(sys.argv[1], sys.argv[2])
    else:
        with sandbox.Site() as local:
            main(local.page("aipkit-images"), DOT)
            print()
            main(local.page("front"), DOT)  # A bot that takes none says so on its page.
