"""The job log in memory behaves as the one in Redis, so that what is tested on it is tested."""

import pytest

from tests.suites.ingress_ports import MemoryJobLog
from tests.suites.job_log_readers import JobLogReaders


class TestMemoryJobLog(JobLogReaders):
    @pytest.fixture
    async def job_log(self) -> MemoryJobLog:
        return MemoryJobLog()

    @pytest.fixture
    async def writer(self, job_log: MemoryJobLog) -> MemoryJobLog:
        return job_log
