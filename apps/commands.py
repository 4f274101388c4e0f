"""The one table of commands: what `kinora`, the queue of jobs, the page, sweeps, training and `rerun` know of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from foundation.runtime.host import Host
    from foundation.training.cli import Recipe


class RecipeEntry(NamedTuple):
    """A recipe: module with `run`, class of its settings in the `config` beside it, and its line of help.

    `conf/recipe/NAME.yaml` is in the app's folder.
    """

    module: str
    schema: str
    help: str


class Entry(NamedTuple):
    """A module and its line of help: with `Evaluation` and `evaluate`, or with the `main` of a data action."""

    module: str
    help: str


@dataclass(frozen=True)
class Command:
    """A command; every module is imported when it is used.

    Attributes:
        help: its line of help.
        main: `module:function` that takes the words behind the name; None: the request's flags are read, and it is
            carried out here or on a server.
        request: `module:class` of the settings, of a command that makes files.
        make: `module:function` that carries a request out.
        remake: module with `remake` or `remake_parts`, which makes its results again from a receipt.
        word: the setting whose value may stand without its flag.
        rewrites: whether it takes the rewriter's settings, see `apps.film.rewriting`.
        keeps_parts: whether it goes on from what an interrupted run left beside its result.
        tab: module with the `TAB` of the page.
        recipes: what `kinora train` can run of it.
        evaluations: what `kinora evaluate` can measure of it.
        data: what `kinora data` can do with its training data.
    """

    help: str
    main: str | None = None
    request: str | None = None
    make: str | None = None
    remake: str | None = None
    word: str | None = None
    rewrites: bool = False
    keeps_parts: bool = False
    tab: str | None = None
    recipes: Mapping[str, RecipeEntry] = field(default_factory=dict)
    evaluations: Mapping[str, Entry] = field(default_factory=dict)
    data: Mapping[str, Entry] = field(default_factory=dict)

    def schema(self) -> type[Any]:
        """The class of its settings, with the rewriter's where it takes them."""
        own = load(self.request)
        if not self.rewrites:
            return own
        from apps.film.rewriting import with_rewriting

        return with_rewriting(own)

    def run(self, request: Any, host: Host) -> list[Path]:
        """Carry a request out.

        Args:
            request: of its `schema`.
            host: loads models and watches steps.

        Returns:
            The paths of the results.
        """
        make = load(self.make)
        if not self.rewrites:
            return make(request, host=host)
        from apps.film.rewriting import carry_out

        return carry_out(load(self.request), make, request, host)


def load(name: str | None) -> Any:
    """What `module:name` names."""
    assert name is not None
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


