"""A chat window in the browser (Gradio), a conversation of the site for each visitor.

pip install gradio
python examples/recipes/gradio_chat.py [URL of a page that shows your bot] [PORT]
"""

import sys
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

import chatgptes


def make_app(site: str) -> gr.ChatInterface:
    client = chatgptes.AsyncClient(site)

    async def answer(message: str, history: list[dict[str, Any]]) -> AsyncIterator[str]:
        before = [{"role": each["role"], "content": text_of(each)} for each in history]
        try:
            async with client.stream([*before, {"role": "user", "content": message}]) as stream:
                async for _ in stream:
                    yield stream.text
        except chatgptes.ChatGptEsError as error:
            raise gr.Error(str(error)) from error

    return gr.ChatInterface(answer, title="Our bot", api_name="chat")


def text_of(message: dict[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def main(site: str, port: int) -> None:
    make_app(site).launch(server_name="127.0.0.1", server_port=port)


if __name__ == "__main__":
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 7860
    if len(sys.argv) > 1 and sys.argv[1] != "-":
        main(sys.argv[1], port)
    else:
        with chatgptes.sandbox.Site(chunk_delay=0.02) as local:
            main(local.url, port)
