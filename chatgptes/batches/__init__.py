"""Many prompts, one after another, that can be gone on with."""
