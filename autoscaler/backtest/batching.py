"""Requests through the batches of replicas, step by step: time to first token, and between tokens.

One queue, first come first served; its head goes to the ready replica with the fewest requests that
has a free slot and room in its KV cache, and waits where there is none. What a replica does then is
one ``Engine`` step after the other. A request that no KV cache could hold is refused at once. A
client that gave up is noticed when its request comes to the head of the queue.
"""

from autoscaler.backtest.batch_pool import UNSERVED, Pool
from autoscaler.backtest.compiled import compiled
from autoscaler.backtest.heap import pop, push
from autoscaler.backtest.replicas import (
    NEVER,
    READY,
    become_ready,
    note,
    occupy,
    order,
    release,
)


@compiled
def live(pool: Pool, want: int, since_s: int, until_s: int) -> None:
    """Order ``want`` replicas at ``since_s``, then serve until ``until_s``."""
    order(pool, want, since_s)
    for second in range(since_s, until_s):
        _serve(pool, second)
        note(pool, second)


@compiled
def _serve(pool: Pool, second: int) -> None:
    now = pool.now[0]
    while True:
        arrival = pool.arrival_s[now["tail"]] if now["tail"] < len(pool.arrival_s) else NEVER
        step = pool.steps[0]["end_s"] if now["stepping"] > 0 else NEVER
        ready = pool.replicas[now["next"]]["ready_s"] if now["next"] >= 0 else NEVER
        at_s, place = min(arrival, step, ready), -1
        if at_s >= second + 1:
            return
        if at_s == ready:
            become_ready(pool)
        elif at_s == step:
            place = pool.steps[0]["place"]
            _end_step(pool, place, at_s, second)
        else:
            now["tail"] += 1
            pool.seconds[second]["arrived"] += 1
        if _take_in(pool, at_s, second):
            for other in range(now["places"]):
                _begin_step(pool, other, at_s)
        elif place >= 0:
            _begin_step(pool, place, at_s)


@compiled
def _take_in(pool: Pool, at_s: float, second: int) -> bool:
    """From the head of the queue into replicas, while one has room; whether anybody was."""
    now, came = pool.now[0], False
    while now["free"] > 0 and now["head"] < now["tail"]:
        request = now["head"]
        whole = pool.prompt[request] + pool.output[request]
        gone = at_s - pool.arrival_s[request] > now["patience_s"]
        place = -1
        if not gone and whole <= now["kv_tokens"]:
            place = _emptiest_with_room(pool, whole)
            if place < 0:
                return came
        now["head"] += 1
        if place < 0:
            pool.first_s[request] = UNSERVED
            _miss(pool, request, second)
            continue
        came = True
        pool.taken_s[request] = at_s
        pool.seconds[second]["started"] += 1
        occupy(pool, place)
        replica = pool.replicas[place]
        replica["reserved"] += whole
        prompt = pool.prompts[place, (replica["first"] + replica["prompts"]) % now["slots"]]
        prompt["request"], prompt["left"] = request, pool.read[request]
        replica["prompts"] += 1
        replica["unread"] += pool.read[request]
    return came


@compiled
def _emptiest_with_room(pool: Pool, tokens: int) -> int:
    now = pool.now[0]
    best, fewest = -1, now["slots"]
    for place in range(now["places"]):
        replica = pool.replicas[place]
        room = now["kv_tokens"] - replica["reserved"]
        if replica["phase"] == READY and replica["busy"] < fewest and room >= tokens:
            best, fewest = place, replica["busy"]
            if fewest == 0:
                break
    return best


@compiled
def _begin_step(pool: Pool, place: int, at_s: float) -> None:
    now, replica = pool.now[0], pool.replicas[place]
    if replica["stepping"] > 0 or replica["busy"] == 0:
        return
    answers = replica["answering"]
    prompt = min(replica["unread"], max(1, now["chunk_tokens"] - answers))
    took_s = (
        pool.batch_s[_tokens_given(pool, place, prompt)]
        + now["prompt_token_s"] * prompt
        + now["resident_token_s"] * replica["resident"]
    )
    replica["stepping"], replica["prefilling"] = 1, prompt
    push(pool.steps, now["stepping"], at_s + took_s, place, took_s)
    now["stepping"] += 1


