"""The commands, one module per noun. Heavy imports stand inside the functions: `waymark --help` is quick."""
