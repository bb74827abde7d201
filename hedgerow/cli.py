"""The command line. Each verb imports what it needs when it runs: `--help` is quick and the supervisor stays small."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from hedgerow import __version__, limits

if TYPE_CHECKING:
    from libs.kit.settings import KitSettings
    from services.cdp.dead_letters import Wanted

app = typer.Typer(
    name="hedgerow",
    help="Product analytics that any PostHog SDK can talk to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals hold passwords
)
app.add_typer(limits.app, name="limits")

DataDir = Annotated[Path, typer.Option("--data-dir", help="Where everything is kept.", envvar="HEDGEROW_DATA_DIR")]
Host = Annotated[str, typer.Option(help="Address to listen on; anything but loopback opens it to the network.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.", min=0, max=65535)]
TargetUrl = Annotated[str | None, typer.Option(help="Where to send them; default: what runs on --data-dir.")]
TargetKey = Annotated[str | None, typer.Option(help="Project API key that goes with --url.")]
DATA = Path("data")
WAL_DIRECTORY = "HEDGEROW_CAPTURE_WAL_DIRECTORY"


@app.command()
def up(
    data_dir: DataDir = DATA,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    processes: Annotated[int, typer.Option(help="HTTP processes and worker processes.", min=1, max=64)] = 1,
) -> None:
    """Start everything on this machine and stay; Ctrl-C stops it."""
    from hedgerow.console import Console
    from hedgerow.embedded.instance import DirectoryInUse
    from hedgerow.embedded.postgres import EngineError
    from hedgerow.supervisor import StartFailed
    from hedgerow.up import PortTaken, UpOptions
    from hedgerow.up import up as run_up

    console = Console()
    try:
        run_up(UpOptions(data_dir, host, port, processes), console)
    except (DirectoryInUse, EngineError, PortTaken, StartFailed) as exc:
        console.failed(str(exc))
        raise typer.Exit(1) from None


@app.command()
def serve(
    service: Annotated[str, typer.Argument(help="capture, query, web, or all of them on one port.")],
    port: Port = 8000,
    host: Host = "127.0.0.1",
) -> None:
    """Run one service, or all, against the engines that HEDGEROW_* variables name."""
    from hedgerow.composition import SERVICES, UnknownName, chosen
    from hedgerow.serve import listener_from, serve_services

    try:
        names = chosen(service, SERVICES)
    except UnknownName as exc:
        _fail(str(exc))
    serve_services(names, listener_from(None, host, port))


@app.command()
def worker(
    name: Annotated[str, typer.Argument(help="ingestion, writer, jobs, or all of them in one process.")],
) -> None:
    """Run one worker, or all, against the engines that HEDGEROW_* variables name."""
    from hedgerow.composition import WORKERS, UnknownName, chosen
    from hedgerow.serve import run_workers

    try:
        names = chosen(name, WORKERS)
    except UnknownName as exc:
        _fail(str(exc))
    run_workers(names)


@app.command()
def migrate(
    phase: Annotated[
        Literal["pre", "post"] | None,
        typer.Option(help="pre: before a deployment. post: when no process of the old release is left. Default: both."),
    ] = None,
) -> None:
    """Bring both databases and the topics up to date. Safe to repeat."""
    from hedgerow.migrate import migrate as run_migrations
    from libs.kit.runtime import open_runtime
    from libs.kit.settings import KitSettings

    async def run() -> None:
        async with open_runtime(KitSettings()) as runtime:
            done = await run_migrations(runtime, phase)
        print("\n".join(done) if done else "Nothing to do.")

    asyncio.run(run())


@app.command()
def demo(
    events: Annotated[int, typer.Option(help="How many events to send.", min=1)] = 100_000,
    seed: Annotated[int, typer.Option(help="Another seed is another company.")] = 7,
    data_dir: DataDir = DATA,
    url: TargetUrl = None,
    api_key: TargetKey = None,
) -> None:
    """Send the last 90 days of a made-up company through the capture endpoint."""
    from hedgerow.demo import NotTaken, run

    url, api_key = _target(data_dir, url, api_key)
    try:
        run(url, api_key, events=events, seed=seed)
    except NotTaken as exc:
        _fail(str(exc))


@app.command()
def ingest(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files of JSON lines, plain or gzipped.")] = None,
    from_posthog_export: Annotated[
        Path | None, typer.Option(help="A directory of PostHog batch exports (JSONLines, plain or gzip).")
    ] = None,
    form: Annotated[
        Literal["posthog", "mixpanel", "amplitude"] | None,
        typer.Option("--format", help="Which tool wrote the files; default: what each line looks like."),
    ] = None,
    data_dir: DataDir = DATA,
    url: TargetUrl = None,
    api_key: TargetKey = None,
) -> None:
    """Import a history from files. Started again, it goes on where it stopped."""
    from hedgerow.importing import NotTaken, run
    from hedgerow.importing.files import files_of

    url, api_key = _target(data_dir, url, api_key)
    try:
        chosen = [*(paths or ()), *(files_of(from_posthog_export) if from_posthog_export else ())]
        if not chosen:
            _fail("Name files, or a directory with --from-posthog-export.")
        done = run(url, api_key, chosen, form)
    except (NotTaken, OSError, EOFError, ValueError) as exc:
        _fail(str(exc))
    raise typer.Exit(1 if done.refused else 0)


dead_letters = typer.Typer(help="Records that nobody could use: why, and another try.", no_args_is_help=True)
app.add_typer(dead_letters, name="dead-letters")
Reason = Annotated[str | None, typer.Option(help="Only those with this reason.")]
Since = Annotated[datetime | None, typer.Option(help="Only those that died from then on (UTC).")]
Until = Annotated[datetime | None, typer.Option(help="Only those that died before (UTC).")]
Newest = Annotated[int, typer.Option(help="How many at most, the newest.", min=1, max=1_000_000)]


@dead_letters.command("list")
def list_dead_letters(
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    limit: Newest = 100,
    data_dir: DataDir = DATA,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the whole record.")] = False,
) -> None:
    """Show the newest, with their reasons."""
    from hedgerow.dead_letters import show

    show(_settings(data_dir), _wanted(reason, since, until), limit, as_json=json)


@dead_letters.command("replay")
def replay_dead_letters(
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    limit: Newest = 10_000,
    data_dir: DataDir = DATA,
) -> None:
    """Send them again to where they came from. Doing it twice stores nothing twice."""
    from hedgerow.dead_letters import send_again

    send_again(_settings(data_dir), _wanted(reason, since, until), limit)


wal = typer.Typer(help="Records that capture's write-ahead log could not deliver.", no_args_is_help=True)
app.add_typer(wal, name="wal")
WalDirectory = Annotated[
    Path,
    typer.Option(
        "--directory", help="The write-ahead log's; `-2`, `-3`... beside it are read too.", envvar=WAL_DIRECTORY
    ),
]


@wal.command("list")
def list_refused(
    directory: WalDirectory,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the whole record.")] = False,
) -> None:
    """Show the records that the event log refused. Capture may run meanwhile."""
    from hedgerow.wal import directories, show

    show(directories(directory), as_json=json)


@wal.command("replay")
def replay_refused(directory: WalDirectory, data_dir: DataDir = DATA) -> None:
    """Send them again, once their topics take them. Capture may run meanwhile. Doing it twice stores nothing twice."""
    from hedgerow.wal import directories, send_again
    from libs.kit.errors import HedgerowError
    from libs.kit.eventlog.wal_refused import ReplayRuns

    try:
        done = send_again(_settings(data_dir), directories(directory))
    except (HedgerowError, ReplayRuns) as exc:
        _fail(str(exc))
    raise typer.Exit(1 if done.refused else 0)


@app.command()
def doctor(
    data_dir: DataDir = DATA,
    json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Check the installation. Exit code 1 when something is wrong, 0 when all is well or only noteworthy."""
    from hedgerow.doctor import examine, show

    findings = asyncio.run(examine(data_dir))
    raise typer.Exit(show(findings, as_json=json))


