"""Handle every failure: one handler for each thing that you can do about it.

python examples/failures.py                        # every failure of the sandbox
python examples/failures.py https://example.org/   # one question to a real page
"""

import sys

import chatgptes
from chatgptes import sandbox


def ask(site: str) -> str:
    try:
        return str(chatgptes.chat("Hello", site=site, timeout=30, retries=0))
    except chatgptes.StreamInterruptedError as error:
        return f"broken off, but {len(error.partial)} characters are there: {error}"
    except (chatgptes.RateLimitError, chatgptes.QuotaError) as error:
        return f"come back later: {error}"
    except chatgptes.ChallengeError as error:
        return f"a gate for browsers, which ends it: {error}"
    except chatgptes.ResponseError as error:
        return f"the site answered, but not so: {error}"
    except chatgptes.TransportError as error:
        return f"the network: {error}"


def main() -> None:
    with sandbox.Site() as local:
        for name, description in sandbox.FAULTS["aipkit"].items():
            if "stall" in name or name in ("endless", "flood"):
                continue  # They take until a limit is reached: try them with timeout=1.
            local.next(name)
            print(f"{name} ({description})\n    {ask(local.url)}\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(ask(sys.argv[1]))
    else:
        main()
