"""Errors that a user can cause; each message names the place, the value and the way out."""


class UserError(ValueError):
    """Base of every error that a user's input can cause.

    Command-line programs print its message alone, without a traceback.
    """


class ConfigError(UserError):
    """The experiment file holds a key or a value that is not allowed."""


class RawDataError(UserError):
    """A raw file is unreadable, or does not hold what the experiment asks for."""


class CacheError(UserError):
    """A cached simulation is truncated, foreign, or of another schema."""


class CheckpointError(UserError):
    """A checkpoint or model file is damaged, or belongs to other settings."""


class DivergenceError(UserError):
    """A simulation left the range of finite numbers."""


class CalibrationError(UserError):
    """Parameters cannot be estimated from the data as given."""


class ExchangeError(UserError):
    """One model of a hybrid cycle has nothing to teach the other."""


class StorageError(UserError, OSError):
    """A disk is full, or cannot be written."""


class RunningError(UserError):
    """Something else works in the same folder, or did so and left its lock."""


class PinnedError(UserError):
    """A pinned experiment is asked for what it has not, or its results have changed."""
