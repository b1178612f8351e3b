"""A Flask endpoint that streams a bot's answer.

    pip install flask
    python examples/recipes/flask_app.py [URL of a page that shows your bot] [PORT]
    curl -N 'http://127.0.0.1:5000/ask?q=Hello'

One client for the whole program; it may be used from many threads.
"""

import sys
from collections.abc import Iterator

from flask import Flask, Response, request

import chatgptes


def make_app(site: str) -> Flask:
    app = Flask(__name__)
    client = chatgptes.Client(site)

    @app.get("/ask")
    def ask() -> Response:
        # Outside of the generator, so that a bad question has its own status.
        stream = client.stream(request.args.get("q", ""))

        def text() -> Iterator[str]:
            with stream:
                yield from stream

        return Response(text(), mimetype="text/plain")

    @app.errorhandler(chatgptes.InvalidMessageError)
    def invalid(error: chatgptes.InvalidMessageError) -> tuple[str, int]:
        return f"{error}\n", 400

    @app.errorhandler(chatgptes.ChatGptEsError)
    def failed(error: chatgptes.ChatGptEsError) -> tuple[str, int]:
        return f"{error}\n", 502

    return app


if __name__ == "__main__":
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    if len(sys.argv) > 1 and sys.argv[1] != "-":
        make_app(sys.argv[1]).run(port=port)
    else:
        with chatgptes.sandbox.Site(chunk_delay=0.02) as local:
            make_app(local.url).run(port=port)