COMMANDS: dict[str, Command] = {
    "t2v": Command(
        "generate video from a prompt",
        request="foundation.t2v.request:TextToVideoRequest",
        make="foundation.t2v.cli:make",
        remake="foundation.t2v.cli",
        rewrites=True,
        tab="ui.page.tabs.text",
    ),
    "i2v": Command(
        "generate video from images and a prompt",
        request="apps.i2v.request:ImageToVideoRequest",
        make="apps.i2v.cli:make",
        remake="apps.i2v.cli",
        rewrites=True,
        tab="ui.page.tabs.image",
        recipes={
            "i2v": RecipeEntry(
                "apps.i2v.training.i2v", "I2VConfig", "image-to-video, from text-to-video weights"
            ),
            "i2v_portrait": RecipeEntry(
                "apps.i2v.training.i2v_portrait", "I2VConfig", "image-to-video, fine-tuned on clips of people"
            ),
            "i2v_lora": RecipeEntry(
                "apps.i2v.training.i2v_lora", "I2VLoRAConfig", "image-to-video as a LoRA"
            ),
        },
        evaluations={
            "i2v": Entry(
                "apps.i2v.evaluation", "clips of images that training never saw, and clips that go on"
            )
        },
    ),
    "v2a": Command(
        "generate audio for a video, or from a prompt",
        request="apps.v2a.request:VideoToAudioRequest",
        make="apps.v2a.cli:make",
        remake="apps.v2a.cli",
        word="video",
        tab="ui.page.tabs.sound",
        recipes={
            "mel_vae": RecipeEntry(
                "apps.v2a.training.mel_vae", "MelVAEConfig", "the sound codec's VAE, from rendered sounds"
            ),
            "vocoder": RecipeEntry(
                "apps.v2a.training.vocoder",
                "VocoderConfig",
                "the sound codec's vocoder, on its VAE's outputs",
            ),
            "av_consistency": RecipeEntry(
                "apps.v2a.training.av_consistency",
                "AVConsistencyConfig",
                "which sound belongs to which video, and the small encoders of v2a",
            ),
            "av_clip": RecipeEntry(
                "apps.v2a.training.av_clip",
                "AVClipConfig",
                "the vision tower of v2a, on what things sound like",
            ),
            "v2a": RecipeEntry(
                "apps.v2a.training.v2a", "V2AConfig", "the audio transformer, on frozen latents"
            ),
            "v2a_lora": RecipeEntry(
                "apps.v2a.training.v2a_lora", "V2ALoRAConfig", "a LoRA for it, from a few clips with sound"
            ),
        },
        evaluations={
            "codec": Entry("apps.v2a.codec.evaluation", "what sounds lose on their way to latents and back"),
            "v2a": Entry(
                "apps.v2a.evaluation", "sounds of clips that training never saw: moments and materials"
            ),
        },
        data={"v2a": Entry("apps.v2a.curation.cli", "which clips have a sound that is worth learning")},
    ),
    "rewrite": Command(
        "rewrite a prompt into the form that the video model was trained on",
        "apps.prompt_rewrite.cli:main",
        request="apps.prompt_rewrite.request:RewriteRequest",
        make="apps.prompt_rewrite.cli:make",
        word="prompt",
        tab="ui.page.tabs.rewrite",
        recipes={
            "rewrite": RecipeEntry(
                "apps.prompt_rewrite.training.rewrite",
                "RewriteConfig",
                "the starter's rewriter, from nothing",
            ),
            "rewrite_lora": RecipeEntry(
                "apps.prompt_rewrite.training.rewrite_lora",
                "RewriteLoRAConfig",
                "a LoRA for a chat model, on pairs",
            ),
        },
        evaluations={
            "rewrite": Entry("apps.prompt_rewrite.evaluation", "what rewrites keep of held-out prompts")
        },
    ),
    "film": Command(
        "generate a film with audio from a prompt or a scene file",
        request="apps.film.request:FilmRequest",
        make="apps.film.run:make",
        remake="apps.film.rerun",
        word="prompt",
        keeps_parts=True,
        tab="ui.page.tabs.film",
    ),
    "sweep": Command("generate every combination of lists of settings, with a table", "apps.sweep.cli:main"),
    "train": Command("train a recipe: kinora train RECIPE key=value ...", "apps.commands:train"),
    "data": Command("inspect and prepare a folder of clips for training", "apps.commands:data"),
    "models": Command("list, download, convert and check weights", "foundation.checkpoints.cli:main"),
    "lora": Command("show and convert LoRA files", "foundation.checkpoints.lora.cli:main"),
    "evaluate": Command("evaluate a model", "apps.commands:evaluate"),
    "rerun": Command("generate a result again from its receipt and compare it", "apps.commands:rerun"),
    "serve": Command("run jobs over HTTP", "ui.server:main"),
    "ui": Command("serve the web page", "ui.app:main"),
    "show": Command("print the receipt of a file", "shared.receipts.cli:show"),
    "verify": Command("check that a file is unchanged", "shared.receipts.cli:verify"),
}


def generating() -> dict[str, Command]:
    """The commands that make files from a request: those that a job, a sweep or a tab can run."""
    return {name: command for name, command in COMMANDS.items() if command.make}


# -- what commands of the foundation find in the table -------------------------------------------------------


def recipes() -> dict[str, Recipe]:
    """The foundation's recipes and the apps', by name."""
    from foundation.training import cli

    own = {
        name: cli.Recipe(
            entry.module,
            f"{entry.module.rpartition('.')[0]}.config:{entry.schema}",
            entry.help,
            Path(__file__).parent / entry.module.split(".")[1] / "conf",
        )
        for command in COMMANDS.values()
        for name, entry in command.recipes.items()
    }
    return {**cli.RECIPES, **own}


def remakers() -> dict[str, str]:
    """Command -> module with `remake` or `remake_parts`."""
    return {name: command.remake for name, command in COMMANDS.items() if command.remake}


def train(argv: Sequence[str]) -> None:
    """`kinora train`: the foundation's recipes and the apps'."""
    from foundation.training import cli

    cli.main(argv, recipes())


def evaluate(argv: Sequence[str]) -> None:
    """`kinora evaluate`: the foundation's measures and the apps'."""
    from foundation.evaluation import cli

    own = {
        name: cli.Measure(entry.help, partial(_evaluation, entry.module))
        for command in COMMANDS.values()
        for name, entry in command.evaluations.items()
    }
    cli.main(argv, {**cli.MEASURES, **own})


def data(argv: Sequence[str]) -> None:
    """`kinora data`: what the foundation's recipes use of a folder, and what the apps' use."""
    from foundation.data import cli

    own = {name: _action(entry) for command in COMMANDS.values() for name, entry in command.data.items()}
    cli.main(argv, {**cli.ACTIONS, **own})


def rerun(argv: Sequence[str]) -> None:
    """`kinora rerun`: results of every command that can make them again."""
    from foundation.rerun import rerun as command

    command.main(list(argv), remakers())


def _action(entry: Entry) -> Callable[[list[str]], None]:
    def run(argv: list[str]) -> None:
        import_module(entry.module).main(argv)

    run.__doc__ = entry.help
    return run


def _evaluation(module: str) -> tuple[Any, Any]:
    """The settings and the function of an app's evaluation."""
    found = import_module(module)
    return found.Evaluation, found.evaluate
