"""How a piece of work ends that gives no figure."""


class Cannot(Exception):
    """A builder has no way to do this work; the text is the reason that the report gives."""


class Failed(Exception):
    """A builder tried and did not succeed."""


class Wrong(Exception):
    """A builder said that it succeeded, and its result is not what the work asks for."""
