"""The library over `httpx.AsyncClient`: a transport of your own for an event loop.

    pip install httpx
    python examples/httpx_transport.py [URL of a page that shows a bot]

The library ends what is awaited here when a turn is cancelled or one of its limits passes, follows
the redirects, keeps the cookies and retries: a transport sends one request, and that is all.
"""

import asyncio
import sys

import httpx

from chatgptes import AsyncClient, ConnectError, Headers, TransportError, sandbox


class HttpxResponse:
    def __init__(self, response, closing):
        self.status = response.status_code
        self.headers = Headers(response.headers.multi_items())
        self.url = str(response.url)
        self._response, self._closing = response, closing

    async def __aiter__(self):
        try:
            async for data in self._response.aiter_bytes():
                yield data
        except httpx.HTTPError as error:
            raise TransportError(f"The connection broke: {error}") from error

    def close(self):
        # httpx closes with a coroutine: it is awaited in `aclose`.
        task = asyncio.ensure_future(self._response.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class HttpxTransport:
    def __init__(self):
        self._client = httpx.AsyncClient(timeout=None, follow_redirects=False)
        self._closing = set()

    async def send(self, request, deadline):
        wanted = self._client.build_request(
            request.method, request.url, headers=dict(request.headers), content=request.body
        )
        try:
            response = await self._client.send(wanted, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ConnectError(f"No connection to the site: {error}") from error
        except httpx.HTTPError as error:
            raise TransportError(f"The site did not answer: {error}") from error
        return HttpxResponse(response, self._closing)

    async def aclose(self):
        await asyncio.gather(*self._closing)
        await self._client.aclose()


async def main(site: str) -> None:
    transport = HttpxTransport()
    async with AsyncClient(site, transport=transport) as client:
        async for chunk in client.stream("What is a transport?"):
            print(chunk, end="", flush=True)
    print()
    await transport.aclose()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with sandbox.Site(chunk_delay=0.01) as local:
            asyncio.run(main(local.url))
