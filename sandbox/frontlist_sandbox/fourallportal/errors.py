"""The one error of the sandbox portal; the API turns it into the documented JSON."""


class Refusal(Exception):
    """What the portal answers instead of doing what it was asked: an HTTP status, a message, at times a code."""

    def __init__(self, status: int, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
