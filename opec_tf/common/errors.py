"""The one exception that reaches a user as a single line, without a traceback."""


class UserError(Exception):
    """Something the user can mend: a file, a field, a flag.

    The message is one line that names the file and the field and says what to do. The command-line tools print it to
    stderr as ``error: MESSAGE`` and exit with status 1; library callers catch it as any exception.
    """
