"""What can go wrong with a request of a person or program, apart from bad destinations and codes; mapped to HTTP once."""


class NotFound(Exception):  # noqa: N818  the name says the condition, as in every caller's sentence
    """The thing asked for does not exist; the message names it."""


class Conflict(Exception):  # noqa: N818
    """The thing exists already, changed meanwhile, or is not in a state for this; the message says what to do."""


class Archived(Conflict):
    """What is asked for would go to something that is archived; the message says what to bring back."""
