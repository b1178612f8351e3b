"""A web endpoint that streams a bot's answer, and a page that uses it (Starlette or FastAPI).

    pip install starlette uvicorn
    python examples/web.py [URL of a page that shows a bot] [PORT]

http://127.0.0.1:8000/ is the page; without a browser:

    curl -N 'http://127.0.0.1:8000/ask?q=Hello'

A visitor who goes away in mid-answer ends the turn, so the site's model is not kept busy.
"""

import contextlib
import sys
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from chatgptes import AsyncClient, AsyncStream, ChatGptEsError, InvalidMessageError, sandbox

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Ask the bot</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark }
  body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto }
  body { padding: 0 1rem }
  form { display: flex; gap: .5rem }
  input { flex: 1; min-width: 0 }
  input, button { font: inherit; padding: .4rem .6rem }
  output { display: block; white-space: pre-wrap; margin-top: 1rem }
</style>
<form>
  <input name="q" aria-label="Your question" required autofocus> <button>Ask</button>
</form>
<output></output>
<script>
  document.forms[0].onsubmit = async (event) => {
    event.preventDefault();
    const [form, answer] = [event.target, document.querySelector("output")];
    form.querySelector("button").disabled = true;
    answer.textContent = "…";
    try {
      const response = await fetch("/ask?" + new URLSearchParams(new FormData(form)));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = "", part; !(part = await reader.read()).done;)
        answer.textContent = text += part.value;
    } catch (error) {
      answer.textContent += ` [${error}]`;
    }
    form.querySelector("button").disabled = false;
  };
</script>
</html>
"""


async def page(_: Request) -> Response:
    return HTMLResponse(PAGE)


async def rest_of(stream: AsyncStream) -> AsyncIterator[str]:
    try:
        async for chunk in stream:
            yield chunk
    except ChatGptEsError as error:
        yield f"\n\n[broken off: {error}]"
    finally:
        await stream.aclose()


async def ask(request: Request) -> Response:
    client: AsyncClient = request.app.state.client
    try:
        stream = client.stream(request.query_params.get("q", ""))
        await stream.__aenter__()  # Up to the site's response: until here a status can tell.
    except InvalidMessageError as error:
        return PlainTextResponse(f"{error}\n", status_code=400)
    except ChatGptEsError as error:
        return PlainTextResponse(f"{error}\n", status_code=502)
    return StreamingResponse(rest_of(stream), media_type="text/plain; charset=utf-8")


def app(site: str) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncClient(site, max_concurrency=50) as client:
            app.state.client = client
            yield

    return Starlette(routes=[Route("/", page), Route("/ask", ask)], lifespan=lifespan)


def main(site: str, port: int) -> None:
    uvicorn.run(app(site), host="127.0.0.1", port=port, log_level="info")


if __name__ == "__main__":
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 8000
    if len(sys.argv) > 1 and sys.argv[1] != "-":
        main(sys.argv[1], port)
    else:
        with sandbox.Site(chunk_delay=0.02) as local:
            main(local.url, port)