@compiled
def _tokens_given(pool: Pool, place: int, read: int) -> int:
    """By a step that reads so much: prompts that end in it get one too.

    The first of those is in what prompts alone take, so without other answers it does not count.
    """
    replica, slots = pool.replicas[place], pool.now[0]["slots"]
    ended, at = 0, replica["first"]
    while ended < replica["prompts"] and pool.prompts[place, at]["left"] <= read:
        read -= pool.prompts[place, at]["left"]
        ended += 1
        at = (at + 1) % slots
    return int(replica["answering"] + (ended if replica["answering"] > 0 else max(0, ended - 1)))


@compiled
def _end_step(pool: Pool, place: int, at_s: float, second: int) -> None:
    now, replica = pool.now[0], pool.replicas[place]
    pop(pool.steps, now["stepping"])
    now["stepping"] -= 1
    replica["stepping"] = 0
    replica["steps"] += 1
    replica["resident"] += replica["answering"]
    answers = pool.answers[place]
    while replica["answering"] > 0 and answers[0]["end_s"] <= replica["steps"]:
        request = answers[0]["place"]
        pop(answers, replica["answering"])
        replica["answering"] -= 1
        replica["resident"] -= pool.prompt[request] + pool.output[request]
        _finish(pool, place, request, at_s, second)
    _read(pool, place, at_s, second)


@compiled
def _read(pool: Pool, place: int, at_s: float, second: int) -> None:
    """What the step prefilled; a prompt that is read to its end gets its first token."""
    replica = pool.replicas[place]
    left = replica["prefilling"]
    replica["unread"] -= left
    while left > 0:
        prompt = pool.prompts[place, replica["first"]]
        taken = min(left, prompt["left"])
        left -= taken
        prompt["left"] -= taken
        if prompt["left"] == 0:
            replica["first"] = (replica["first"] + 1) % pool.now[0]["slots"]
            replica["prompts"] -= 1
            _answer(pool, place, prompt["request"], at_s, second)


@compiled
def _answer(pool: Pool, place: int, request: int, at_s: float, second: int) -> None:
    pool.first_s[request] = at_s
    if _came_late(pool, request):
        _miss(pool, request, second)
    more = pool.output[request] - 1
    if more == 0:
        _finish(pool, place, request, at_s, second)
        return
    replica = pool.replicas[place]
    push(pool.answers[place], replica["answering"], replica["steps"] + more, request, 0.0)
    replica["answering"] += 1
    replica["resident"] += pool.prompt[request] + 1


@compiled
def _finish(pool: Pool, place: int, request: int, at_s: float, second: int) -> None:
    now = pool.now[0]
    pool.last_s[request] = at_s
    pool.seconds[second]["finished"] += 1
    pool.seconds[second]["served_s"] += at_s - pool.taken_s[request]
    pool.replicas[place]["reserved"] -= pool.prompt[request] + pool.output[request]
    release(pool, place)
    between_s = (at_s - pool.first_s[request]) / max(1, pool.output[request] - 1)
    took_s = at_s - pool.arrival_s[request]
    broken = between_s > now["inter_token_s"] or took_s > now["deadline_s"]
    if broken and not _came_late(pool, request):
        _miss(pool, request, second)


@compiled
def _came_late(pool: Pool, request: int) -> bool:
    now, waited_s = pool.now[0], pool.first_s[request] - pool.arrival_s[request]
    return bool(waited_s > now["ttft_s"] + now["ttft_token_s"] * pool.prompt[request])


@compiled
def _miss(pool: Pool, request: int, second: int) -> None:
    pool.seconds[second]["late"] += 1
    pool.seconds[int(pool.arrival_s[request])]["missed"] += 1