@app.command()
def healthcheck(url: Annotated[str, typer.Argument(help="A server, or any path of it.")]) -> None:
    """Exit code 0 when `/_health` (or the path given) answers 200. For containers without curl."""
    from hedgerow.probe import health

    well, text = asyncio.run(health(url))
    print(text, file=sys.stdout if well else sys.stderr)
    raise typer.Exit(0 if well else 1)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def _target(data_dir: Path, url: str | None, api_key: str | None) -> tuple[str, str]:
    """Where events are to be sent, and for which project."""
    from hedgerow.embedded.instance import read_instance

    if (url is None) != (api_key is None):
        _fail("--url and --api-key go together.")
    if url is None or api_key is None:
        try:
            running = read_instance(data_dir)
        except FileNotFoundError:
            _fail(f"Hedgerow is not running on {data_dir}. Start it with `hedgerow up`, or give --url and --api-key.")
        url, api_key = str(running["url"]), str(running["project_api_key"])
    return url, api_key


def _settings(data_dir: Path) -> "KitSettings":
    """Of the HEDGEROW_* variables, else of the instance that is kept in the directory."""
    from hedgerow.doctor import settings_for

    settings = settings_for(data_dir)
    if settings is None:
        _fail(f"There are no HEDGEROW_* variables, and no Hedgerow in {data_dir}.")
    return settings


def _wanted(reason: str | None, since: datetime | None, until: datetime | None) -> "Wanted":
    from services.cdp.dead_letters import Wanted

    aware = [at.replace(tzinfo=UTC) if at and at.tzinfo is None else at for at in (since, until)]
    return Wanted(reason, *aware)


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(2)


def main() -> None:
    """The `hedgerow` script."""
    app()
