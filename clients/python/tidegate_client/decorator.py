"""A decorator for functions and generators that answer requests, plain or async."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any, Callable, TypeVar, cast

from tidegate_client.request import LabelsOf, Request

Function = TypeVar("Function", bound=Callable[..., Any])


def observed(told: Callable[..., Request], labels: LabelsOf) -> Callable[[Function], Function]:
    """``told``: makes a request of labels and arguments."""

    def decorate(function: Function) -> Function:
        begin = functools.partial(told, labels)
        return cast("Function", functools.wraps(function)(_wrapped(function, begin)))

    return decorate


def _wrapped(function: Callable[..., Any], begin: Callable[..., Request]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return _async_items(function, begin)
    if inspect.iscoroutinefunction(function):
        return _async_answer(function, begin)
    if inspect.isgeneratorfunction(function):
        return _items(function, begin)
    return _answer(function, begin)


def _async_items(function: Callable[..., Any], begin: Callable[..., Request]) -> Callable[..., Any]:
    async def wrapped(*args: Any, **named: Any) -> AsyncIterator[Any]:
        with begin(*args, **named) as request:
            items = function(*args, **named)
            try:
                async for item in items:
                    request.first_token()
                    yield item
            finally:
                await items.aclose()

    return wrapped


def _async_answer(
    function: Callable[..., Any], begin: Callable[..., Request]
) -> Callable[..., Any]:
    async def wrapped(*args: Any, **named: Any) -> Any:
        with begin(*args, **named):
            return await function(*args, **named)

    return wrapped


def _items(function: Callable[..., Any], begin: Callable[..., Request]) -> Callable[..., Any]:
    def wrapped(*args: Any, **named: Any) -> Iterator[Any]:
        with begin(*args, **named) as request:
            items = function(*args, **named)
            try:
                for item in items:
                    request.first_token()
                    yield item
            finally:
                items.close()

    return wrapped


def _answer(function: Callable[..., Any], begin: Callable[..., Request]) -> Callable[..., Any]:
    def wrapped(*args: Any, **named: Any) -> Any:
        with begin(*args, **named):
            return function(*args, **named)

    return wrapped
