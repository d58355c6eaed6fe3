"""Every setting there is, and which of them can change a row."""

import hashlib
import json
from typing import Any, NamedTuple

from pydantic import Field

from shoal.params import (
    BoughtTogetherParams,
    BySegmentParams,
    FeatureParams,
    IngestParams,
    Params,
    PropensityParams,
    PublishParams,
    RecommendParams,
    SegmentParams,
    ShopParams,
    SimilarItemsParams,
    ValidateParams,
)

NAMED = ("segments", "propensity", "recommend")  # sections that are mappings of named entries


class Config(Params):
    """Everything a run can be told, checked; ``conf/default.yaml`` gives every value its reason."""

    lake: str = Field(min_length=1, description="a folder, or catalog:NAME on a cluster")
    strict: bool = Field(description="true: a model that fails its gate stops the run before publishing")
    shop: ShopParams
    ingest: IngestParams
    validation: ValidateParams = Field(alias="validate")  # pydantic's base class has a method `validate`
    features: FeatureParams
    segments: dict[str, SegmentParams]
    propensity: dict[str, PropensityParams]
    recommend: dict[str, RecommendParams]
    by_segment: BySegmentParams
    similar_items: SimilarItemsParams
    bought_together: BoughtTogetherParams
    publish: PublishParams
    spark: dict[str, str] = Field(description="spark.* options of the embedded session")


class Setting(NamedTuple):
    """One effective value."""

    key: str  # dotted, as --set takes it
    value: object  # as JSON would hold it; HIDDEN for a secret
    origin: str  # "default", the file's path, "--set" or "--lake"


def row_changing(config: Config) -> dict[str, Any]:
    """The settings that can change a row: not where data lies, nor how something is run."""
    tree = config.model_dump(mode="json", by_alias=True, exclude={"spark": True, "lake": True})
    del tree["ingest"]  # what was read shows in the versions of the tables, and so does what was let in by its days
    for name in ("min_volume_share", "band_width", "calendar"):
        del tree["validate"][name]
    del tree["publish"]["max_retries"]
    return tree


def settings_hash(config: Config) -> str:
    """sha256, in hex, of the row-changing settings as canonical JSON: the order of keys changes nothing."""
    canonical = json.dumps(row_changing(config), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
