"""Makes a watermark subscriber of a broker's own kind, so that middlewares, telemetry and AsyncAPI stay."""

from typing import TYPE_CHECKING, Any, cast

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.broker.registrator import KafkaRegistrator
from faststream.kafka.schemas import Topic
from faststream.kafka.subscriber.config import KafkaSubscriberConfig, KafkaSubscriberSpecificationConfig
from faststream.kafka.subscriber.specification import KafkaSubscriberSpecification
from faststream.middlewares import AckPolicy

from services.router_worker.consumption.commits import Commits, Register
from services.router_worker.consumption.lane import Intake, Parts
from services.router_worker.consumption.ports import IntakeMeasures, Seat
from services.router_worker.consumption.subscriber import WatermarkSubscriber

if TYPE_CHECKING:
    from faststream.kafka.configs import KafkaBrokerConfig
from shared.kafka import REBALANCE_MS

__all__ = ["raw_value", "subscribe"]

_DAY_MS = 86_400_000


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka is untyped
    subscriber: "WatermarkSubscriber"

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - eager: always all
        await self.subscriber.on_revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self.subscriber.on_assigned(assigned)


async def raw_value(message: KafkaMessage) -> bytes:
    """The decoder: what a record holds is for the handler to judge, so that a bad one is buried and not retried."""
    return message.body if isinstance(message.body, bytes) else b""


def _own_assignor() -> type[StickyPartitionAssignor]:
    """aiokafka keeps what a member had in its assignor's class: two groups in one process must not share it."""
    return type("OwnStickyAssignor", (StickyPartitionAssignor,), {})


def subscribe(
    broker: KafkaBroker, intake: Intake, register: Register, seat: Seat, measures: IntakeMeasures
) -> WatermarkSubscriber:
    listener = _Listener()
    outer = cast("KafkaBrokerConfig", broker.config)
    config = KafkaSubscriberConfig(
        topics=[Topic(topic, declare=False) for topic in intake.topics],
        group_id=intake.group,
        listener=listener,
        connection_args={
            "auto_offset_reset": "earliest",
            "partition_assignment_strategy": [_own_assignor()],
            "session_timeout_ms": intake.session_timeout_ms,
            "heartbeat_interval_ms": intake.heartbeat_interval_ms,
            "rebalance_timeout_ms": REBALANCE_MS,
            "max_poll_interval_ms": _DAY_MS,  # the poll loop waits for free slots; liveness is watched otherwise
        },
        no_reply=True,
        _outer_config=outer,
        _ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    calls = CallsCollection[Any]()
    specification = KafkaSubscriberSpecification(
        _outer_config=outer,
        calls=calls,
        specification_config=KafkaSubscriberSpecificationConfig(
            topics=config.topics, title_=intake.group, description_=None
        ),
    )
    commits = Commits(intake.group, register, measures)
    subscriber = WatermarkSubscriber(intake, Parts(commits, register, seat, measures), config, specification, calls)
    listener.subscriber = subscriber
    super(KafkaRegistrator, broker).subscriber(subscriber)
    subscriber.add_call(parser_=None, decoder_=None, codec_=None, dependencies_=())
    return subscriber
