"""An optimizer: proposes the current text with one sentence less."""

from collections.abc import Sequence
from typing import Any

from paragrad import Parameter
from paragrad.optimizers import Candidate, Evidence, Transform, register


@register("shorten")
class Shorten(Transform):
    """For those who pay by the token. Its state is the texts it has tried, as plain data."""

    kinds = frozenset({"text"})

    def init(self, parameters: Sequence[Any]) -> dict[str, list[str]]:
        return {"tried": []}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Any) -> tuple[list[Candidate], Any]:
        candidates: list[Candidate] = []
        tried = list(state["tried"])
        for id, parameter in evidence.parameters.items():
            sentences = parameter.value.split(". ") if parameter.trainable and parameter.kind == "text" else []
            for i in range(len(sentences)):
                text = ". ".join(sentences[:i] + sentences[i + 1 :])
                if text and text not in tried and len(candidates) < n:
                    tried.append(text)
                    candidates.append(evidence.candidate({id: text}, origin=f'- "{sentences[i]}"'))
        return candidates, {"tried": tried}


if __name__ == "__main__":
    prompt: Parameter[str] = Parameter("Be kind. Take your time. Answer with a number.", name="prompt")
    optimizer = Shorten([prompt])  # bound to Parameters: zero_grad, backward, step
    print(optimizer.step(), "→", prompt.value)
