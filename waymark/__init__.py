"""The door: command line, configuration, processes, wiring. Nobody imports it."""

__version__ = "0.1.0"
