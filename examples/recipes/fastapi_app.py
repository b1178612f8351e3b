"""A FastAPI endpoint that streams a bot's answer as server-sent events.

pip install fastapi uvicorn
python examples/recipes/fastapi_app.py [URL of a page that shows your bot] [PORT]
curl -N -d '{"question": "Hello"}' -H 'Content-Type: application/json' http://127.0.0.1:8000/ask
"""

import contextlib
import json
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

import chatgptes


class Question(BaseModel):
    question: str


def make_app(site: str) -> FastAPI:
    client = chatgptes.AsyncClient(site)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    app = FastAPI(lifespan=lifespan)

    async def events(stream: chatgptes.AsyncStream) -> AsyncIterator[str]:
        try:
            async for chunk in stream:
                yield f"data: {json.dumps(chunk)}\n\n"
            yield "event: done\ndata: {}\n\n"
        except chatgptes.ChatGptEsError as error:
            yield f"event: error\ndata: {json.dumps(str(error))}\n\n"
        finally:
            await stream.aclose()  # A visitor who goes away ends the turn.

    @app.post("/ask")
    async def ask(question: Question) -> StreamingResponse:
        try:
            stream = client.stream(question.question)
            await stream.__aenter__()  # Up to the site's response: until here a status can tell.
        except chatgptes.InvalidMessageError as error:
            raise HTTPException(422, str(error)) from error
        except chatgptes.ChatGptEsError as error:
            raise HTTPException(502, str(error)) from error
        return StreamingResponse(events(stream), media_type="text/event-stream")

    return app


def main(site: str, port: int) -> None:
    uvicorn.run(make_app(site), host="127.0.0.1", port=port)


if __name__ == "__main__":
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 8000
    if len(sys.argv) > 1 and sys.argv[1] != "-":
        main(sys.argv[1], port)
    else:
        with chatgptes.sandbox.Site(chunk_delay=0.02) as local:
            main(local.url, port)
