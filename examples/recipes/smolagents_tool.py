"""Your bot as a tool of an agent (smolagents); the agent's model is another one.

    pip install 'smolagents[openai]'
    python examples/recipes/smolagents_tool.py URL-OF-YOUR-PAGE BASE_URL KEY MODEL

BASE_URL, KEY and MODEL are those of any API of OpenAI's shape.
"""

import sys

from smolagents import CodeAgent, OpenAIModel, Tool

import chatgptes


class AskSite(Tool):
    name = "ask_site"
    description = "Asks the bot of our site, which knows our products and documents."
    inputs = {"question": {"type": "string", "description": "A question in plain words."}}
    output_type = "string"

    def __init__(self, site: str) -> None:
        super().__init__()
        self.client = chatgptes.Client(site)

    def forward(self, question: str) -> str:
        return self.client.chat(question).text


def main(site: str, base_url: str, key: str, model: str) -> None:
    agent = CodeAgent(
        tools=[AskSite(site)],
        model=OpenAIModel(model_id=model, api_base=base_url, api_key=key),
        max_steps=3,
    )
    print("ANSWER:", agent.run("What do our documents say about nonces?"))


if __name__ == "__main__":
    main(*sys.argv[1:5])
