"""A replica that says one word instead of every token: `tidegate fault repeat`."""

import asyncio

from tidegate.demo.faults import NoTargetError, Scene, Truth, order

WORD = "!"


class Repeat:
    """As quick as ever, and of no use: what a GPU says whose logits are NaN.

    No act of the story of `up`: it takes half a minute of answers to be sure of it.
    """

    def __init__(self) -> None:
        self._address = ""

    async def begin(self, scene: Scene, target: str) -> Truth:
        if len(await scene.ready("codex")) < 2 and not target:
            raise NoTargetError("a wrong replica shows only beside another; codex has one")
        replica = await scene.pick("codex", target=target)
        self._address = replica.address
        await self._say(WORD)
        return Truth(
            fault="repeat",
            pool="codex",
            subject_kind="replica",
            subject=replica.replica,
            caption=f"{replica.replica} says {WORD!r} and nothing else",
            onset_us=scene.clock(),
        )

    async def hold(self, scene: Scene, seconds: float) -> None:  # noqa: ARG002
        await asyncio.sleep(seconds)

    async def end(self, scene: Scene) -> None:  # noqa: ARG002
        await self._say("")

    async def _say(self, word: str) -> None:
        await order(self._address, "say", {"word": word})
