"""The fallback broker: amqtt, with sessions that are kept while their client is away.

amqtt has one auth plugin for clients without a password, and what it lets in is anonymous: their sessions go within
a second, and messages for them are acknowledged and dropped. Ours keeps them, and what they are owed (Backlog). These
overrides touch amqtt's private names: they are for version 0.12.1, which requirements/ pins and a test checks.
"""

import asyncio
from sys import intern
from typing import Any

from amqtt.adapters import ReaderAdapter, StreamReaderAdapter
from amqtt.broker import Broker, Server
from amqtt.contexts import BrokerConfig, ListenerConfig
from amqtt.mqtt.constants import QOS_0, QOS_1
from amqtt.mqtt.publish import PublishPacket
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from sensorline.up.amqtt_backlog import Backlog, Message
from sensorline.up.amqtt_connection import Connection, Wire

FORGET_AFTER_S = 7 * 24 * 3600
"""A session whose client stays away for a week is gone: client identifiers that never return must not fill the memory."""
_NEVER_IN_TOPICS = frozenset("+#\0")
_BACKLOG = "sensorline.backlog"


class Everyone(BaseAuthPlugin):  # type: ignore[misc]  # amqtt comes without type information.
    """Lets everyone in, as AnonymousAuthPlugin does, but does not mark the session as one that need not be kept."""

    async def authenticate(self, *, session: Session) -> bool:
        """Say yes."""
        return True


def make_broker(host: str, port: int) -> "KeepingBroker":
    """Return the broker, not yet started, for one address and port. Must be called in a running event loop."""
    return KeepingBroker(
        BrokerConfig(
            listeners={"default": ListenerConfig(bind=f"{host}:{port}")},
            # The default list adds a logger of every packet and $SYS topics, and listens to the whole network.
            plugins={f"{Everyone.__module__}.{Everyone.__qualname__}": {}},
            session_expiry_interval=FORGET_AFTER_S,
        )
    )


class KeepingBroker(Broker):  # type: ignore[misc]  # amqtt comes without type information.
    """amqtt's broker; a message goes into the backlogs of its subscribers before its publisher gets the PUBACK."""

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """Serve a connection. Overridden for our own Wire, and to close what amqtt leaves open when it gives up."""
        wire = Wire(writer)
        try:
            await self._client_connected(listener_name, StreamReaderAdapter(reader), wire)
        finally:
            await wire.close()

    async def _initialize_client_session(
        self, reader: ReaderAdapter, writer: Wire, remote_address: str, remote_port: int
    ) -> tuple[Connection, Session]:
        """Read CONNECT and find the session. Overridden to serve it with our Connection."""
        _, session = await super()._initialize_client_session(reader, writer, remote_address, remote_port)
        if session.parent and session.clean_session:
            # The client wants a session that is kept, and amqtt gives it the clean one of its older connection.
            await self._del_all_subscriptions(session)
            session.attributes.pop(_BACKLOG, None)
            session.clean_session = False
            session.parent = 0
        backlog = session.attributes.setdefault(_BACKLOG, Backlog(session.client_id))
        return Connection(self.plugins_manager, writer, backlog, self._accept), session

    async def _handle_client_session(
        self,
        reader: ReaderAdapter,
        writer: Wire,
        client_session: Session,
        handler: Connection,
        server: Server,
        listener_name: str,
    ) -> None:
        """Serve a session until its connection ends. Overridden to have one connection at a time touch a session.

        When a client connects while its older connection is still there, amqtt serves the new one at once, and the end of
        the old one then marks the session as disconnected for ever.
        """
        client_id = client_session.client_id
        _, older = self._sessions.get(client_id, (None, None))
        self._sessions[client_id] = (client_session, handler)
        try:
            if older is not None:
                await older.end()
            if self._get_handler(client_session) is handler:
                await super()._handle_client_session(
                    reader, writer, client_session, handler, server, listener_name
                )
        finally:
            # amqtt's loop has ways out that leave the connection open.
            await handler.stop()
            if client_session.transitions.is_connected():
                client_session.transitions.disconnect()
            if client_session.clean_session and self._get_handler(client_session) is handler:
                await super()._delete_session(client_id)
            handler.finished.set()

    async def _delete_session(self, client_id: str) -> None:
        """Forget a session, for a client that connects with a clean one. Overridden to end its connection too."""
        _, older = self._sessions.get(client_id, (None, None))
        await super()._delete_session(client_id)
        if older is not None:
            await older.end()

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        """Subscribe. Overridden to grant QoS 1 at most, the highest that a Backlog keeps.

        A filter that is subscribed again gets its new QoS (MQTT 3.1.1, section 3.8.4); amqtt keeps the old one.
        """
        topic_filter, qos = subscription
        self._del_subscription(topic_filter, session)
        granted: int = await super().add_subscription((topic_filter, min(qos, QOS_1)), session)
        return granted

    async def _handle_subscription(
        self, client_session: Session, handler: Connection, subscribe_waiter: asyncio.Future[Any]
    ) -> None:
        """Answer SUBSCRIBE. Overridden to send the retained messages of these subscriptions, in order, kept like others."""
        await super()._handle_subscription(client_session, handler, subscribe_waiter)
        for topic_filter, _ in subscribe_waiter.result().topics:
            for session, granted in self._subscriptions.get(topic_filter, []):
                if session is client_session:
                    for topic, kept in list(self._retained_messages.items()):
                        if self._matches(topic, topic_filter):
                            self._give(
                                session,
                                Message(topic, bytes(kept.data), True),
                                min(kept.qos or QOS_0, granted),
                            )

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        """Do nothing. Overridden because amqtt gives to each client that connects what others have subscribed to."""

    async def _accept(self, session: Session, packet: PublishPacket) -> bool:
        """Pass a client's message on; False for a topic that nobody may publish to (section 4.7)."""
        topic = packet.topic_name
        if not topic or topic.startswith("$") or not _NEVER_IN_TOPICS.isdisjoint(topic):
            return False
        # Many messages, few topics: one text for all of a topic halves the memory of small readings that wait.
        self._route(Message(intern(topic), packet.data, False), packet.qos)
        if packet.retain_flag:
            await self.retain_message(session, topic, packet.data, packet.qos)
        return True

    async def _broadcast_message(
        self, session: Session | None, topic: str, data: bytes, force_qos: int | None = None
    ) -> None:
        """Pass on a will, or a message of QoS 2. Overridden: amqtt's queue would be overtaken by other messages."""
        self._route(Message(topic, bytes(data), False), QOS_1 if force_qos is None else force_qos)

    def _route(self, message: Message, qos: int) -> None:
        """Give a message to each session that has subscribed to it, once, with the higher QoS of its filters."""
        targets: dict[str, tuple[Session, int]] = {}
        for topic_filter, subscriptions in self._subscriptions.items():
            if subscriptions and self._matches(message.topic, topic_filter):
                for session, granted in subscriptions:
                    if granted >= targets.get(session.client_id, (session, QOS_0))[1]:
                        targets[session.client_id] = (session, granted)
        for session, granted in targets.values():
            self._give(session, message, min(qos, granted))

    def _give(self, session: Session, message: Message, qos: int) -> None:
        """Put a message into a session's backlog, or with QoS 0 on its connection if there is one."""
        connection = self._get_handler(session)
        is_open = connection is not None and connection.is_open
        if qos == QOS_0:
            if is_open:
                connection.deliver(message)
        elif is_open or not session.clean_session:
            session.attributes[_BACKLOG].add(message)
            if is_open:
                connection.deliver_backlog()
