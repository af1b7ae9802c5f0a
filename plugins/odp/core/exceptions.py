"""The errors of this package. Each message names the cause and what to do about it."""

from __future__ import annotations


class OdpExportError(Exception):
    """
    Base of every error raised by this package.

    :param cause: what is wrong, and where.
    :param remedy: what to do about it, where the cause does not say so itself.
    """

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause} {remedy}".rstrip())
        self.cause = cause
        self.remedy = remedy


class CannotSucceedError(OdpExportError):
    """An error that a retry cannot mend: the task fails at once and says what to change."""


class ParameterError(CannotSucceedError):
    """The run's parameters contradict each other or cannot be read."""


class SettingsError(CannotSucceedError):
    """The Airflow Variable ``odp_settings`` or a connection holds something unusable."""


class CustomPropertyError(CannotSucceedError):
    """A custom property, or a team's file for some, is declared or gives values in a form that cannot be sent."""


class CustomFunctionError(OdpExportError):
    """A team's own function for custom properties raised an error; where it asks another system, a retry may help."""


class ReplicaError(CannotSucceedError):
    """The Commerce replica lacks what an export needs, or its configuration rows contradict each other."""


class ReplicaTimeoutError(OdpExportError):
    """The replica cancelled a query, by its own or the export's time limit; a retry may find it less busy."""


class StagingError(OdpExportError):
    """A staged file is missing or is not what its manifest says."""


class OdpApiError(OdpExportError):
    """ODP answered with an error, or did not answer."""


class OdpForbiddenError(OdpApiError, CannotSucceedError):
    """ODP answered 403: the key, its usage plan, the region or the path is wrong."""


class OdpNotFoundError(OdpApiError, CannotSucceedError):
    """ODP answered 404: the object does not exist in this account."""


class OdpUnavailableError(OdpApiError):
    """ODP did not accept a request within the retry budget; a later retry goes on from there."""


class OdpUnknownOutcomeError(OdpApiError):
    """
    ODP may or may not have stored what a request carried.

    :param message: what happened.
    :param answered: whether ODP did answer, with an error: then what it does not show, it has not stored.
    """

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


class BucketError(OdpExportError):
    """A file could not be put into the bucket that ODP imports from; a later retry may succeed."""


class BucketRefusedError(BucketError, CannotSucceedError):
    """The bucket that ODP imports from does not exist, or its keys may not write there."""


class BucketUnknownOutcomeError(BucketError):
    """A file may or may not have arrived in the bucket that ODP imports from."""


class AccountingError(CannotSucceedError):
    """The counts of a run do not add up: extracted is not delivered + unchanged + skipped + rejected."""


class TooManyRejectsError(CannotSucceedError):
    """More rows were rejected than ``max_reject_ratio`` allows. Everything good was delivered first."""


class AccountsError(CannotSucceedError):
    """Some of several ODP accounts did not get all their rows; what the others get was dealt with."""


class DifferencesError(CannotSucceedError):
    """ODP lacks records of the source, or holds them in another form, and ``odp_consistency`` did not repair that."""


class TooManyDeletedError(CannotSucceedError):
    """More records would be marked as not active than ``max_deactivate_ratio`` allows."""


class LedgerError(CannotSucceedError):
    """The ledger does not exist or is of another version."""


class RealTimeError(OdpExportError):
    """Changes could not be delivered by ``odp_realtime``; they wait in the ledger and are tried again by a later run."""
