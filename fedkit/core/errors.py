"""The exceptions of fedkit. A FedkitError is the only one that a user can cause."""


class FedkitError(ValueError):
    """A mistake that the user can fix.

    The message is one line for people: what was given, what is allowed, how to fix it.
    The command line prints it without a traceback and exits with code 2.
    """


class Cancelled(Exception):
    """Raised between two steps when the caller asked to stop; everything recorded so far stays."""


class PayloadError(ValueError):
    """A payload that cannot be right; the message is the reason that the record keeps."""
