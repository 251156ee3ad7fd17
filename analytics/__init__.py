"""Journal -> enriched rows -> scan store -> reports and live feed. Knows nothing of pages or of who is asking."""
