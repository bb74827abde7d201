"""What the migration runners refuse."""

from libs.kit.errors import HedgerowError


class MigrationRefused(HedgerowError):
    """The migrations and the database contradict each other; a person has to look."""

    default_code = "migration_refused"
