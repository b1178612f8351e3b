"""A Django view that streams a bot's answer, in one file.

    pip install django uvicorn
    python examples/recipes/django_app.py [URL of a page that shows your bot] [PORT]
    curl -N 'http://127.0.0.1:8000/ask?q=Hello'

In a project of yours, `ask` is a view in views.py.  Under ASGI a visitor who leaves ends the turn.
"""

import secrets
import sys
from collections.abc import AsyncIterator

import django
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

import chatgptes

SITE = ""
_clients: dict[str, chatgptes.AsyncClient] = {}


def client() -> chatgptes.AsyncClient:
    """One client for the whole program."""
    if not _clients:
        _clients["bot"] = chatgptes.AsyncClient(SITE)
    return _clients["bot"]


async def ask(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    try:
        stream = client().stream(request.GET.get("q", ""))
        await stream.__aenter__()  # Up to the site's response: until here a status can tell.
    except chatgptes.InvalidMessageError as error:
        return HttpResponse(f"{error}\n", status=400, content_type="text/plain")
    except chatgptes.ChatGptEsError as error:
        return HttpResponse(f"{error}\n", status=502, content_type="text/plain")

    async def text() -> AsyncIterator[str]:
        try:
            async for chunk in stream:
                yield chunk
        except chatgptes.ChatGptEsError as error:
            yield f"\n[broken off: {error}]"
        finally:
            await stream.aclose()

    return StreamingHttpResponse(text(), content_type="text/plain; charset=utf-8")


urlpatterns = [path("ask", ask)]


def main(site: str, port: int) -> None:
    global SITE
    SITE = site
    settings.configure(
        ROOT_URLCONF=__name__, SECRET_KEY=secrets.token_hex(), ALLOWED_HOSTS=["127.0.0.1"]
    )
    django.setup()
    uvicorn.run(get_asgi_application(), host="127.0.0.1", port=port, lifespan="off")


if __name__ == "__main__":
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 8000
    if len(sys.argv) > 1 and sys.argv[1] != "-":
        main(sys.argv[1], port)
    else:
        with chatgptes.sandbox.Site(chunk_delay=0.02) as local:
            main(local.url, port)
