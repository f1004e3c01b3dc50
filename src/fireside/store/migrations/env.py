"""Alembic runs this file; the connection comes from `fireside.store.migrations.upgrade`."""

from alembic import context

from fireside.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
