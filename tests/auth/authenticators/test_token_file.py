"""A file of tokens: its format, what of it is left out, and what a change of it does."""

import logging
from pathlib import Path

import pytest

from auth.authenticators.token_file import LOOK_AGAIN_S, TokenFile
from auth.errors import TokenRejected
from auth.identity import Identity
from auth.settings import AuthConfigError
from tests.auth.fake_api import Clock

TEXT = """\
ann-token,ann,uid-1,"dev,ops"
bob-token,bob,uid-2
"cat,token",cat,,dev

dan-token,dan,uid-4,"system:masters, ops ,"
"""


class World:
    """A file of tokens with a clock that a test moves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write(TEXT)
        self.clock = Clock()
        self.tokens = TokenFile(path, self.clock)

    def write(self, text: str | bytes) -> None:
        """Replace the file as kubelets do: another file under the same name."""
        other = self.path.with_suffix(".new")
        other.write_bytes(text if isinstance(text, bytes) else text.encode())
        other.replace(self.path)

    async def after_change(self, text: str | bytes) -> None:
        self.write(text)
        self.clock.advance(LOOK_AGAIN_S)

    async def knows(self, token: str) -> Identity:
        return await self.tokens.authenticate(token)

    async def refuses(self, token: str) -> None:
        with pytest.raises(TokenRejected):
            await self.tokens.authenticate(token)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "tokens.csv")


async def test_each_line_is_a_user(world: World) -> None:
    """Token, user, uid and perhaps groups, as kube-apiserver reads them; system:authenticated beside them."""
    assert await world.knows("ann-token") == Identity("ann", "uid-1", ("dev", "ops", "system:authenticated"))
    assert await world.knows("bob-token") == Identity("bob", "uid-2", ("system:authenticated",))
    assert await world.knows("cat,token") == Identity("cat", "", ("dev", "system:authenticated"))


@pytest.mark.parametrize("token", ["", "ann", "ann-toke", "ann-token ", "ANN-TOKEN", "uid-1", "token"])
async def test_nothing_but_a_whole_token_is_one(world: World, token: str) -> None:
    """Not its beginning, not another column."""
    await world.refuses(token)


async def test_no_user_and_no_group_of_the_clusters_own_comes_from_a_file(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The line of such a user is left out, such groups are dropped; the log names the rule and the line."""
    assert (await world.knows("dan-token")).groups == ("ops", "system:authenticated")

    await world.after_change("evil-token,system:admin,1\nann-token,ann,2\n")

    await world.refuses("evil-token")
    await world.knows("ann-token")
    said = [(record.message, getattr(record, "line", None), record.rule) for record in caplog.records]  # type: ignore[attr-defined]
    assert said == [("user.refused", None, "no-system-users"), ("token_file.line_left_out", 1, "no-system-users")]


async def test_a_changed_file_counts_within_a_second(world: World) -> None:
    """Who is new is known, who is gone is not."""
    world.write("eve-token,eve,5\n")
    world.clock.advance(LOOK_AGAIN_S - 0.01)
    await world.refuses("eve-token")

    world.clock.advance(0.01)

    assert (await world.knows("eve-token")).username == "eve"
    await world.refuses("ann-token")


WRONG = {
    "ann-token,ann\n": "line 1 has 2 columns",
    "x-token,x,1\n\nsecret-token\n": "line 3 has 1 columns",
    ",ann,1\n": "line 1 has no token",
    "ann-token,,1\n": "line 1 has no user",
    "same-token,ann,1\nsame-token,bob,2\n": "line 2 has a token that another line has",
    'ann-token,ann,1,"dev\n': "is no CSV",
    'ann-token,ann,1,"dev" ops"\n': "is no CSV",
    b"\xff\xfe\x00": "not UTF-8",
}


@pytest.mark.parametrize(("text", "reason"), WRONG.items(), ids=list(WRONG.values()))
async def test_a_wrong_new_file_leaves_the_old_one(
    world: World, caplog: pytest.LogCaptureFixture, text: str | bytes, reason: str
) -> None:
    """The log says once which line, and nothing that stands in it; a right one later counts again."""
    caplog.set_level(logging.INFO)
    for _ in range(3):
        await world.after_change(text)
        await world.knows("ann-token")
    said = [record for record in caplog.records if record.message == "token_file.kept"]
    written = caplog.text + "".join(str(vars(record)) for record in caplog.records)

    assert reason in said[0].reason  # type: ignore[attr-defined]
    assert "token,ann" not in written
    assert "secret-token" not in written
    assert "same-token" not in written

    await world.after_change("eve-token,eve,5\n")
    assert (await world.knows("eve-token")).username == "eve"


async def test_a_file_that_is_gone_leaves_what_was_known(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, not every second."""
    world.path.unlink()
    for _ in range(5):
        world.clock.advance(LOOK_AGAIN_S)
        await world.knows("ann-token")

    assert [record.message for record in caplog.records] == ["token_file.kept"]

    await world.after_change("eve-token,eve,5\n")
    await world.refuses("ann-token")


async def test_an_empty_file_knows_nobody(world: World) -> None:
    """That is how all are locked out."""
    await world.after_change("")

    await world.refuses("ann-token")


@pytest.mark.parametrize(("text", "reason"), WRONG.items(), ids=list(WRONG.values()))
def test_a_wrong_file_stops_the_start(tmp_path: Path, text: str | bytes, reason: str) -> None:
    """In one line that names the key."""
    path = tmp_path / "tokens.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(AuthConfigError, match=f"^auth.token_auth_file is `{path}`: .*{reason}"):
        TokenFile(path)


def test_no_token_is_kept(world: World) -> None:
    """What a dump of the memory would show are keyed hashes."""
    assert "ann-token" not in repr(vars(world.tokens))
