"""Every stage's settings: data, checked before Spark starts. Imports nothing but ``errors``."""

from shoal.params.base import Params
from shoal.params.features import AffinityParams, FeatureParams, LimitParams, OwnFeatureParams
from shoal.params.ingest import IngestParams, Input, KnownEvent, RuleParams, ValidateParams
from shoal.params.propensity import PropensityParams
from shoal.params.publish import PublishParams
from shoal.params.recommend import (
    BoughtTogetherParams,
    BySegmentParams,
    ListRules,
    Pin,
    RecommendParams,
    SimilarItemsParams,
    StrengthParams,
)
from shoal.params.segments import SegmentParams
from shoal.params.shop import ShopParams

__all__ = [
    "AffinityParams", "BoughtTogetherParams", "BySegmentParams", "FeatureParams", "IngestParams", "Input", "KnownEvent",
    "LimitParams", "ListRules", "OwnFeatureParams", "Params", "Pin", "PropensityParams", "PublishParams",
    "RecommendParams", "RuleParams", "SegmentParams", "ShopParams", "SimilarItemsParams", "StrengthParams",
    "ValidateParams",
]  # fmt: skip
