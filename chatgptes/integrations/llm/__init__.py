"""A site's bot as a model of the program llm (plugin: `plugin.py`)."""
