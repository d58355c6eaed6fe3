"""What was measured, as JSON for machines and as a table for people; docs/evaluation.md says what each figure means."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal.evaluation.bootstrap import Bootstrapped, Estimate
from shoal.evaluation.lists import Setting
from shoal.evaluation.request import Request, Split
from shoal.evaluation.trial import Sizes
from shoal.evaluation.tuning import Tried

_SHOWN = ("ndcg", "map", "recall", "hr", "mrr")  # precision@k is in the file
_SHOWN_OF_LISTS = ("coverage", "gini", "novelty", "diversity")


@dataclass(frozen=True)
class Report:
    """The outcome of an evaluation."""

    request: Request
    inner: Split  # of train, on which parameters were chosen
    sizes: Sizes
    identical_rows: int  # of the table, that count once with another
    settings: Mapping[str, Setting]  # by model, the order in which they are shown
    groups: Mapping[str, Bootstrapped]  # all, warm, cold
    of_lists: Mapping[str, Mapping[str, float | None]]
    filled: Mapping[str, float]  # share of the places that popularity filled
    baseline: str
    trace: Sequence[Tried]
    notes: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """``metrics.json``: each model's figures under its name, and beside them what they are of."""
        whole = self.groups["all"]
        asked = self.request
        return {
            **{
                model: {
                    **{name: each.as_json() for name, each in whole.means[model].items()},
                    **{name: Estimate(_rounded(value)).as_json() for name, value in self.of_lists[model].items()},
                }
                for model in self.settings
            },
            "differences": {
                "baseline": self.baseline,
                "models": {
                    model: {name: each.as_json() for name, each in figures.items()}
                    for model, figures in whole.differences.items()
                    if model != self.baseline
                },
            },
            "groups": {
                group: {
                    model: {name: each.as_json() for name, each in figures.items()}
                    for model, figures in self.groups[group].means.items()
                }
                for group in ("warm", "cold")
                if group in self.groups
            },
            "split": {
                "kind": "test file" if asked.split is None else str(asked.split),
                "inner": str(self.inner) if asked.tune else None,
                "seed": asked.seed,
                "seen_pairs": "count" if asked.keeps_seen else "removed",
                "candidates": "all items of train" if asked.negatives is None else "sampled",
                "identical_rows": self.identical_rows,
                **self.sizes.as_json(),
            },
            "parameters": {model: _parameters(setting) for model, setting in self.settings.items()},
            "tuning": [tried.as_json(asked.k[0]) for tried in self.trace],
            "filled_by_popularity": dict(self.filled),
            "resamples": asked.resamples,
            "notes": [*self.notes],
        }

    def best(self) -> str | None:
        """The model with the highest nDCG, where its difference from the baseline is known to be above 0."""
        name = f"ndcg@{self.request.k[0]}"
        whole = self.groups["all"]
        model = max(whole.means, key=lambda each: whole.means[each][name].mean or 0.0)
        low = whole.differences[model][name].low
        return model if model != self.baseline and low is not None and low > 0 else None

    def tables(self) -> list[tuple[str, list[str], list[list[Any]]]]:
        """Title, columns and rows for people: one table per length of list."""
        return [table for k in self.request.k for table in (self._accuracy(k), self._beyond(k))]

    def _accuracy(self, k: int) -> tuple[str, list[str], list[list[Any]]]:
        whole, best = self.groups["all"], self.best()
        columns = [f"{name}@{k}" for name in _SHOWN]
        rows = [
            [
                f"{model} *" if model == best else model,
                *(_cell(whole.means[model][name]) for name in columns),
                "" if model == self.baseline else _cell(whole.differences[model][columns[0]], "+"),
            ]
            for model in self.settings
        ]
        sizes = self.sizes
        title = f"Lists of {k} for {sizes.users:,} users ({sizes.cold_users:,} not in train): means ± 95 %"
        return title, ["model", *columns, f"{columns[0]} above {self.baseline}"], rows

    def _beyond(self, k: int) -> tuple[str, list[str], list[list[Any]]]:
        whole = self.groups["all"]
        columns = [f"{name}@{k}" for name in _SHOWN_OF_LISTS]
        rows = [
            [
                model,
                *(
                    f"{value:.3f}" if value is not None else ""
                    for name in columns
                    for value in [self._value(model, name, whole)]
                ),
                f"{self.filled[model]:.1%}",
            ]
            for model in self.settings
        ]
        return "Beyond accuracy", ["model", *columns, "filled by popularity"], rows

    def _value(self, model: str, name: str, whole: Bootstrapped) -> float | None:
        own = self.of_lists[model]
        return own[name] if name in own else whole.means[model][name].mean

    def sentences(self) -> list[str]:
        """What to read beside the tables."""
        sizes, asked = self.sizes, self.request
        best = self.best()
        name = f"ndcg@{asked.k[0]}"
        how = "the test file" if asked.split is None else str(asked.split)
        said = [
            f"Split: {how}; {sizes.train_rows:,} rows to learn from, {sizes.test_rows:,} held out. "
            f"{sizes.relevant_pairs:,} pairs count; {sizes.seen_pairs:,} that train knows were removed, and no list "
            f"can name {sizes.unknown_pairs:,} that are of items not in train.",
            f"* {best} is better than {self.baseline}: the 95 % interval of the difference in {name}, user by user, "
            "lies above 0."
            if best
            else f"No model is shown to be better than {self.baseline} in {name}.",
        ]
        if asked.negatives is not None:
            said.append(
                "Ranked among sampled candidates only: not comparable with rankings of all items, and models may come "
                "in another order there (Krichene, Rendle 2020)."
            )
        return [*said, *self.notes]


def write(report: Report, out: Path) -> None:
    """Write ``metrics.json``, in one step."""
    beside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    beside.write_text(json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(out)


def _parameters(setting: Setting) -> dict[str, Any]:
    return {"model": _plain(setting.model), "strength": setting.strength.as_json()}


def _plain(value: Any) -> Any:
    """Settings as JSON holds them; models within a blend with their names."""
    if dataclasses.is_dataclass(value):
        fields = [field for field in dataclasses.fields(value) if field.repr]  # others are no settings but data
        own = {field.name: _plain(getattr(value, field.name)) for field in fields}
        return {"name": getattr(value, "name", type(value).__name__), **own}
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value


def _cell(estimate: Estimate, sign: str = "") -> str:
    """The mean, with ``sign`` as Python formats it, and half the width of its interval."""
    if estimate.mean is None:
        return ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:{sign}.3f}"
    return f"{estimate.mean:{sign}.3f}±{(estimate.high - estimate.low) / 2:.3f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)
