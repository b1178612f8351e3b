"""A site's bot as a model of the program llm; `plugin.py` is the module that llm loads."""
