"""How is a computation written as mathematics? A trace becomes terms, written in four styles."""
