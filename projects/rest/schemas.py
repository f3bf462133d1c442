"""What bodies are made of: closed objects, exact types, and texts that every database takes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Self

from django.db.models import Model
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, Strict

from projects.models import SLUG

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")


class Given(BaseModel):
    """A body. Members that are not here are refused, and nothing is taken for something else."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> dict[str, Any]:
        """What was said, without what was left out."""
        return self.model_dump(exclude_unset=True)


class Shown(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    @cache
    def columns(cls, model: type[Model], *more: str) -> tuple[str, ...]:
        """What `read` looks at in a row: what has the same name there, and `more`."""
        there = {field.name for field in model._meta.concrete_fields if not field.is_relation}
        return (*more, *(name for name in cls.model_fields if name in there and name not in more))

    @classmethod
    def read(cls, row: object, **given: Any) -> Self:
        """Of a row: what is not given has the same name there."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields if name not in given}, **given)


def _is_moment(value: Any) -> Any:
    # Numbers and dates alone would be taken for moments too.
    if not isinstance(value, str) or _MOMENT.fullmatch(value) is None:
        raise ValueError("Give a date and time with its offset (RFC 3339).")
    return value


def _in_utc(value: datetime) -> datetime:
    """The nearest that there is, where an offset leads out of the calendar."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return (datetime.max if value.year > 1 else datetime.min).replace(tzinfo=UTC)


def _whole(value: Any) -> Any:
    # To JSON Schema 1.0 is an integer.
    return int(value) if isinstance(value, float) and value.is_integer() else value


# After the bounds, since the document would not have them otherwise.
WHOLE = BeforeValidator(_whole)
Moment = Annotated[AwareDatetime, Strict(False), BeforeValidator(_is_moment), AfterValidator(_in_utc)]
Slug = Annotated[str, Field(pattern=f"^{SLUG}$", max_length=63)]
Label = Annotated[str, Field(min_length=1, max_length=100)]
Glob = Annotated[str, Field(min_length=1, max_length=500)]
Globs = Annotated[list[Glob], Field(min_length=1, max_length=500)]
Network = Annotated[str, Field(max_length=50, examples=["192.0.2.0/24"])]
Networks = Annotated[list[Network], Field(max_length=100)]
Email = Annotated[str, Field(pattern=r"^[^@\s]{1,64}@[^@\s]{1,189}$", max_length=254, examples=["ada@acme.test"])]
