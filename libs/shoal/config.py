"""Composes the stages' settings from layers of YAML; the only file that knows YAML.

The layers: the packaged ``conf/default.yaml``, then each file, then each single value. Later layers win key
by key and replace lists whole. In the sections of named entries (segments, propensity, recommend) ``null``
removes an entry, and a new entry takes what it leaves out from the section's first packaged entry.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.resources import files as packaged
from pathlib import Path
from typing import Any, NamedTuple, get_args

import yaml
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from shoal.errors import ConfigError, bulleted
from shoal.params import (
    FeatureParams,
    IngestParams,
    Params,
    PropensityParams,
    PublishParams,
    RecommendParams,
    SegmentParams,
    ShopParams,
    ValidateParams,
)

NAMED = ("segments", "propensity", "recommend")  # sections that are mappings of named entries

_HEADLINE = "cannot use the settings:"
_MOST_PROBLEMS = 40  # lines of one message
_Place = tuple[str | int, ...]  # the keys, and indices of lists, that lead to a value


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
    publish: PublishParams
    spark: dict[str, str] = Field(description="spark.* options of the embedded session")


class Setting(NamedTuple):
    """One effective value."""

    key: str  # dotted, as --set takes it
    value: object  # as JSON would hold it
    origin: str  # "default", the file's path, "--set" or "--lake"


def load_config(files: Sequence[Path] = (), sets: Sequence[str] = (), lake: str | None = None) -> Config:
    """The settings after all layers.

    Args:
        files: YAML files, the last one wins.
        sets: single values as ``KEY.PATH=VALUE``, the value written as in YAML; they win over files.
        lake: wins over everything; null leaves it to the layers.

    Raises:
        ConfigError: every problem of every layer, each with where it came from.
    """
    return _checked(_compose(files, sets, lake))


def explain(files: Sequence[Path] = (), sets: Sequence[str] = (), lake: str | None = None) -> list[Setting]:
    """Every effective value with the layer that set it; an empty list or mapping is a value too.

    Raises:
        ConfigError: as for :func:`load_config`.
    """
    layers = _compose(files, sets, lake)
    tree = _checked(layers).model_dump(mode="json", by_alias=True)
    return [Setting(_dotted(at), value, layers.origin(at)) for at, value in _leaves(tree, ())]


def row_changing(config: Config) -> dict[str, Any]:
    """The settings that can change a row: not where data lies, nor how something is run."""
    tree = config.model_dump(mode="json", by_alias=True, exclude={"spark": True, "lake": True})
    del tree["ingest"]["inputs"]  # what was read shows in the versions of the tables
    del tree["publish"]["max_retries"]
    return tree


def settings_hash(config: Config) -> str:
    """sha256, in hex, of the row-changing settings as canonical JSON: the order of keys changes nothing."""
    canonical = json.dumps(row_changing(config), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def check_columns(config: Config) -> None:
    """Check the columns that settings name against the declared tables; needs pyspark, but starts no Spark.

    Raises:
        ConfigError: inputs that are no numeric column of ``features.users`` or are named twice, and weights
            of what is no count of ``features.user_item_days``; all are listed.
    """
    from pyspark.sql.types import LongType, NumericType

    from shoal.tables import USER_FEATURES, USER_ITEM_DAYS

    numbers = [c.name for c in USER_FEATURES.columns if isinstance(c.type, NumericType)]
    counts = [c.name for c in USER_ITEM_DAYS.columns if isinstance(c.type, LongType)]
    problems = []
    for section, entries in (("segments", config.segments), ("propensity", config.propensity)):
        for name, entry in entries.items():
            at = f"{section}.{name}.inputs"
            twice = sorted({column for column in entry.inputs if entry.inputs.count(column) > 1})
            problems += [f"{at}: {column} is named twice" for column in twice]
            problems += _no_columns(at, entry.inputs, numbers, "numeric column of features.users")
    for name, liked in config.recommend.items():
        at = f"recommend.{name}.weights"
        problems += _no_columns(at, liked.weights, counts, "count column of features.user_item_days")
    if problems:
        raise ConfigError(bulleted(_HEADLINE, problems, _MOST_PROBLEMS))


def _no_columns(at: str, names: Iterable[str], known: list[str], kind: str) -> list[str]:
    return [f"{at}: {name} is no {kind}{_did_you_mean(name, known)}" for name in names if name not in known]


# --- YAML -----------------------------------------------------------------------------------------


@dataclass
class _Layer:
    """What one file or one option says, before anything is judged."""

    origin: str
    tree: dict[str, Any] = field(default_factory=dict)
    texts: dict[_Place, str] = field(default_factory=dict)  # what YAML took for more than text, as written
    problems: list[str] = field(default_factory=list)

    def parse(self, text: str, at: _Place = ()) -> Any:
        """The plain value of a YAML text that stands at ``at``.

        Raises:
            yaml.YAMLError: it is not YAML.
        """
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            return None if node is None else self._plain(loader, node, at)
        finally:
            loader.dispose()

    def _plain(self, loader: yaml.SafeLoader, node: yaml.Node, at: _Place) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(loader, node, at)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self._plain(loader, item, (*at, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(loader, node, at)
        raise yaml.MarkedYAMLError(problem=f"unknown tag {node.tag}", problem_mark=node.start_mark)

    def _mapping(self, loader: yaml.SafeLoader, node: yaml.MappingNode, at: _Place) -> dict[str, Any]:
        """YAML would keep the last of two equal keys and say nothing."""
        first: dict[str, yaml.Node] = {}
        plain: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(problem="a key must be plain text", problem_mark=key.start_mark)
            if first.setdefault(key.value, key) is not key:
                before = first[key.value].start_mark.line + 1
                self.problem(f"{_dotted((*at, key.value))}: given twice, on line {before} and on line {line}")
            name = self._scalar(loader, key, (*at, key.value))
            if isinstance(name, str):
                plain[name] = self._plain(loader, value, (*at, name))
            else:
                where = f"{_dotted(at)}: " if at else ""
                self.problem(f"{where}a key must be text, got {_got(name, key.value)} on line {line}")
        return plain

    def _scalar(self, loader: yaml.SafeLoader, node: yaml.ScalarNode, at: _Place) -> Any:
        try:
            value = loader.construct_object(node)
        except ValueError as error:  # such as 2026-02-30
            raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from error
        if not isinstance(value, str):
            self.texts[at] = node.value
        if at[:1] == ("spark",) and value is not None:  # Spark's options are text, however YAML reads them
            return str(value).lower() if isinstance(value, bool) else node.value
        return value

    def problem(self, text: str) -> None:
        """Keep a problem to be told with all others, and where it came from."""
        self.problems.append(f"{text}  ({self.origin})")


def _file_layer(path: Path) -> _Layer:
    layer = _Layer(str(path))
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        layer.problems.append(f"{path}: not UTF-8 text, line {line}")
    except OSError as error:
        layer.problems.append(f"{path}: {(error.strerror or str(error)).lower()}")
    else:
        tree = _parsed(layer, text, str(path))
        if isinstance(tree, dict):
            layer.tree = tree
        elif tree is not None:  # an empty file sets nothing
            made = _got(tree, layer.texts.get(()))
            layer.problems.append(f"{path}: must be a mapping of settings, got {made}")
    return layer


def _set_layer(given: str) -> _Layer:
    layer = _Layer("--set")
    key, equals, text = given.partition("=")
    at = _set_place(key.strip())
    if not equals or "" in at:
        layer.problems.append(f"--set {given}: must be written KEY.PATH=VALUE")
        return layer
    tree = _parsed(layer, text, f"--set {key}", at)
    if not layer.problems:
        for part in reversed(at):
            tree = {part: tree}
        layer.tree = tree
    return layer


def _set_place(key: str) -> tuple[str, ...]:
    """Names of Spark's options hold dots: both ``spark.spark.sql.x`` and plain ``spark.sql.x`` name one."""
    section, _, rest = key.partition(".")
    if section == "spark" and rest:
        return (section, rest if rest.startswith("spark.") else key)
    return tuple(key.split("."))


