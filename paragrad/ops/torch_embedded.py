"""The embedded language model's own weights in the graph: low-rank factors as Parameters, a loss as a node.

Low-rank adaptation: Hu et al., "LoRA", 2021. Forward is the runtime's network in torch
(:mod:`paragrad.llm.embedded.torch_model`); what was learnt is merged into weights of their own for generation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from paragrad.errors import UsageError
from paragrad.ops.torch_module import TorchModule
from paragrad.ops.torch_values import needed

MATRICES = ("qkv", "out", "up", "down")


class Trainable(TorchModule):
    """The embedded model with trainable low-rank factors.

    A call is the loss: the mean cross-entropy per token of answers, given prompts. Its gradient reaches
    the factors (``layers.0.qkv.low``, ``.high``), words about it reach the prompts. :meth:`model` gives a language
    model with the values of the current context.
    """

    def forward(self, prompts: Any, answers: Any) -> Any:
        """The loss.

        Args:
            prompts: what the user says: a text or a sequence of texts, Variables or plain.
            answers: what the model should answer: as many texts.
        """
        several = isinstance(prompts, (list, tuple))
        return super().forward(prompts if several else [prompts], answers if several else [answers])

    def model(self) -> Any:
        """An ``EmbeddedModel`` with the factors' current values merged into its weights."""
        from paragrad.llm.embedded.model import EmbeddedModel
        from paragrad.ops.torch_values import tensor_of

        values = {name: tensor_of(vars(self)[name].value) for name in self.names[0]}
        with self.twins.lent() as module, needed().no_grad():
            return EmbeddedModel(needed().func.functional_call(module, values, (None, None)))


def trainable(
    rank: int = 4, *, layers: Collection[int] | None = None, matrices: Collection[str] = MATRICES, weights: Any = None, seed: int = 0
) -> Trainable:
    """The embedded model with low-rank factors beside its matrices, as a program.

    Args:
        rank: of the factors.
        layers: numbers of the layers that get factors, from 0; default: all.
        matrices: which of a layer's matrices: "qkv", "out", "up", "down".
        weights: the weights to start from; default: the package's.
        seed: of the factors' first values; before training they change nothing.

    Raises:
        UsageError: torch is missing, or an argument names nothing the model has.
    """
    torch = needed()
    from paragrad.llm.embedded.torch_model import TorchModel

    if not isinstance(rank, int) or rank < 1:
        raise UsageError(f"rank is {rank!r}; it is a whole number from 1 up")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = TorchModel(weights, rank=rank)
    known = range(len(model.layers))
    chosen = set(known if layers is None else layers)
    unknown = [*(x for x in chosen if x not in known), *(x for x in matrices if x not in MATRICES)]
    if unknown or not chosen or not matrices:
        raise UsageError(f"layers are numbers from 0 to {len(known) - 1}, matrices are {', '.join(MATRICES)}; got {unknown or 'none'}")
    for number, layer in enumerate(model.layers):
        for name in MATRICES:
            if number not in chosen or name not in matrices:
                linear = getattr(layer, name)
                linear.low = linear.high = None
    made = Trainable(_scored(model), frozen=False, random=False)
    made.code.name = "embedded_loss"
    return made


def _scored(model: Any) -> Any:
    """A torch module around the model whose forward is the loss, and without texts its weights for the runtime."""
    torch = needed()

    def forward(prompts: Sequence[str] | None, answers: Sequence[str]) -> Any:
        return model.to_weights() if prompts is None else loss(model, prompts, answers)

    model.plain_forward = model.forward
    model.forward = forward
    assert isinstance(model, torch.nn.Module)
    return model


def loss(model: Any, prompts: Sequence[str], answers: Sequence[str]) -> Any:
    """Mean cross-entropy per token of the answers, their ends included.

    Raises:
        UsageError: another number of answers than of prompts, or a pair that is too long for the model.
    """
    torch = needed()
    from paragrad.llm.embedded.chat import encode_chat

    if len(prompts) != len(answers) or not prompts:
        raise UsageError(f"{len(prompts)} prompts but {len(answers)} answers; give one answer per prompt, and at least one")
    tokenizer, context = model.tokenizer, model.config.context
    starts = [encode_chat(tokenizer, [{"role": "user", "content": str(prompt)}]) for prompt in prompts]
    ends = [[*tokenizer.encode(str(answer)), tokenizer.end] for answer in answers]
    length = max(len(a) + len(b) for a, b in zip(starts, ends, strict=True))
    if length > context:
        raise UsageError(f"a prompt with its answer has {length} tokens, the embedded model reads {context}; make it shorter")
    tokens = torch.tensor([[*a, *b, *[tokenizer.end] * (length - len(a) - len(b))] for a, b in zip(starts, ends, strict=True)])
    wanted = torch.zeros(tokens.shape, dtype=torch.bool)
    for row, (a, b) in enumerate(zip(starts, ends, strict=True)):
        wanted[row, len(a) : len(a) + len(b)] = True
    logs = model.plain_forward(tokens[:, :-1])[wanted[:, 1:]].log_softmax(-1)
    return -logs.gather(1, tokens[wanted][:, None]).mean()
