"""The model card: what was learned, how well, and how to load it, with the hub's front matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml  # type: ignore[import-untyped]

from genlab.assembly.export.user_code import remedy
from genlab.errors import first_few
from genlab.runs.metrics import metric_of, rank, remark
from genlab.runs.text import rounded

__all__ = ["card"]

LIKELIHOOD = {
    "exact": "Its log-density is exact",
    "lower_bound": "Its log-density is a lower bound",
    "estimate": "Its log-density is an estimate",
}

# What of columns makes other numbers of them than a table has.
KINDS = ("degrees", "integer", "levels")


def card(config: Mapping[str, Any], *, license: str, figures: Sequence[str]) -> str:
    """The text of a folder's ``README.md``.

    Args:
        config: What its ``config.json`` says.
        license: What a hub is told of the license.
        figures: Files of figures, relative to the folder.
    """
    learned = config["learned"]
    title = f"{learned['model']} on {learned['data']}"
    parts = [
        f"---\n{_front_matter(config, license)}---\n\n# {title}\n",
        _learned(config),
        "## Numbers\n\n" + _numbers(config),
        "## Load\n\n" + _own(config) + _load(config),
    ]
    if config["programs"]:
        parts.append("## Programs\n\n" + _programs(config["programs"]))
    if figures:
        shown = "\n\n".join(f"![{name.rpartition('/')[2][:-4]}]({name})" for name in figures)
        parts.append(f"## Figures\n\n{shown}\n")
    return "\n".join(parts)


def _front_matter(config: Mapping[str, Any], license: str) -> str:
    learned, metrics = config["learned"], config["metrics"]
    results = [
        {"type": tag.removeprefix("test/"), "name": tag, "value": value}
        for tag, value in sorted(metrics.items(), key=lambda item: rank(item[0]))
        if tag.startswith("test/") and not tag.endswith("/se") and value is not None
    ]
    matter: dict[str, Any] = {
        "license": license,
        "library_name": "genlab",
        "tags": ["genlab", "density-estimation", "generative-model", learned["model"]],
    }
    if results:
        matter["metrics"] = [result["type"] for result in results]
        matter["model-index"] = [
            {
                "name": f"{learned['model']} on {learned['data']}",
                "results": [
                    {
                        "task": {"type": "density-estimation", "name": "Density estimation"},
                        "dataset": {"type": learned["data"], "name": learned["data"]},
                        "metrics": results,
                    }
                ],
            }
        ]
    text: str = yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)
    return text


def _learned(config: Mapping[str, Any]) -> str:
    learned, made, context = config["learned"], config["made"], config["context"]
    shape = list(config["event_shape"])
    sample = f"vectors of {shape[0]} numbers" if len(shape) == 1 else f"arrays of shape {shape}"
    if config["columns"]:
        sample += f" ({first_few(config['columns'])})"
    given = ""
    if context["labels"]:
        names = context["label_names"]
        given = f", given one of {context['labels']} classes"
        given += f" ({first_few([*map(str, names)])})" if names else ""
    elif context["dim"]:
        names = context["columns"]
        given = f", given {context['dim']} numbers"
        given += f" ({first_few(names)})" if names else ""
    steps = f" in {int(made['steps']):,} steps" if made["steps"] else ""
    return (
        f"A density of {sample}{given}, learned from {learned['data']} by {learned['model']}, a "
        f"model of {config['parameters']:,} parameters in {config['precision']}. "
        f"{LIKELIHOOD[config['likelihood']]}, in nats and in the units of the data. "
        f"It was trained{steps} with seed {made['seed']} by "
        f"genlab {config['genlab']}.\n"
    )


def _numbers(config: Mapping[str, Any]) -> str:
    metrics, likelihood = config["metrics"], config["likelihood"]
    tags = [
        tag
        for tag in sorted(metrics, key=rank)
        if tag.startswith("test/")
        and not tag.endswith("/se")
        and metric_of(tag).beside not in metrics
    ]
    if not tags:
        return "It has not been tested.\n"
    rows = ["| metric | value | standard error | |", "| --- | ---: | ---: | --- |"]
    for tag in tags:
        value, error = rounded(metrics[tag], metrics.get(f"{tag}/se"))
        rows.append(f"| `{tag}` | {value} | {error} | {remark(tag, metrics, likelihood)} |")
    return "\n".join(rows) + "\n"


def _own(config: Mapping[str, Any]) -> str:
    """What the model, and its data, are made of that is not genlab's, and how to get it."""
    told = []
    for one in config["own"]["model"]:
        cures = [remedy(needed) for needed in one.get("modules", [one])]
        told.append(
            f"It is made of code that is not genlab's: {_named(one)}. "
            f"Before it can be loaded: {', and '.join(cures)}."
        )
    named = [_named(one) for one in config["own"]["data"]]
    if named:
        told.append(
            f"Its data are the user's own, {first_few(named)}, which loading does not need."
        )
    return "".join(f"{line}\n\n" for line in told)


