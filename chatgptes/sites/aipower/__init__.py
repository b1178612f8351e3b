"""The dialects of AI Power (AI Puffer)."""
