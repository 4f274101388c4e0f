"""Recipes: named training configurations, each a `Config` dataclass and a `run(config)`."""
