"""What a group has committed, with the metadata that `AIOKafkaConsumer.committed` drops."""

from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.router_worker.consumption.offset_ledger import Progress

__all__ = ["AdminCommittedOffsets"]


class AdminCommittedOffsets:
    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin

    async def read(self, group: str, partitions: set[TopicPartition]) -> Mapping[TopicPartition, Progress]:
        offsets = await self._admin.list_consumer_group_offsets(group, partitions=list(partitions))
        return {tp: Progress(at.offset, at.metadata or "") for tp, at in offsets.items() if at.offset >= 0}
