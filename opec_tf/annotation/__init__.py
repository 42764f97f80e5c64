"""Annotating pairs of people in the browser: the files, the server and its page."""
