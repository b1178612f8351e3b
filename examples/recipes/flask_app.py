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
        stream = client.stream(request.args.get("q", ""))
        stream.__enter__()  # Up to the site's response: until here a status can tell.

        def text() -> Iterator[str]:
            try:
                yield from stream
            except chatgptes.ChatGptEsError as error:
                yield f"\n[broken off: {error}]"

        response = Response(text(), mimetype="text/plain")
        response.call_on_close(stream.close)  # A visitor who goes away ends the turn.
        return response

    # As plain text: an error may have words of the site in it.
    @app.errorhandler(chatgptes.InvalidMessageError)
    def invalid(error: chatgptes.InvalidMessageError) -> Response:
        return Response(f"{error}\n", 400, mimetype="text/plain")

    @app.errorhandler(chatgptes.ChatGptEsError)
    def failed(error: chatgptes.ChatGptEsError) -> Response:
        return Response(f"{error}\n", 502, mimetype="text/plain")

    return app


if __name__ == "__main__":
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    if len(sys.argv) > 1 and sys.argv[1] != "-":
        make_app(sys.argv[1]).run(port=port)
    else:
        with chatgptes.sandbox.Site(chunk_delay=0.02) as local:
            make_app(local.url).run(port=port)
