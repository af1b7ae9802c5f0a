"""The bucket that ODP imports CSV files from, reached by Airflow's Amazon provider."""

from __future__ import annotations

from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from odp.core.exceptions import BucketError, BucketRefusedError, BucketUnknownOutcomeError, SettingsError
from odp.core.settings import CsvImport

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

_CHECKS = "Check csv in odp_settings (bucket, tracker_id, region_name), and the access keys of its connection."


class OdpImportBucket:
    """
    The import bucket of an ODP account.

    :param settings: the setting ``csv``.
    """

    def __init__(self, settings: CsvImport) -> None:
        self._settings = settings

    def location(self, name: str) -> str:
        """
        Return where a file lies, as people write it.

        :param name: the file's name.
        """
        return f"s3://{self._settings.bucket}/{self._key(name)}"

    def put(self, name: str, file: IO[bytes], *, repeatable: bool) -> None:
        """
        Upload a file; one of the same name is replaced.

        :param name: the file's name, without the prefix.
        :param file: its content.
        :param repeatable: whether uploading it twice does no harm; if not, no request is tried again.
        :raises BucketRefusedError: if the bucket does not exist, or the keys may not write there.
        :raises BucketUnknownOutcomeError: if the answer was lost: the file may be there.
        :raises BucketError: if the file is not there.
        """
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectTimeoutError,
            EndpointConnectionError,
            NoCredentialsError,
        )

        hook = self._hook if repeatable else self._hook_without_retries
        where = self.location(name)
        try:
            hook.load_file_obj(file, self._key(name), self._settings.bucket, replace=True)
        except (NoCredentialsError, ClientError) as error:
            status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0) if isinstance(error, ClientError) else 403
            if status in (301, 400, 403, 404):
                raise BucketRefusedError(f"{where} cannot be written: {error}.", _CHECKS) from None
            if status >= 500:
                raise BucketUnknownOutcomeError(f"{where} may or may not have been written: {error}.") from None
            raise BucketError(f"{where} could not be written: {error}.") from None
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise BucketError(f"{where} could not be reached: {error}.") from None
        except BotoCoreError as error:
            raise BucketUnknownOutcomeError(f"The answer to the upload of {where} was lost: {error}.") from None

    def has(self, name: str) -> bool:
        """
        Tell whether a file is there; ODP may have taken one that is not.

        :param name: the file's name, without the prefix.
        :raises BucketError: if the bucket cannot be asked.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._hook.head_object(self._key(name), self._settings.bucket) is not None
        except (BotoCoreError, ClientError) as error:
            raise BucketError(f"It cannot be seen whether {self.location(name)} is there: {error}.", _CHECKS) from None

    def check(self) -> None:
        """
        Look whether the bucket can be reached, without writing to it.

        :raises BucketRefusedError: if it does not exist.
        :raises BucketError: if it cannot be reached, or the keys may not look into it.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        bucket = self._settings.bucket
        try:
            self._hook.get_conn().head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["ResponseMetadata"].get("HTTPStatusCode") == 404:
                raise BucketRefusedError(f"There is no bucket {bucket}.", _CHECKS) from None
            raise BucketError(f"The keys may not look into the bucket {bucket}: {error}.", _CHECKS) from None
        except BotoCoreError as error:
            raise BucketError(f"The bucket {bucket} cannot be reached: {error}.", _CHECKS) from None

    def _key(self, name: str) -> str:
        return f"{self._settings.tracker_id}/{name}"

    @cached_property
    def _hook(self) -> S3Hook:
        return self._new_hook()

    @cached_property
    def _hook_without_retries(self) -> S3Hook:
        from botocore.config import Config

        # A second request could put a file back that ODP has just taken: its events would be imported twice.
        return self._new_hook(config=self._hook.config.merge(Config(retries={"total_max_attempts": 1})))

    def _new_hook(self, **options: Any) -> S3Hook:
        try:
            from airflow.providers.amazon.aws.hooks.s3 import S3Hook
        except ImportError as error:
            raise SettingsError(
                "The transport csv needs Airflow's Amazon provider, which is not installed on this worker.",
                "Install what requirements-s3.txt lists on all workers, or set transport to rest in odp_settings.",
            ) from error
        return S3Hook(self._settings.aws_conn_id, region_name=self._settings.region_name, **options)
