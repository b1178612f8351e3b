"""A server of the Model Context Protocol with one tool: ask the site's bot.

    pip install "mcp>=2"
    python examples/recipes/mcp_server.py [URL of a page that shows your bot]

It speaks over standard input and output, as desktop clients start it; without a URL it asks the
sandbox.  For Claude Desktop and others: the command is the full path of the Python that has both
packages, the arguments are the full path of this file and the URL.
"""

import sys

from mcp.server.mcpserver import MCPServer

import chatgptes


def make_server(site: str) -> MCPServer:
    server = MCPServer("site-bot")
    client = chatgptes.AsyncClient(site)

    @server.tool()
    async def ask(question: str) -> str:
        """Ask the bot of our site, which knows our products and documents."""
        reply = await client.chat(question)
        sources = "\n".join(f"- {source.title or source.url}" for source in reply.citations)
        return f"{reply.text}\n\nSources:\n{sources}" if sources else reply.text

    return server


if __name__ == "__main__":
    if len(sys.argv) > 1:
        make_server(sys.argv[1]).run()
    else:
        with chatgptes.sandbox.Site() as local:
            make_server(local.url).run()
