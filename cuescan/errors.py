"""The one exception whose message is written for users."""


class UserError(ValueError):
    """Something in the user's files or options is wrong.

    The message is one sentence that names the file, the case and the remedy; the command line prints it without a
    traceback and exits with status 2.
    """
