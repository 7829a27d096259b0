"""A user who sees 40 of 500 namespaces asks for all nodes and pods: beside the administrator, and at first."""

from __future__ import annotations

from typing import Final

from tests.benchmarks.figures import Figure, figure, in_turns
from tests.benchmarks.load import Connection, connected
from tests.benchmarks.stage import NESTED, Stage, answered, same
from tests.cluster.control_plane import eventually

CHART: Final = "a user of some namespaces"
FAMILIAR: Final = "{ podCounts(by: [NAMESPACE]) { namespace count } }"
"""Asks for the same rights, and keeps nothing that the nested query would use."""
MARGIN: Final = 1.05
"""Two medians on one machine differ by so much when nothing else does."""


async def measure(stage: Stage) -> None:
    own, whole = stage.recipe.nested(stage.recipe.clerks_namespaces), stage.recipe.nested()
    clerks = [await stage.clerk(number) for number in range(stage.options.runs + 1)]
    async with connected(stage.gateway.url) as (connection,):
        await eventually(lambda: _known(stage, connection, clerks[0]))
        same(await answered(connection, stage.ask(NESTED, clerks[0])), own, "the answer to a clerk")
        same(await answered(connection, stage.ask(NESTED)), whole, "the answer to the administrator")
        very_first = []
        for clerk in clerks[1:]:
            reply = await connection.ask(stage.ask(stage.variant(), clerk))
            same(reply.body, own, "the very first answer to a clerk")
            very_first.append(reply.seconds)
        found = await _in_turns(stage, clerks[0])
    places = f"{len(stage.recipe.clerks_namespaces)} of {len(stage.recipe.namespaces)} namespaces"
    for who, values in found.items():
        stage.bar(CHART, who, values)
    stage.bar(CHART, f"user of {places}, very first, reviews included", figure(very_first))
    asked = {
        "first": lambda: stage.ask(stage.variant(), clerks[0]),
        "repeat": lambda: stage.ask(NESTED, clerks[0]),
    }
    for what in ("first", "repeat"):
        ratio = found[f"user, {what}"].median / found[f"administrator, {what}"].median
        profile = []
        if ratio > MARGIN:
            async with connected(stage.gateway.url) as (connection,):
                profile = await stage.profile(connection, asked[what])
        stage.goal(
            "rights", f"user of {places}, {what} (rights cached), beside the administrator's",
            f"not slower (within {MARGIN - 1:.0%})", ratio, MARGIN, "times", profile=profile,
        )  # fmt: skip
    stage.goal(
        "rights", f"user of {places}, very first, reviews included", "under 1 s", figure(very_first).median, 1, "s"
    )


async def _known(stage: Stage, connection: Connection, clerk: str) -> bool:
    """Whether the rights of somebody could be had; an API server that has just listed a gigabyte may need its time."""
    return (await connection.ask(stage.ask(FAMILIAR, clerk))).status == 200


async def _in_turns(stage: Stage, clerk: str) -> dict[str, Figure]:
    async with connected(stage.gateway.url) as (connection,):

        async def first(token: str) -> float:
            await answered(connection, stage.ask(FAMILIAR, token))
            return await connection.time(stage.ask(stage.variant(), token))

        async def repeat(token: str) -> float:
            await answered(connection, stage.ask(NESTED, token))
            return await connection.time(stage.ask(NESTED, token))

        return await in_turns(
            {
                "administrator, first": lambda: first(stage.admin),
                "user, first": lambda: first(clerk),
                "administrator, repeat": lambda: repeat(stage.admin),
                "user, repeat": lambda: repeat(clerk),
            },
            stage.options.runs,
        )
