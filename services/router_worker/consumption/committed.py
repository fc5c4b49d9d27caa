"""What a group has committed, with the metadata that `AIOKafkaConsumer.committed` drops."""

from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from services.router_worker.consumption.offset_ledger import Progress

__all__ = ["AdminCommittedOffsets"]


class AdminCommittedOffsets:
    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin

    async def read(self, group: str, partitions: set[TopicPartition]) -> Mapping[TopicPartition, Progress]:
        offsets = await self._admin.list_consumer_group_offsets(group, partitions=list(partitions))
        # A coordinator that moves or loads answers with an error that aiokafka overlooks, and with no partition. To
        # take that for "nothing committed" would be to begin the partition anew.
        if partitions - offsets.keys():
            raise GroupCoordinatorNotAvailableError(f"no word on {partitions - offsets.keys()}")
        return {tp: Progress(at.offset, at.metadata or "") for tp, at in offsets.items() if at.offset >= 0}
