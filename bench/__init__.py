"""The bench: how fast this Waymark is on this machine, beside others, in one run. Nothing of the product imports it."""