def _parsed(layer: _Layer, text: str, name: str, at: _Place = ()) -> Any:
    """The value of a YAML text; null, and a problem of the layer, where it has none."""
    try:
        return layer.parse(text, at)
    except yaml.YAMLError as error:
        layer.problems.append(f"{name}: not YAML, {_why(error, text)}")
    except RecursionError:
        layer.problems.append(f"{name}: nested too deeply, or within itself")
    return None


def _why(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        begun, line = error.context_mark, error.problem_mark.line
        since = f", in what began on line {begun.line + 1}" if begun and begun.line < line else ""
        return f"line {line + 1}: {error.problem or error.context}{since}"
    position = getattr(error, "position", 0)  # of a character that YAML forbids
    line = text.count("\n", 0, position)
    return f"line {line + 1}: {str(error).splitlines()[0]}"


# --- layers ---------------------------------------------------------------------------------------


class _Layers:
    """The layers laid so far: the values, who set each, and what was wrong on the way."""

    def __init__(self, default: _Layer) -> None:
        self.tree: dict[str, Any] = {}
        self.problems: list[str] = []
        self._default = default
        self._setters: dict[_Place, _Layer] = {}
        self.lay(default)

    def lay(self, layer: _Layer) -> None:
        """Lay one more layer over the others."""
        self._merge(self.tree, layer.tree, (), layer)
        self.problems += layer.problems

    def default(self, at: _Place) -> Any:
        """The packaged value at this place, for a new entry its template's; null where there is none."""
        tree: Any = self._default.tree
        if len(at) > 1 and at[0] in NAMED:
            tree, at = next(iter(tree[at[0]].values())), at[2:]
        return _value_at(tree, at)

    def setter(self, at: _Place) -> _Layer | None:
        """The layer that set the value at this place, or else what it is part of; null where nobody did."""
        found = (self._setters.get(at[:length]) for length in range(len(at), 0, -1))
        return next((layer for layer in found if layer is not None), None)

    def origin(self, at: _Place) -> str:
        """Where the value at this place comes from."""
        layer = self.setter(at)
        return self._default.origin if layer is None else layer.origin

    def text(self, at: _Place) -> str | None:
        """How the value at this place was written, where YAML took it for more than text."""
        layer = self.setter(at)
        return None if layer is None else layer.texts.get(at)

    def texts(self) -> Iterator[tuple[_Place, str]]:
        """Every effective value that YAML took for more than text, as it was written."""
        for layer in {id(each): each for each in self._setters.values()}.values():
            yield from ((at, text) for at, text in layer.texts.items() if self.setter(at) is layer)

    def _merge(self, base: dict[str, Any], over: dict[str, Any], place: _Place, layer: _Layer) -> None:
        for key, value in over.items():
            at = (*place, key)
            if len(place) == 1 and place[0] in NAMED and not self._entry(base, at, value, layer):
                continue
            if place == ("spark",) and not key.startswith("spark."):
                layer.problem(f"spark: the name of an option must begin with spark., got {key}")
            elif isinstance(value, dict):
                if not isinstance(base.get(key), dict):
                    self._put(base, at, {}, layer)
                self._merge(base[key], value, at, layer)
            elif isinstance(base.get(key), dict):  # told at once, as a later layer would hide it
                got = _got(value, layer.texts.get(at))
                layer.problem(f"{_dotted(at)}: must be a mapping of settings, got {got}")
            else:
                self._put(base, at, value, layer)

    def _entry(self, entries: dict[str, Any], at: _Place, value: object, layer: _Layer) -> bool:
        """Make or remove the named entry at this place; false where nothing is left to merge."""
        name = str(at[-1])
        wrong = None
        if value is None and name in entries:
            del entries[name]
            self._setters = {place: s for place, s in self._setters.items() if place[:2] != at}
        elif value is None:
            wrong = f"no such entry to remove{_did_you_mean(name, entries)}"
        elif not re.fullmatch("[a-z][a-z0-9_]*", name):
            wrong = "the name of an entry must begin with a-z and hold only a-z, 0-9 and _"
        elif name not in entries:
            entries[name] = deepcopy(self.default(at))
            self._setters[at] = self._default
        if wrong:
            layer.problem(f"{_dotted(at)}: {wrong}")
        return value is not None and wrong is None

    def _put(self, base: dict[str, Any], at: _Place, value: Any, layer: _Layer) -> None:
        base[str(at[-1])] = value
        self._setters[at] = layer


def _compose(files: Sequence[Path], sets: Sequence[str], lake: str | None) -> _Layers:
    default = _Layer("default")
    default.tree = default.parse(packaged("shoal.conf").joinpath("default.yaml").read_text(encoding="utf-8"))
    layers = _Layers(default)
    for path in files:
        layers.lay(_file_layer(path))
    for given in sets:
        layers.lay(_set_layer(given))
    if lake is not None:
        layers.lay(_Layer("--lake", {"lake": lake}))
    return layers


# --- judging --------------------------------------------------------------------------------------


def _checked(layers: _Layers) -> Config:
    """The settings of all layers, or every problem with them at once.

    Conditions over several settings are judged only where each of them is good, so what is wrong is replaced
    by its default and the whole judged again, until nothing new is found.
    """
    tree = deepcopy(layers.tree)
    found: dict[_Place, str] = {}
    config = None
    while config is None:
        try:
            config = Config.model_validate(tree)
        except ValidationError as error:
            new = {at: text for at, text in _problems(error, tree, layers) if at not in found}
            if not new:
                break
            found |= new
            for at in new:
                _mend(tree, at, layers)
    for at, text in layers.texts():
        if at not in found and _is_odd(_value_at(layers.tree, at), text):
            found[at] = f"write it plainly: YAML reads {text} as {_value_at(layers.tree, at)}"
    problems = [f"{_dotted(at)}: {text}{_from(layers, at)}" for at, text in found.items()]
    if config is None or problems or layers.problems:
        raise ConfigError(bulleted(_HEADLINE, [*layers.problems, *problems], _MOST_PROBLEMS))
    return config


def _from(layers: _Layers, at: _Place) -> str:
    origin = layers.origin(at)
    return "" if origin == "default" else f"  ({origin})"


def _problems(error: ValidationError, tree: Any, layers: _Layers) -> Iterator[tuple[_Place, str]]:
    """pydantic's errors as one problem per place, in plain English."""
    together: dict[_Place, list[ErrorDetails]] = {}
    for each in error.errors(include_url=False):
        together.setdefault(_place_of(each, tree), []).append(each)
    for at, errors in together.items():
        value, kind = _value_at(tree, at), errors[0]["type"]
        if kind == "extra_forbidden":
            yield at, f"unknown setting{_did_you_mean(str(at[-1]), _known_names(at))}"
        elif kind == "missing" and errors[0]["loc"] == at:
            yield at, "is missing"
        elif kind == "value_error":
            yield _told(at, value, str(errors[0]["ctx"]["error"]))
        elif kind == "too_short" and len(value) >= errors[0]["ctx"]["min_length"]:
            continue  # only because pydantic left out items that are told already
        else:
            wanted = " or ".join(_wanted(each) for each in errors)
            yield at, f"must be {wanted}, got {_got(value, layers.text(at))}"


def _place_of(error: ErrorDetails, tree: Any) -> _Place:
    """Where in the tree: without the names of a union's branches and of places that a list lacks."""
    at: _Place = ()
    for part in error["loc"]:
        value = _value_at(tree, at)
        lacks = error["type"] == "missing" and isinstance(value, dict)
        if not _holds(value, part) and not lacks:
            break
        at = (*at, part)
    return at


def _told(at: _Place, value: Any, message: str) -> tuple[_Place, str]:
    """A stage's own sentence; where it begins with the name of a setting, it is told there."""
    first, _, rest = message.partition(" ")
    return ((*at, first), rest) if _holds(value, first) else (at, message)


_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than_equal": "at least {ge}",
    "greater_than": "above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "below {lt}",
    "bool_type": "true or false",
    "literal_error": "{expected}",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "tuple_type": "a list",
    "too_short": "at least {min_length} long",
    "too_long": "at most {max_length} long",
    "model_type": "a mapping of settings",
}
_PATTERNS = {"^[A-Z]{3}$": "three capital letters such as EUR"}


