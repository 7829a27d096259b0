"""`system:` is the cluster's own: no user and no group of that name comes from anywhere else.

A group `system:masters` in somebody's token would otherwise be every right there is.
"""

import logging
from collections.abc import Iterable
from typing import Final, final

from auth.errors import TokenRejected
from auth.identity import Identity
from auth.lru import LruCache
from auth.reviewers import AUTHENTICATED

RESERVED: Final = "system:"

_log = logging.getLogger(__name__)


@final
class Outsiders:
    """Makes identities of what an authenticator outside of the cluster says, and says in the log what was left out.

    Promised: the user does not begin with `system:`, and of the groups `system:authenticated` alone, which is ours.
    """

    def __init__(self, authenticator: str) -> None:
        self._authenticator = authenticator
        self._said: LruCache[tuple[str, tuple[str, ...]], bool] = LruCache(1_024)  # each once, not every five seconds

    def identity(self, username: str, uid: str = "", groups: Iterable[str] = ()) -> Identity:
        """Raises TokenRejected for a user without a name, or with one of the cluster's."""
        if not username:
            raise TokenRejected
        if username.startswith(RESERVED):
            self._say("no-system-users", username)
            raise TokenRejected
        wanted = {group for group in groups if group}
        reserved = tuple(sorted(group for group in wanted if group.startswith(RESERVED)))
        if reserved:
            self._say("no-system-groups", username, reserved)
        return Identity(username, uid, tuple(sorted({*wanted.difference(reserved), AUTHENTICATED})))

    def _say(self, rule: str, username: str, groups: tuple[str, ...] = ()) -> None:
        if self._said.get((username, groups)) is None:
            self._said.put((username, groups), True)
            name = "user.refused" if not groups else "groups.dropped"
            details = {"authenticator": self._authenticator, "rule": rule, "named": username[:256]}
            _log.warning(name, extra=details | ({"groups": ",".join(groups)[:512]} if groups else {}))
