"""Registries: how a lower floor reaches a higher one, and how plug-ins are found, by name.

A registry maps a name to an object. Built-in names map to ``"module:attribute"`` strings and are
imported on first use, so importing this package imports nothing. Third parties add names with
``register`` or with entry points of the group ``paragrad.<kind>s``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from paragrad.errors import UnknownName, UsageError


class Registry:
    """Names of one kind of part.

    Args:
        kind: what the names name, in the singular ("optimizer"); used in messages.
        builtin: name to ``"module:attribute"``, sorted by name.
        relatives: names of other libraries to ours, for helpful errors.
        group: entry point group of plug-ins; default ``paragrad.<kind>s``.
    """

    def __init__(
        self, kind: str, builtin: Mapping[str, str], relatives: Mapping[str, str] | None = None, *, group: str | None = None
    ) -> None:
        self.kind = kind
        self.group = group or f"paragrad.{kind}s"
        self.builtin = dict(builtin)
        self.relatives = dict(relatives or {})
        self._found: dict[str, Any] = {}

    def register(self, name: str) -> Callable[[Any], Any]:
        """Decorator that adds ``name``; an existing name of another object is an error."""

        def add(part: Any) -> Any:
            taken = self._found.get(name)
            if name in self.builtin or (taken is not None and taken is not part and getattr(taken, "__qualname__", 0) != part.__qualname__):
                raise UsageError(f"the {self.kind} name {name!r} is taken; choose another name")
            self._found[name] = part
            return part

        return add

    def names(self) -> list[str]:
        """Every known name, sorted."""
        return sorted({*self.builtin, *self._found, *self._entry_points()})

    def get(self, name: str) -> Any:
        """The part called ``name``.

        Raises:
            UnknownName: with the nearest known names, or our name for another library's.
        """
        part = self._found.get(name)
        if part is None:
            path = self.builtin.get(name) or self._entry_points().get(name)
            if path is None:
                raise UnknownName(self._unknown(name))
            module, _, attribute = path.partition(":")
            part = getattr(import_module(module), attribute) if attribute else import_module(module)
            self._found[name] = part
        return part

    def __contains__(self, name: str) -> bool:
        return name in self.builtin or name in self._found or name in self._entry_points()

    def _entry_points(self) -> dict[str, str]:
        from importlib.metadata import entry_points

        return {point.name: point.value for point in entry_points(group=self.group)}

    def _unknown(self, name: str) -> str:
        relative = self.relatives.get(name.lower())
        if relative is not None and relative in self:
            return f"{name!r}: that {self.kind} is {relative!r} here"
        near = difflib.get_close_matches(name.lower(), self.names(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(self.names())}"
        return f"no {self.kind} is called {name!r}; {hint}"


algorithms = Registry(
    "algorithm",
    {
        "basic": "paragrad.trainers.basic:BasicSearch",
        "beam": "paragrad.trainers.beam:BeamSearch",
        "minibatch": "paragrad.trainers.minibatch:MinibatchAlgorithm",
        "pareto": "paragrad.trainers.pareto:ParetoSearch",
        "ucb": "paragrad.trainers.ucb:UCBSearch",
    },
    {"gepa": "pareto", "miprov2": "pareto", "beamsearch": "beam", "ucbsearch": "ucb", "basicsearch": "basic"},
    group="paragrad.trainers",
)
facets = Registry("facet", {  # parts that lower floors find by name
    "ambient_stores": "paragrad.stores.contexts:ambient_stores",
    "array_function": "paragrad.ops.tensor_numpy:array_function",
    "array_method": "paragrad.ops.tensor_numpy:array_method",
    "astream": "paragrad.modules.streaming:AsyncStreamed",
    "bind": "paragrad.modules.bound:bind",
    "cell": "paragrad.stores.cells:open_cell",
    "context": "paragrad.stores.contexts:resolve_context",
    "coroutine": "paragrad.executors.loops:run_coroutine",
    "default_context": "paragrad.stores.default:default_parameter_context",
    "encode_id": "paragrad.stores.ids:encode_id",
    "flow": "paragrad.executors.shared:flow",
    "gather": "paragrad.executors.shared:gather",
    "init_optimizer": "paragrad.rules.initializing:init_optimizer",
    "initial": "paragrad.initializers.lazy:initial",
    "initializer": "paragrad.initializers.making:initializer",
    "keep": "paragrad.runs.records:keep",
    "load": "paragrad.modules.files:load",
    "map": "paragrad.modules.mapping:map_rows",
    "open_store": "paragrad.stores.opening:open",
    "parameter_server": "paragrad.stores.server:serve",
    "pool": "paragrad.executors.pool:Pool",
    "publish": "paragrad.runs.publishing:publish",
    "publish_all": "paragrad.stores.transactions:publish_all",
    "publish_values": "paragrad.runs.publishing:publish_values",
    "save": "paragrad.modules.files:save",
    "space_for": "paragrad.spaces.infer:space_for",
    "stochastic": "paragrad.gen.stochastic:StochasticFunction",
    "stream": "paragrad.modules.streaming:Streamed",
    "table": "paragrad.runs.table:table",
})  # fmt: skip
initializers = Registry(
    "initializer",
    {
        "constant": "paragrad.initializers.constant:Constant",
        "dirac": "paragrad.initializers.identity:Dirac",
        "he_normal": "paragrad.initializers.he:HeNormal",
        "he_uniform": "paragrad.initializers.he:HeUniform",
        "identity": "paragrad.initializers.identity:Identity",
        "normal": "paragrad.initializers.normal:Normal",
        "ones": "paragrad.initializers.constant:One",
        "orthogonal": "paragrad.initializers.orthogonal:Orthogonal",
        "sparse": "paragrad.initializers.sparse:Sparse",
        "truncated_normal": "paragrad.initializers.normal:TruncatedNormal",
        "uniform": "paragrad.initializers.uniform:Uniform",
        "variance_scaling": "paragrad.initializers.scaling:VarianceScaling",
        "xavier_normal": "paragrad.initializers.xavier:XavierNormal",
        "xavier_uniform": "paragrad.initializers.xavier:XavierUniform",
        "zeros": "paragrad.initializers.constant:Zero",
    },
    {
        "eye": "identity",
        "glorot_normal": "xavier_normal",
        "glorot_uniform": "xavier_uniform",
        "henormal": "he_normal",
        "heuniform": "he_uniform",
        "kaiming_normal": "he_normal",
        "kaiming_uniform": "he_uniform",
        "one": "ones",
        "trunc_normal": "truncated_normal",
        "truncatednormal": "truncated_normal",
        "variancescaling": "variance_scaling",
        "xaviernormal": "xavier_normal",
        "xavieruniform": "xavier_uniform",
        "zero": "zeros",
    },
)
metrics = Registry("metric", {
    "contains": "paragrad.guides.metrics:contains",
    "environment": "paragrad.guides.environment:EnvironmentGuide",
    "exact_match": "paragrad.guides.metrics:exact_match",
    "f1": "paragrad.guides.metrics:f1",
    "numeric": "paragrad.guides.metrics:numeric",
})  # fmt: skip
models = Registry("model", {
    "anthropic": "paragrad.llm.anthropic:Anthropic",
    "embedded": "paragrad.llm.embedded.model:EmbeddedModel",
    "fake": "paragrad.llm.fake:Fake",
    "google": "paragrad.llm.google:Google",
    "openai": "paragrad.llm.openai:OpenAICompatible",
})  # fmt: skip
optimizers = Registry(
    "optimizer",
    {
        "adam": "paragrad.optimizers.adam:Adam",
        "bootstrap": "paragrad.optimizers.bootstrap:BootstrapFewShot",
        "edit": "paragrad.optimizers.edit:EditSearch",
        "evolution": "paragrad.optimizers.evolution:EvolutionStrategy",
        "opro": "paragrad.optimizers.opro:OPRO",
        "optoprime": "paragrad.optimizers.optoprime:OptoPrime",
        "playbook": "paragrad.optimizers.playbook:Playbook",
        "reflect": "paragrad.optimizers.reflect:Reflect",
        "sgd": "paragrad.optimizers.sgd:SGD",
        "textgrad": "paragrad.optimizers.textgrad:TextGrad",
        "thresholds": "paragrad.optimizers.thresholds:ThresholdFit",
        "tpe": "paragrad.optimizers.tpe:TPE",
    },
    {
        "ace": "playbook",
        "bayesian": "tpe",
        "bootstrapfewshot": "bootstrap",
        "bootstrapfewshotwithrandomsearch": "bootstrap",
        "cma": "evolution",
        "cma-es": "evolution",
        "cmaes": "evolution",
        "copro": "opro",
        "editsearch": "edit",
        "es": "evolution",
        "evolutionstrategy": "evolution",
        "fewshot": "bootstrap",
        "gepa": "reflect",
        "grips": "edit",
        "miprov2": "tpe",
        "optuna": "tpe",
        "reanchor": "thresholds",
        "reflection": "reflect",
        "simba": "reflect",
        "textualgradientdescent": "textgrad",
        "tgd": "textgrad",
        "thresholdfit": "thresholds",
        "trace": "optoprime",
    },
)
propagators = Registry("propagator", {
    "episodes": "paragrad.propagators.episodes:Episodes",
    "numeric": "paragrad.propagators.numeric:Numeric",
    "score": "paragrad.propagators.score:Score",
    "subgraph": "paragrad.propagators.subgraph:Subgraph",
    "text": "paragrad.propagators.text:Text",
})  # fmt: skip
rules = Registry("rule", {  # modules that attach gradient rules to the generated operators
    "arithmetic": "paragrad.ops.arithmetic",
    "containers": "paragrad.ops.containers",
    "shapes": "paragrad.ops.shapes",
    "text": "paragrad.ops.text",
})  # fmt: skip
spaces = Registry("space", {
    "choice": "paragrad.spaces.choice:Choice",
    "code": "paragrad.spaces.code:Code",
    "demos": "paragrad.spaces.demos:Demos",
    "json": "paragrad.spaces.json:Json",
    "list": "paragrad.spaces.list:List",
    "number": "paragrad.spaces.number:Number",
    "opaque": "paragrad.spaces.opaque:Opaque",
    "tensor": "paragrad.spaces.tensor:Tensor",
    "text": "paragrad.spaces.text:Text",
})  # fmt: skip
stores = Registry("store", {
    "abfs": "paragrad.stores.files:FileStore",
    "az": "paragrad.stores.files:FileStore",
    "device": "paragrad.stores.device:DeviceStore",
    "file": "paragrad.stores.files:FileStore",
    "fsspec": "paragrad.stores.files:FileStore",
    "gcs": "paragrad.stores.files:FileStore",
    "gs": "paragrad.stores.files:FileStore",
    "hdfs": "paragrad.stores.files:FileStore",
    "memory": "paragrad.stores.memory:MemoryStore",
    "postgres": "paragrad.stores.postgres:PostgresStore",
    "postgresql": "paragrad.stores.postgres:PostgresStore",
    "ray": "paragrad.stores.ray:RayStore",
    "redis": "paragrad.stores.redis:RedisStore",
    "rediss": "paragrad.stores.redis:RedisStore",
    "s3": "paragrad.stores.files:FileStore",
    "sftp": "paragrad.stores.files:FileStore",
    "sqlite": "paragrad.stores.sqlite:SQLiteStore",
})  # fmt: skip
trackers = Registry("tracker", {
    "mlflow": "paragrad.runs.tracking.mlflow:MLflow",
    "tensorboard": "paragrad.runs.tracking.tensorboard:TensorBoard",
    "wandb": "paragrad.runs.tracking.wandb:WandB",
})  # fmt: skip
