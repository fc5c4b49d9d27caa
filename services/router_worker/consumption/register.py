"""What does Kafka itself know of a group: who is in it, and what it has committed, the metadata included?"""

from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from services.router_worker.consumption.offset_ledger import Progress
from shared.groups import is_member

__all__ = ["GroupRegister"]


class GroupRegister:
    """The port `Register`."""

    def __init__(self, admin: AIOKafkaAdminClient, group: str) -> None:
        self._admin = admin
        self._group = group

    async def lists(self, member: str) -> bool:
        return await is_member(self._admin, self._group, member)

    async def committed(self, partitions: set[TopicPartition]) -> Mapping[TopicPartition, Progress]:
        offsets = await self._admin.list_consumer_group_offsets(self._group, partitions=list(partitions))
        # A coordinator that moves or loads answers with an error that aiokafka overlooks, and with no partition. To
        # take that for "nothing committed" would be to begin the partition anew.
        if partitions - offsets.keys():
            raise GroupCoordinatorNotAvailableError(f"no word on {partitions - offsets.keys()}")
        return {tp: Progress(at.offset, at.metadata or "") for tp, at in offsets.items() if at.offset >= 0}
