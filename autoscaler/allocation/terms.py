"""Settings in, the stocks and what each pool may claim of them out; what cannot be is an error."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from autoscaler.allocation.allocate import allocate
from autoscaler.allocation.claim import Claim, Stock
from autoscaler.allocation.settings import ClaimSettings, StockSettings
from autoscaler.settings import ScalingSettings
from model_backend.settings import PoolSettings
from streams.errors import InvalidParameterError


def terms_of(
    scaling: ScalingSettings, pools: Sequence[PoolSettings], cluster: str
) -> tuple[dict[str, Claim], list[Stock]]:
    """The stocks, and an empty claim of each pool of ``cluster`` that shares them.

    Raises InvalidParameterError for names nobody has, and for guarantees that cannot all be met.
    """
    _once("scaling.stocks", [stock.name for stock in scaling.stocks])
    _once("scaling.claims", [claim.pool for claim in scaling.claims])
    unknown = {claim.pool for claim in scaling.claims} - {pool.name for pool in pools}
    if unknown:
        raise InvalidParameterError("scaling.claims", sorted(unknown), "names of backend.pools")
    claims = {claim.pool: claim for claim in scaling.claims}
    here = [pool for pool in pools if pool.cluster == cluster]
    terms = {
        pool.name: _terms(pool, claims.get(pool.name, ClaimSettings(pool=pool.name)), scaling)
        for pool in here
    }
    shared = {name: claim for name, claim in terms.items() if claim.stocks}
    stocks = [_stock(one) for one in scaling.stocks]
    _guarantees_fit([shared[pool.name] for pool in here if pool.name in shared], here, stocks)
    return shared, stocks


def _terms(pool: PoolSettings, claim: ClaimSettings, scaling: ScalingSettings) -> Claim:
    carries = claim.hardware or {pool.hardware: 1.0}
    strange = carries.keys() - {stock.hardware for stock in scaling.stocks}
    if claim.hardware and strange:
        raise InvalidParameterError(
            f"hardware of the claim of {pool.name}", sorted(strange), "hardware of scaling.stocks"
        )
    usable = [stock for stock in scaling.stocks if stock.hardware in carries]
    # On demand first among equals: it is not taken away.
    usable.sort(
        key=lambda stock: (
            stock.price_per_gpu_hour / carries[stock.hardware],
            stock.market == "spot",
            stock.name,
        )
    )
    return Claim(
        pool=pool.name,
        replicas=0,
        gpus=claim.gpus_per_replica,
        stocks=tuple(map(_stock, usable)),
        guarantee=claim.guaranteed_replicas,
        priority=claim.priority,
        # Where jobs have a deadline, only what it takes to meet it is asked for.
        deferrable=pool.role == "job" and not pool.deadline_s,
        on_demand_ratio=claim.on_demand_ratio,
    )


def _stock(stock: StockSettings) -> Stock:
    return Stock(
        name=stock.name,
        gpus=stock.gpus,
        price=stock.price_per_gpu_hour,
        spot=stock.market == "spot",
        loss_per_hour=stock.loss_per_hour,
    )


def _once(name: str, values: Iterable[str]) -> None:
    twice = sorted(value for value, count in Counter(values).items() if count > 1)
    if twice:
        raise InvalidParameterError(name, twice, "named once each")


def _guarantees_fit(
    claims: Sequence[Claim], pools: Sequence[PoolSettings], stocks: Sequence[Stock]
) -> None:
    least = {pool.name: pool.min_replicas for pool in pools}
    full = [replace(one, replicas=max(one.guarantee, least[one.pool])) for one in claims]
    grants = allocate(full, stocks)
    short = {one.pool: one.replicas for one in full if grants[one.pool].replicas < one.replicas}
    if short:
        raise InvalidParameterError(
            "min_replicas and guaranteed_replicas", short, "together within the GPUs of the stocks"
        )
