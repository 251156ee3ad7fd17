"""The one exception of this package: its text is shown to people."""


class GeoError(Exception):
    """A place database could not be fetched, read or installed. The text says what, why and what to do."""
