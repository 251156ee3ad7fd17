"""The public side: lookup, decision, journal, what a request says about itself. Knows nothing of analytics or pages."""
