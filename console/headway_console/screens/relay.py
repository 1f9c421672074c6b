"""Keys whose work is done elsewhere: by the app, its steering and its playback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import Screen

if TYPE_CHECKING:
    from headway_console.app import HeadwayConsole


class Relay(Screen[None], inherit_bindings=False):
    """A screen of ``console`` that passes these actions on."""

    def __init__(self, console: HeadwayConsole) -> None:
        super().__init__()
        self.console = console

    def action_palette(self) -> None:
        """Open the palette."""
        self.app.action_command_palette()

    def action_interrupt(self) -> None:
        """Say how to quit."""
        self.console.say("q quits the console; x cancels the run.")

    def action_next_theme(self) -> None:
        """Change the theme."""
        self.console.next_theme()

    def action_cancel(self) -> None:
        """Ask, then cancel the run."""
        self.console.steering.cancel()

    def action_kill(self) -> None:
        """Ask, then kill the run."""
        self.console.steering.kill()

    def action_checkpoints(self) -> None:
        """Open the checkpoints."""
        self.console.steering.checkpoints()

    def action_leave(self) -> None:
        """Leave, after asking about live runs."""
        self.console.steering.leave()

    def action_play(self) -> None:
        """Play or pause the recording."""
        self.console.playback.play_or_pause()

    def action_step_forward(self) -> None:
        """One event on."""
        self.console.playback.step(1)

    def action_step_back(self) -> None:
        """One event back."""
        self.console.playback.step(-1)

    def action_level_forward(self) -> None:
        """To the next end of a level."""
        self.console.playback.step_level(1)

    def action_level_back(self) -> None:
        """To the previous end of a level."""
        self.console.playback.step_level(-1)

    def action_faster(self) -> None:
        """Play faster."""
        self.console.playback.change_speed(1)

    def action_slower(self) -> None:
        """Play slower."""
        self.console.playback.change_speed(-1)

    def action_seek(self) -> None:
        """Ask where to go."""
        self.console.playback.ask_where()
