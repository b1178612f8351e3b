"""The plain transport: `requests`, and what it takes to end its waits."""
