"""How is what was computed written as mathematics? Terms from a trace, in four styles."""
