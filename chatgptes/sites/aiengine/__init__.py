"""The dialects of AI Engine, a plugin by Meow Apps: its chat window, and its owner's API."""
