"""Agent: a model that acts, in a loop, with tools or in an environment, until it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast, overload

from paragrad.errors import UsageError
from paragrad.llm.types import Response
from paragrad.modules.conversation import Conversation
from paragrad.modules.episode import EpisodePlay, takes_moves
from paragrad.modules.generator import Generator
from paragrad.modules.messages import Shown
from paragrad.modules.observing import plain_data, words_of
from paragrad.modules.toolset import Toolset, environment_class
from paragrad.protocols.data import Row, Step
from paragrad.protocols.environment import row_in_progress
from paragrad.trace.failure import Failure
from paragrad.trace.record import Edges
from paragrad.trace.values import thaw
from paragrad.trace.variable import Variable

R_co = TypeVar("R_co", covariant=True)


class Agent(Generator[R_co]):
    """Asks a model, does what it asks for, shows it what came of it, and so on until it answers.

    Every reply, call and observation is a recorded operation: feedback on the answer reaches the instruction and the
    words of every tool. What a tool raises, an unknown name or wrong arguments are observations: the model is told.

    Args:
        instruction: a str is a trainable Parameter, as for a Generator.
        tools: typed functions or ``@pg.tool`` ones; or an Environment class (or a ``functools.partial`` of one):
            every call plays an episode on an instance of its own. In an environment with ``step(action)`` a reply
            without tool calls is an action, until the environment is done; otherwise it is the answer.
        output: the type of the answer (of the actions, in an environment with ``step``).
        max_steps: most replies of the model. An agent that has not answered by then fails, with an output that says so;
            an episode of moves is cut there, and scored as it is.
        model: a name or model; None: the one in use.
        name: a prefix for the ids of its Parameters.
        **options: ``inputs``, ``demos``, ``template``, and temperature, max_tokens, ... for every request.

    Raises:
        UsageError: tools that a model cannot call, or an environment in which nothing can be done.
    """

    @overload
    def __init__(self, instruction: Any, *, output: type[R_co], tools: Any = (), max_steps: int = 10, **options: Any) -> None: ...
    @overload
    def __init__(self, instruction: Any, *, output: Any, tools: Any = (), max_steps: int = 10, **options: Any) -> None: ...
    @overload
    def __init__(self: Agent[str], instruction: Any, *, tools: Any = (), max_steps: int = 10, **options: Any) -> None: ...
    def __init__(
        self,
        instruction: Any,
        *,
        tools: Any = (),
        output: Any = str,
        max_steps: int = 10,
        model: Any = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(max_steps, int) or isinstance(max_steps, bool) or max_steps < 1:
            raise UsageError(f"max_steps={max_steps!r}: how many replies the agent may give, a whole number from 1")
        super().__init__(instruction, output=output, model=model, name=name, **options)
        found = environment_class(tools)
        self.environment = tools if found is not None else None
        self.tools = Toolset.of_environment(found) if found is not None else Toolset(cast("Sequence[Any]", tools))
        self.moves = found is not None and takes_moves(found)
        self.max_steps = max_steps
        if found is not None and not (self.tools or self.moves):
            raise UsageError(f"{found.__name__} has neither @pg.tool methods nor step(action), so an agent could do nothing in it")

    def forward(self, *args: Any, **kwargs: Any) -> R_co:
        """Act until there is an answer. Inputs by name, or in the order of ``inputs``; or a whole ``pg.Row``.

        Returns:
            A Variable with the checked answer; in an environment with ``step``, with the last action.

        Raises:
            ExecutionError: no answer after ``max_steps`` replies, or the environment raised; ``.output`` says why.
            ModelError: the model gave no answer.
        """
        play, inputs = self._begin(args, kwargs)
        here = row_in_progress()
        if here is not None and self.environment is not None:
            here.plays.append(play)
        try:
            out = self._played(play, inputs)
        finally:
            if here is None:
                play.close()
        play.output = thaw(out._n.value)
        return cast(R_co, out)

    @property
    def effects(self) -> Any:
        """Those of its tools; None (undeclared) in an environment."""
        return super().effects if self.environment is None else None

    @property
    def component(self) -> str:
        """Its place in the program; "agent" when it is the program."""
        place = super().component
        return "agent" if place == "generator" else place

    def sources(self) -> list[Any]:
        """Its environment class, or its tools."""
        if self.environment is None:
            return super().sources()
        made = self.environment
        return [made.func, words_of(plain_data([made.args, made.keywords]))] if isinstance(made, partial) else [made]

    def _begin(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[EpisodePlay, dict[str, Any]]:
        """The episode and the inputs; the row is the one that is being answered, else made of the inputs."""
        row = args[0] if len(args) == 1 and isinstance(args[0], Row) else None
        taken = {name: value for name, value in row.inputs.items() if name in (self.inputs or row.inputs)} if row is not None else kwargs
        inputs = self._inputs(() if row is not None else args, taken)
        inputs = {name: self.kinds[name].of(value) if name in self.kinds else value for name, value in inputs.items()}
        here = row_in_progress()
        if row is None:
            row = here.row if here is not None else Row("", {name: _plain(value) for name, value in inputs.items()})
        return EpisodePlay(self.environment, row), inputs

    def _played(self, play: EpisodePlay, inputs: dict[str, Any]) -> Variable[Any]:
        talk = self._opened(play, inputs)
        for _ in range(self.max_steps):
            response = talk.ask()
            if response.tool_calls:
                for done in talk.act(response, play.environment):
                    play.note(done.step)
                continue
            out = self._heard(talk, response, play)
            if out is not None:
                return out
        return self._out_of_steps(talk, response, play)

    def _heard(self, talk: Conversation, response: Response, play: EpisodePlay) -> Variable[Any] | None:
        """A reply without tool calls: an answer, an action or neither. The output, when it ends the episode."""
        value, failure = talk.read(response)
        if failure is not None:
            talk.refuse(response, failure)
        elif self.moves:
            reply = talk.move(response, value)
            talk.see(play.step(reply))
            return play.finish(self.component, talk.inputs) if play.done else None
        else:
            play.note(Step(self.component, talk.inputs, value))
            return talk.end(value, response)
        return None

    def _opened(self, play: EpisodePlay, inputs: dict[str, Any]) -> Conversation:
        """The conversation before the first reply."""
        seen: dict[str, Any] = inputs
        if self.environment is not None:
            observation = play.reset(inputs)
            seen = {"observation": observation} if observation._n.value is not None else inputs
        edges = Edges()
        shown = Shown(
            instruction=edges.plain(self.instruction, "instruction"),
            demos=edges.plain(self.demos, "demos") if self.demos is not None else (),
            inputs={name: edges.plain(value, name) for name, value in seen.items()},
        )
        return Conversation(self, shown, edges, self.tools)

    def _out_of_steps(self, talk: Conversation, response: Response, play: EpisodePlay) -> Variable[Any]:
        """The output when the last step is taken: an episode of moves is cut, an agent without an answer has failed."""
        ended = f"the episode was ended after {self.max_steps} replies of the agent (max_steps={self.max_steps}):"
        if play.moved:
            play.cut = f"{ended} the environment was not done"
            return play.finish(self.component, talk.inputs)
        failure = talk.failure or Failure("MaxSteps", f"{ended} there is no answer; its last reply: {talk.last[:200]}", "")
        return talk.end(failure, response, failure)


def _plain(value: Any) -> Any:
    return thaw(value._n.value) if isinstance(value, Variable) else value
