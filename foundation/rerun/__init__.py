"""`kinora rerun`: make a result again from its receipt and compare it."""