def _wanted(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":  # in a list of fixed length
        return f"at least {int(error['loc'][-1]) + 1} long"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"text that matches {context['pattern']}")
    plain = {
        name: f"{limit:.15g}" if isinstance(limit, float) else str(limit).replace("'", "")
        for name, limit in context.items()
    }
    return _WANTED[kind].format(**plain) if kind in _WANTED else f"different ({error['msg']})"


def _known_names(at: _Place) -> list[str]:
    """The settings that exist beside the one at this place."""
    kind: Any = Config
    for part in at[:-1]:
        if isinstance(kind, type) and issubclass(kind, Params):
            kind = {f.alias or name: f.annotation for name, f in kind.model_fields.items()}[str(part)]
        else:  # a mapping or a list of settings
            inner = (each for each in get_args(kind) if isinstance(each, type))
            kind = next(each for each in inner if issubclass(each, Params))
    return [f.alias or name for name, f in kind.model_fields.items()]


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    match = difflib.get_close_matches(name.lower().replace("-", "_"), names, n=1)
    if match:
        return f"; did you mean {match[0]}?"
    return f"; there are {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}" if names else ""


def _got(value: Any, text: str | None = None) -> str:
    """The value as YAML made it, and where that may surprise, from what and how to get the other."""
    if isinstance(value, dict):
        return "a mapping"
    if value is None or isinstance(value, bool | int | float | str | list):
        shown = json.dumps(value, ensure_ascii=False, default=str)
    else:  # such as a date
        shown = f"a {type(value).__name__}"
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    if isinstance(value, str):
        return shown + _unquote(value)
    if text is not None and text.lower() != shown.lower():
        return f"{shown} (what YAML makes of {text or 'an empty value'}; quotes make it text)"
    return shown


