"""How far a kind is, asked of the API server by whoever waits for a version that nothing has brought.

What somebody wrote comes by the watch, as a rule at once. Yet a version need not be that of a change: lists and
bookmarks, from which another replica has its own, tell of quiet moments too, and our next bookmark may be a minute
away. To give out versions of changes alone would not do instead: what was deleted before its first list, a replica
does not know, and would not tell another one to wait for. So, of a moment of quiet, two requests tell:

    LIST, limit=1   the API server itself catches up with etcd, and says how far the kind is: beyond that there is
                    nothing that anybody could have seen, and nothing to wait for
    WATCH, 3 s      from where the store is: whatever is missing, and the bookmark that the API server sends two seconds
                    before the end of a watch: up to there that is all

Promised: both are asked once at a time, whoever waits and for whatever; nothing goes on for longer than somebody waits.
Not promised for kinds without bookmarks: there is no telling that nothing has happened. They are only waited for.
"""

import asyncio
import contextlib
from typing import Any, Final, final

import msgspec

from auth.api import Unreachable
from schema.sources.kubernetes.api import ObjectsApi
from schema.sources.kubernetes.framing import Malformed
from schema.sources.kubernetes.kinds import Kind
from schema.sources.kubernetes.reflector import Reflector
from schema.sources.kubernetes.store import age

# What is written arrives within some milliseconds; what has not arrived by then is asked for.
PATIENCE_S: Final = 0.2

# The shortest watch that has a bookmark.
WATCH_S: Final = 3

LIST_TIMEOUT_S: Final = 5.0


class _ListMeta(msgspec.Struct, frozen=True):
    resource_version: str = msgspec.field(name="resourceVersion")


class _List(msgspec.Struct, frozen=True):
    metadata: _ListMeta


@final
class Progress:
    """One kind in one scope. The contract stands at the head of this module."""

    def __init__(self, api: ObjectsApi, kind: Kind[Any], reflector: Reflector[Any]) -> None:
        self._api = api
        self._path = kind.path(reflector.key.namespace)
        self._bookmarks = kind.bookmarks
        self._reflector = reflector
        self._store = reflector.store
        self._one_at_a_time = asyncio.Lock()

    async def reached(self, version: str) -> None:
        """Return as soon as the store has this version, however long that takes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S if self._bookmarks else None):
                await self._store.reached(version)
                return
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(self._ask(version), name=f"progress{self._path}")
            await self._store.reached(version)
            asking.cancel()

    async def _ask(self, version: str) -> None:
        """What fails here is told by the version that does not come."""
        async with self._one_at_a_time:
            with contextlib.suppress(Unreachable, Malformed):
                if self._store.version and not self._store.has(version) and await self._exists(version):
                    await self._reflector.watch_aside(WATCH_S)

    async def _exists(self, version: str) -> bool:
        reply = await self._api.get(self._path, {"limit": "1"}, timeout=LIST_TIMEOUT_S)
        try:
            newest = msgspec.json.decode(reply.body, type=_List).metadata.resource_version
        except msgspec.MsgspecError:  # a Status has no resourceVersion
            return False
        return age(version) <= age(newest)
