"""Many prompts, with a file from which an interrupted run continues."""
