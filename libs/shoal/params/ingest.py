"""How raw data comes in and is judged."""

from typing import Literal

from pydantic import Field

from shoal.params.base import Params


class Input(Params):
    """One feed and where its files lie."""

    feed: str = Field(
        min_length=1, description="name of a feed, as `shoal feed list` shows them, or a file that declares one"
    )
    path: str = Field(min_length=1, description="file, glob, folder or Delta table")


class IngestParams(Params):
    """What is read on every run."""

    inputs: tuple[Input, ...] = Field(strict=False, description="feeds read by every run, beside --feed")
    changed_files: Literal["ingest", "warn", "refuse"] = Field(
        description="files that hold something else than when they were ingested"
    )


class ValidateParams(Params):
    """When a batch is refused."""

    max_rejected_share: float = Field(ge=0, le=1, description="share of rejected rows above which a batch stops")
    duplicate_lines: Literal["keep", "drop"] = Field(description="identical lines of one order")
