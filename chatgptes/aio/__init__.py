"""The library for event loops: asyncio and trio."""
