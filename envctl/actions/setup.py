"""`setup`: what `--cloud gcp` needs besides envctl: the Pulumi CLI, and the plugin of pulumi-gcp."""

from __future__ import annotations

from dataclasses import dataclass

from envctl.errors import OutsideError


@dataclass(frozen=True, slots=True)
class Needed:
    """What is missing; None for what is there."""

    cli: str | None
    plugin: str | None

    @property
    def nothing(self) -> bool:
        """Whether everything is there."""
        return self.cli is None and self.plugin is None


def find_needed() -> Needed:
    """What `--cloud gcp` lacks on this machine: a CLI that is new enough, the plugin in the right version."""
    from envctl.engine.pulumi_cli.command import PINNED, find_command
    from envctl.engine.pulumi_cli.install import PLUGIN, check_plugin, plugin_version

    plugin = f"Pulumi's plugin {PLUGIN} {plugin_version()}"
    try:
        find_command()
    except OutsideError:
        return Needed(f"Pulumi CLI {PINNED}", plugin)
    try:
        check_plugin()
    except OutsideError as error:
        if error.code != "plugin-missing":
            raise
        return Needed(None, plugin)
    return Needed(None, None)


def install(needed: Needed) -> tuple[str, ...]:
    """Installs what is missing, and says what was installed where.

    Raises:
        OutsideError: a download failed, or is not what was published.
    """
    from envctl.engine.pulumi_cli.install import install_cli, install_plugin

    done: list[str] = []
    if needed.cli is not None:
        done.append(f"{needed.cli}: {install_cli()}")
    if needed.plugin is not None:
        install_plugin()
        done.append(f"{needed.plugin}: installed")
    return tuple(done)
