"""What `hedgerow up` says to the person at the terminal: little, and only what can be acted on."""

import contextlib
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console as RichConsole
from rich.markup import escape

from hedgerow import __version__
from hedgerow.embedded.instance import Instance
from hedgerow.settings import UpSettings

SNIPPETS = (
    (
        "javascript",
        "import posthog from 'posthog-js'\nposthog.init('{key}', {{\n  api_host: '{url}',\n}})",
    ),
    (
        "python",
        "from posthog import Posthog\nposthog = Posthog(\n    '{key}',\n    host='{url}',\n)\n"
        "posthog.capture('signed up', distinct_id='user-1')",
    ),
)
STYLES = {"warning": "yellow", "error": "red"}


class Console:
    """Everything goes to stderr except the banner, which is what the command is for.

    A terminal that is gone (a closed session, a broken pipe) is no reason to stop, so nothing here raises OSError.
    """

    def __init__(self) -> None:
        self._out = RichConsole(highlight=False)
        self._err = RichConsole(stderr=True, highlight=False)
        self._began = time.monotonic()

    def starting(self, directory: Path) -> None:
        """The first line."""
        self._say(f"[dim]Hedgerow {__version__} starts in {escape(str(directory))} ...[/]")

    def ready(self, url: str, opened: Instance) -> None:
        """The banner."""
        # Only now: until here every import made the start longer.
        from rich.console import Group
        from rich.panel import Panel
        from rich.syntax import Syntax
        from rich.table import Table
        from rich.text import Text

        seconds = time.monotonic() - self._began
        kept = opened.secrets
        facts = Table.grid(padding=(0, 3))
        facts.add_column(style="dim")
        facts.add_column(overflow="fold")
        facts.add_row("Open", Text(url, style=f"bold cyan link {url}"))
        facts.add_row("Sign in", f"{kept.email}  [dim]·[/]  {kept.password}")
        facts.add_row("Project API key", f"[bold green]{kept.project_api_key}[/]")
        facts.add_row("Data", escape(str(opened.directory)))
        facts.add_row("Stop", "Ctrl-C")
        body: list[Table | Text | Syntax] = [facts]
        for language, snippet in SNIPPETS:
            code = snippet.format(key=kept.project_api_key, url=url)
            body += [Text(), Syntax(code, language, theme="ansi_dark", background_color="default", word_wrap=True)]
        title = f"[bold]Hedgerow is ready[/] [dim]in {seconds:.1f} s[/]"
        with contextlib.suppress(OSError):
            self._out.print(Panel(Group(*body), title=title, title_align="left", border_style="green", padding=(1, 2)))
        if UpSettings().log_fsync == "everysec":
            self.problem("log", "warning", "syncs once a second: a machine that fails loses acknowledged events")

    def part_ended(self, part: str, why: str, last_lines: Sequence[str]) -> None:
        """A part died; the supervisor starts it again."""
        self._line("error", part, f"ended ({why})")
        for line in last_lines:
            self._say(f"    [dim]{escape(line)}[/]")

    def problem(self, part: str, level: str, text: str) -> None:
        """A part logged a warning or an error."""
        self._line(level, part, text)

    def stopping(self) -> None:
        """The first signal came."""
        self._say("[dim]Stopping; once more to stop at once ...[/]")

    def stopped(self) -> None:
        """The last line."""
        self._say("[dim]Stopped. Nothing is left running.[/]")

    def failed(self, message: str) -> None:
        """Why the command ends with an error."""
        self._say(f"[red]{escape(message)}[/]")

    def _say(self, text: str, *, soft_wrap: bool = False) -> None:
        with contextlib.suppress(OSError):
            self._err.print(text, soft_wrap=soft_wrap)

    def _line(self, level: str, part: str, text: str) -> None:
        clock = datetime.now().astimezone().strftime("%H:%M:%S")
        style = STYLES.get(level, "default")
        self._say(f"[dim]{clock}[/] [{style}]{level:<7}[/] [bold]{part}[/] {escape(text)}", soft_wrap=True)
