"""Where a test may kill the two workers: before and after each commit, produce, insert and position move."""

CRASH_POINTS = (
    "ingestion.before_commit",
    "ingestion.inside_commit",
    "ingestion.after_commit",
    "ingestion.before_produce",
    "ingestion.after_produce",
    "ingestion.before_position",
    "ingestion.after_position",
    "writer.before_recovery",
    "writer.after_take_over",
    "writer.after_recovery",
    "writer.before_insert",
    "writer.between_inserts",
    "writer.after_insert",
    "writer.before_dead_letters",
    "writer.after_dead_letters",
    "writer.before_position",
    "writer.after_position",
    "tables.before_insert",
    "tables.after_insert",
    "tables.after_position",
)
