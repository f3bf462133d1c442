"""Retention: what may be deleted from the log, and by whom. The triggers of audit.append_only let pass what is signed."""

from django.db import migrations, models

# Both run as the owner, so that the application's role needs no right to delete from the log or to drop a table.
DROP = """
CREATE FUNCTION audit_drop_retained(retention uuid, up_to bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
  signed audit_retention%ROWTYPE;
  begins bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(7301, 3);
  SELECT * INTO signed FROM audit_retention WHERE id = retention;
  IF NOT FOUND OR up_to > signed.last
    OR signed.before > date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    -- Its event says the same, has its place in the same log behind what is dropped, and is under a checkpoint.
    OR NOT EXISTS (
      SELECT FROM audit_seal AS seal JOIN audit_event AS event ON event.id = seal.event_id AND event.ord = seal.event_ord
      WHERE seal.event_id = retention AND seal.project_ref = signed.project_ref AND seal.seq > signed.last
        AND event.kind = 'audit.retained' AND event.project_ref = signed.project_ref
        AND event.detail = signed.statement::jsonb
        AND EXISTS (SELECT FROM audit_checkpoint WHERE project_ref = signed.project_ref AND size >= seal.seq))
    -- What is left begins behind a checkpoint, so that it proves itself.
    OR NOT EXISTS (SELECT FROM audit_checkpoint WHERE project_ref = signed.project_ref AND size = up_to)
  THEN
    RAISE EXCEPTION 'No signed retention covers that.' USING ERRCODE = 'insufficient_privilege';
  END IF;
  SELECT min(seq) INTO begins FROM audit_seal WHERE project_ref = signed.project_ref;
  IF begins IS NULL OR begins > up_to THEN
    RETURN 0;
  END IF;
  IF EXISTS (
    SELECT FROM audit_seal AS seal JOIN audit_event AS event ON event.id = seal.event_id AND event.ord = seal.event_ord
    WHERE seal.project_ref = signed.project_ref AND seal.seq BETWEEN begins AND up_to AND event.at >= signed.before)
  THEN
    RAISE EXCEPTION 'Some of it is too young.' USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM audit_payload WHERE project_ref = signed.project_ref AND id IN (
    SELECT event.payload_ref FROM audit_seal AS seal
    JOIN audit_event AS event ON event.id = seal.event_id AND event.ord = seal.event_ord
    WHERE seal.project_ref = signed.project_ref AND seal.seq BETWEEN begins AND up_to
      AND event.payload_ref IS NOT NULL);
  DELETE FROM audit_event AS event USING audit_seal AS seal
    WHERE seal.project_ref = signed.project_ref AND seal.seq BETWEEN begins AND up_to
      AND event.id = seal.event_id AND event.ord = seal.event_ord;
  DELETE FROM audit_seal WHERE project_ref = signed.project_ref AND seq BETWEEN begins AND up_to;
  RETURN up_to - begins + 1;
END $$
"""

# A month of the past that holds nothing any more. What still comes for it, from a clock that is late, goes to the rest.
DROP_PARTITIONS = """
CREATE FUNCTION audit_drop_empty_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
  partition text;
  holds boolean;
  dropped integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(7301, 2);
  FOR partition IN
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'audit_event'::regclass AND relname ~ '^audit_event_[0-9]{{4}}_[0-9]{{2}}$'
      AND relname < 'audit_event_' || to_char((now() - interval '2 days') AT TIME ZONE 'UTC', 'YYYY_MM')
    ORDER BY relname
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', partition) INTO holds;
    CONTINUE WHEN holds;
    -- Nobody writes to it between the second look and the end.
    LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', partition) INTO holds;
    CONTINUE WHEN holds;
    EXECUTE format('ALTER TABLE audit_event DETACH PARTITION %I', partition);
    EXECUTE format('DROP TABLE %I', partition);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$
"""


def make_functions(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        schema = cursor.fetchone()[0]
        cursor.execute(DROP.format(schema=schema))
        cursor.execute(DROP_PARTITIONS.format(schema=schema))
        for function in ("audit_drop_retained", "audit_drop_empty_partitions"):
            cursor.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_payloads")]
    operations = [
        migrations.CreateModel(
            name='Retention',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('project_ref', models.BigIntegerField()),
                ('first', models.BigIntegerField()),
                ('last', models.BigIntegerField()),
                ('before', models.DateTimeField()),
                ('statement', models.TextField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('project_ref', 'last'), name='retention_once')],
            },
        ),
        migrations.RunPython(make_functions, migrations.RunPython.noop),
    ]