def _unquote(text: str) -> str:
    if re.fullmatch(r"[-+]?[0-9.]+[eE][-+]?[0-9]+", text):
        return " (YAML reads it as text: write a point and a sign, such as 1.0e-3)"
    resolver: Any = yaml.SafeLoader("")  # its stubs leave `resolve` without types
    plain = resolver.resolve(yaml.ScalarNode, text, (True, False))
    is_text = not text or plain == "tag:yaml.org,2002:str"
    return "" if is_text else " (text: leave out the quotes)"


def _is_odd(value: object, text: str) -> bool:
    """Numbers that YAML 1.1 reads to other bases: 0750 is octal, 12:30 counts sixties."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    octal = re.fullmatch("[-+]?0[0-7_]+", text) is not None
    return ":" in text or (octal and int(text.replace("_", "")) != value)


def _mend(tree: dict[str, Any], at: _Place, layers: _Layers) -> None:
    """Put the default where a value is wrong; what has none is taken away."""
    *parents, last = at[: next((i for i, part in enumerate(at) if isinstance(part, int)), len(at))]
    parent, good = _value_at(tree, tuple(parents)), layers.default((*parents, last))
    if good is None:
        parent.pop(last, None)
    else:
        parent[last] = deepcopy(good)


# --- trees ----------------------------------------------------------------------------------------


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _value_at(tree: Any, at: _Place) -> Any:
    for part in at:
        if not _holds(tree, part):
            return None
        tree = tree[part]
    return tree


def _leaves(value: Any, at: _Place) -> Iterator[tuple[_Place, Any]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _leaves(below, (*at, key))
    else:
        yield at, value


def _dotted(at: _Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at).removeprefix(".")
