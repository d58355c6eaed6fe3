"""One layer of settings as it is written, in a YAML file or with --set: read, but not yet judged."""

from dataclasses import dataclass, field
from importlib.resources import files as packaged
from pathlib import Path
from typing import Any

import yaml

from shoal.config.places import Place, dotted
from shoal.config.secrecy import HIDDEN, is_secret, without_secret
from shoal.config.wording import got


@dataclass
class Layer:
    """What one file or one option says, before anything is judged."""

    origin: str
    tree: dict[str, Any] = field(default_factory=dict)
    texts: dict[Place, str] = field(default_factory=dict)  # what YAML took for more than text, as written
    problems: list[str] = field(default_factory=list)

    def parse(self, text: str, at: Place = ()) -> Any:
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

    def _plain(self, loader: yaml.SafeLoader, node: yaml.Node, at: Place) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(loader, node, at)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self._plain(loader, item, (*at, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(loader, node, at)
        raise yaml.MarkedYAMLError(problem=f"unknown tag {node.tag}", problem_mark=node.start_mark)

    def _mapping(self, loader: yaml.SafeLoader, node: yaml.MappingNode, at: Place) -> dict[str, Any]:
        """YAML would keep the last of two equal keys and say nothing."""
        first: dict[str, yaml.Node] = {}
        plain: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(problem="a key must be plain text", problem_mark=key.start_mark)
            if first.setdefault(key.value, key) is not key:
                before = first[key.value].start_mark.line + 1
                self.problem(f"{dotted((*at, key.value))}: given twice, on line {before} and on line {line}")
            name = self._scalar(loader, key, (*at, key.value))
            if isinstance(name, str):
                plain[name] = self._plain(loader, value, (*at, name))
            else:
                where = f"{dotted(at)}: " if at else ""
                self.problem(f"{where}a key must be text, got {got(at, name, key.value)} on line {line}")
        return plain

    def _scalar(self, loader: yaml.SafeLoader, node: yaml.ScalarNode, at: Place) -> Any:
        try:
            value = loader.construct_object(node)
        except ValueError as error:  # such as 2026-02-30
            raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from error
        except (KeyError, AttributeError) as error:  # such as !!bool x, of which PyYAML says nothing itself
            problem = f"not of the type {node.tag.rpartition(':')[2]}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error
        if not isinstance(value, str):
            self.texts[at] = node.value
        if at[:1] == ("spark",) and value is not None:  # Spark's options are text, however YAML reads them
            return str(value).lower() if isinstance(value, bool) else node.value
        return value

    def problem(self, text: str) -> None:
        """Keep a problem to be told with all others, and where it came from."""
        self.problems.append(f"{text}  ({self.origin})")


def default_layer() -> Layer:
    """The packaged settings."""
    layer = Layer("default")
    layer.tree = layer.parse(packaged("shoal.conf").joinpath("default.yaml").read_text(encoding="utf-8"))
    return layer


def file_layer(path: Path) -> Layer:
    """The settings of a YAML file."""
    layer = Layer(str(path))
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
            made = got((), tree, layer.texts.get(()))
            layer.problems.append(f"{path}: must be a mapping of settings, got {made}")
    return layer


def set_layer(given: str) -> Layer:
    """One setting, written ``KEY.PATH=VALUE``, the value as in YAML."""
    layer = Layer("--set")
    key, equals, text = given.partition("=")
    at = _set_place(key.strip())
    if not equals or "" in at:
        layer.problems.append(f"--set {without_secret(given)}: must be written KEY.PATH=VALUE")
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


def _parsed(layer: Layer, text: str, name: str, at: Place = ()) -> Any:
    """The value of a YAML text; null, and a problem of the layer, where it has none."""
    try:
        return layer.parse(text, at)
    except yaml.YAMLError as error:
        layer.problems.append(f"{name}: not YAML, {_why(error, text, at)}")
    except RecursionError:
        layer.problems.append(f"{name}: nested too deeply, or within itself")
    return None


def _why(error: yaml.YAMLError, text: str, at: Place) -> str:
    """The line and YAML's own words, which may quote what is written there."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        begun, line = error.context_mark, error.problem_mark.line
        if is_secret(at, "\n".join(text.split("\n")[: line + 1])):
            return f"line {line + 1}: {HIDDEN}, as it may quote a secret"
        since = f", in what began on line {begun.line + 1}" if begun and begun.line < line else ""
        return f"line {line + 1}: {error.problem or error.context}{since}"
    position = getattr(error, "position", 0)  # of a character that YAML forbids
    line = text.count("\n", 0, position)
    return f"line {line + 1}: {str(error).splitlines()[0]}"
