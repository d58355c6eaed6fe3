"""Facts about the shop, kept in the lake once they are known."""

from zoneinfo import available_timezones

from pydantic import Field, field_validator

from shoal.params.base import Params


class ShopParams(Params):
    """What a day is and what money is."""

    time_zone: str | None = Field(description="IANA zone of the shop's day; null takes the first feed's")
    currency: str | None = Field(pattern="^[A-Z]{3}$", description="ISO 4217; null takes the first feed's")

    @field_validator("time_zone")
    @classmethod
    def _known(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in available_timezones():
            raise ValueError(f"unknown time zone {zone!r}; write it like Europe/London")
        return zone
