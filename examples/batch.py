"""Many questions, with a file of replies: a run that was interrupted continues.

On the command line it is `chatgptes batch prompts.jsonl -o replies.jsonl`.

    python examples/batch.py [URL of a page that shows a bot]
"""

import itertools
import json
import sys
import tempfile
from pathlib import Path

import chatgptes
from chatgptes import sandbox

PROMPTS = [
    {"id": f"question-{number}", "prompt": f"What is {number} times {number}?"}
    for number in range(1, 9)
]


def main(site: str, out: Path) -> None:
    # Somebody ends the first run after three replies …
    first = chatgptes.batch(PROMPTS, out=out, site=site, jobs=2)
    for result in itertools.islice(first, 3):
        print("first run:", result.id)
    del first

    # … and the same call asks what is left.
    for result in chatgptes.batch(PROMPTS, out=out, site=site, jobs=2):
        print("second run:", result.id, "ok" if result.ok else result.error)

    replies = {line["id"]: line for line in map(json.loads, out.read_text().splitlines())}
    print(len(replies), "replies, of", sum(len(line["text"]) for line in replies.values()), "chars")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "replies.jsonl"
        if len(sys.argv) > 1:
            main(sys.argv[1], file)
        else:
            with sandbox.Site() as local:
                main(local.url, file)
