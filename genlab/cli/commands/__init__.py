"""The table of subcommands: names and what each does, readable without importing any of them."""

from __future__ import annotations

__all__ = ["COMMANDS", "EXAMPLES"]

COMMANDS = {
    "train": "train a model on data, and test it against the exact answer",
    "solve": "solve a PDE on collocation points that follow its residual",
    "tune": "search the settings of a model, trial by trial",
    "resume": "go on with a run that was stopped, or further than planned",
    "rerun": "a run's configuration again, or with something changed, in a new directory",
    "evaluate": "test a run again and print its metrics",
    "score": "log-density of your own points",
    "sample": "draw from a run's model",
    "export": "a run's model as a folder of its own, and as programs without genlab",
    "plot": "draw a run's figures again",
    "show": "what a run is, how it stands, and what came out; or what is in a file of data",
    "diff": "in what two runs differ",
    "compare": "many runs in one table, page or figure",
    "board": "look at all runs in TensorBoard",
    "list": "what there is to choose from; `genlab list runs`: your runs",
    "tag": "words that runs are found by, as in `--where tag=paper`",
    "note": "sentences on a run, which stay with it",
    "clean": "remove the directories of failed runs",
    "doctor": "check this machine and this installation",
    "completion": "tab completion for bash, zsh and fish",
}

EXAMPLES = """\
  genlab train model=realnvp data=moons      train, test, and keep all under outputs/
  genlab train model=nice data=pinwheel trainer.max_steps=2000 seed=1
  genlab train -m model=nice,realnvp data=moons,rings    a sweep: every pair
  genlab solve problem=peak sampler=das model=krnet
  genlab list models                         what `model=` can be
  genlab sample latest -n 1000 -o new.csv    draw from the run that was started last
  genlab compare --html compare.html         table, curves and figures of all runs
  genlab resume latest trainer.max_steps=20000
  genlab board                               TensorBoard over outputs/"""
