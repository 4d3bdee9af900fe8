"""Calling tools: one call, two calls, none, and the answer from what a tool returned."""

from __future__ import annotations

import json
from typing import Any

from training.scene import FALLBACK, Call, Message, Scene
from training.toolbox import ARITHMETIC, SKILLS, Skill, Tool, Value, choose

Values = tuple[Value, ...]


def offer(scene: Scene) -> list[Tool]:
    """Give the scene tools, before its first turn."""
    tools = choose(scene.rng, scene.words)
    scene.tools = [tool.openai() for tool in tools]
    scene.skills = {tool.skill.key for tool in tools}
    return tools


def _draw(scene: Scene, skill: Skill) -> Values:
    return tuple(slot.draw(scene.words) for slot in skill.slots)


def _spoken(values: Values) -> list[str]:
    return [str(v).lower() if isinstance(v, bool) else str(v) for v in values]


def _call(tool: Tool, values: Values) -> Call:
    return Call(tool.name, dict(zip(tool.parameters, values, strict=True)))


def _as_request(scene: Scene, clause: str) -> str:
    """A clause as a sentence; the stop only where it cannot touch a value to be copied."""
    question = clause.startswith(("what", "how", "is ", "when", "where"))
    text = clause if scene.rng.random() < 0.25 else clause[0].upper() + clause[1:]
    if question:
        return text + ("?" if scene.rng.random() < 0.8 else "")
    if scene.rng.random() < 0.08:
        text = f"Please {clause}"
    return text + ("." if scene.rng.random() < 0.3 and ": " not in clause else "")


def _clause(scene: Scene, tool: Tool, values: Values) -> str:
    return scene.rng.choice(tool.skill.requests).format(*_spoken(values))


def flat(result: Any) -> str:
    """A tool's result as the answer words it: `key value, key value`, or the text itself."""
    if isinstance(result, dict):
        return ", ".join(
            f"{key} {json.dumps(value).strip(chr(34))}" for key, value in result.items()
        )
    return str(result)


def _return(scene: Scene, tool: Tool, values: Values) -> str:
    """Append what the tool returns; give the line of the answer that reports it."""
    result = tool.skill.result(scene.words)
    if scene.rng.random() < 0.04:
        result = {"error": scene.rng.choice(("not found", "timeout", scene.words.sentence()))}
    separators = scene.rng.choice(((", ", ": "), (", ", ": "), (",", ":")))
    text = result if isinstance(result, str) else json.dumps(result, separators=separators)
    scene.messages.append(Message("tool", text))
    return tool.skill.lead.format(*_spoken(values)) + flat(result)


def _finish(scene: Scene, used: list[tuple[Tool, Values]]) -> None:
    lines = [_return(scene, tool, values) for tool, values in used]
    scene.answer("tool result", "\n".join(lines), "The tool has answered. I report it.")


def call_one(scene: Scene, tools: list[Tool], finish: bool) -> None:
    tool = scene.rng.choice(tools)
    values = _draw(scene, tool.skill)
    scene.ask(_as_request(scene, _clause(scene, tool, values)))
    scene.answer("tool call", "", f"I call {tool.name}.", (_call(tool, values),))
    if finish:
        _finish(scene, [(tool, values)])


def _pair(scene: Scene, tools: list[Tool]) -> tuple[str, list[tuple[Tool, Values]]]:
    """One request for two things, and the two uses that it needs."""
    tool = scene.rng.choice(tools)
    if tool.skill.pair and scene.rng.random() < 0.7:
        used = [(tool, _draw(scene, tool.skill)) for _ in range(2)]
        values = [_spoken(values)[0] for _, values in used]
        return scene.rng.choice(tool.skill.pair).format(*values), used
    other = scene.rng.choice(tools)
    used = [(tool, _draw(scene, tool.skill)), (other, _draw(scene, other.skill))]
    first, second = (_clause(scene, *use) for use in used)
    joints = (" and ", ", then ", " and also ") if " and " not in first else ()
    joint = scene.rng.choice(("? Also, ", ". Then ", ". Also, ", *joints))
    return first + joint + second, used


def call_two(scene: Scene, tools: list[Tool], finish: bool) -> None:
    clause, used = _pair(scene, tools)
    scene.ask(_as_request(scene, clause))
    names = " and ".join(tool.name for tool, _ in used)
    calls = tuple(_call(tool, values) for tool, values in used)
    scene.answer("two tool calls", "", f"I call {names}.", calls)
    if finish:
        _finish(scene, used)


def call_none(scene: Scene) -> None:
    """A request for a tool that is not there."""
    excluded = scene.skills | ARITHMETIC | {"translate"}
    skill = scene.rng.choice([skill for skill in SKILLS if skill.key not in excluded])
    clause = scene.rng.choice(skill.requests).format(*_spoken(_draw(scene, skill)))
    scene.exchange("no tool call", _as_request(scene, clause), FALLBACK, "No tool fits.")