def _named(one: Mapping[str, Any]) -> str:
    """The key of a user's own code with its value, without the folders of this machine."""
    return f"`{one['key']}={one.get('file', one['value'])}`"


def _load(config: Mapping[str, Any]) -> str:
    context = config["context"]
    argument = ""
    if context["labels"]:
        argument = ", torch.tensor([0])"
    elif context["dim"]:
        argument = f", torch.zeros({context['dim']})"
    imports = "import genlab\n" + ("import torch\n" if argument else "")
    of_table = config.get("transforms")
    rows = (
        "Samples are points that stand for rows of a table. With "
        '`columns = genlab.load(".").transforms`, `columns.frame(x)` makes rows of them, and '
        "`genlab.score(model, rows, columns=columns)` gives the log-densities of rows.\n"
        if of_table and any(of_table[kind] for kind in KINDS)
        else ""
    )
    return (
        "With genlab, from this folder or, with `hf://USER/NAME`, from the hub:\n\n"
        f"```python\n{imports}\n"
        'model = genlab.load(".").model\n'
        f"x = model.sample(5{argument})\n"
        f"log_p = model.log_prob(x{argument})\n```\n{rows}"
    )


def _programs(programs: Mapping[str, Any]) -> str:
    lines = [
        "They run in plain torch, for any number n of rows. Rows of noise make rows of samples.\n"
    ]
    for name in ("log_prob", "sample"):
        if name not in programs:
            continue
        told = programs[name]
        if "reason" in told:
            lines.append(f"- `{name}`: none: {told['reason']}")
            continue
        inputs = ", ".join(
            f"`{one['name']}` [{', '.join(map(str, one['shape']))}] {one['dtype']}"
            + (f" ({one['distribution']})" if "distribution" in one else "")
            for one in told["inputs"]
        )
        lines.append(f"- `{told['file']}`: {inputs}.{_computed(told)}{_onnx(told)}")
    if "inputs" in programs.get("log_prob", {}):
        given = ", ".join(
            f"torch.zeros({', '.join(['1000', *map(str, one['shape'][1:])])}"
            f", dtype=torch.{one['dtype']})"
            for one in programs["log_prob"]["inputs"]
        )
        lines.append(
            "\n```python\nimport torch\n\n"
            'log_prob = torch.export.load("log_prob.pt2").module()\n'
            f"log_p = log_prob({given})\n```"
        )
    return "\n".join(lines) + "\n"


def _computed(told: Mapping[str, Any]) -> str:
    """What a program does in its own way, and the number that this leaves."""
    said = []
    if "solver" in told:
        said.append(
            f"the ODE by {told['solver']['steps']} equal steps of {told['solver']['method']}"
        )
    if "inverse" in told:
        said.append(f"each block's inverse by {told['inverse']['steps']} steps of Newton's method")
    if told.get("log_det") == "exact" or told.get("divergence") == "exact":
        said.append("determinants exactly")
    text = f" It computes {', '.join(said)}." if said else ""
    if "max_difference" in told:
        text += (
            f" At {told['points']} test points its log-densities are within "
            f"{told['max_difference']:.1e} nats of those of `genlab score`."
        )
    if "mean_difference" in told:
        text += (
            f" At {told['points']} test points its mean log-density differs from that of `genlab "
            f"score` by {told['mean_difference']:.1e} +- {told['mean_difference_se']:.1e} nats, "
            "as both are made of draws."
        )
    return text


def _onnx(told: Mapping[str, Any]) -> str:
    if "onnx" not in told:
        return ""
    onnx = told["onnx"]
    return f" ONNX: `{onnx['file']}`." if "file" in onnx else f" ONNX: none, {onnx['reason']}."
