"""Payloads of calls, encrypted with a key of each person, which can be destroyed."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0004_partitions'),
    ]

    operations = [
        migrations.CreateModel(
            name='Payload',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('project_ref', models.BigIntegerField()),
                ('subject_key', models.BigIntegerField(db_index=True)),
                ('event_id', models.UUIDField()),
                ('at', models.DateTimeField()),
                ('level', models.CharField(max_length=8)),
                ('size', models.IntegerField()),
                ('nonce', models.BinaryField()),
                ('ciphertext', models.BinaryField()),
            ],
            options={
                'indexes': [models.Index(fields=['project_ref'], name='payload_project')],
            },
        ),
        migrations.CreateModel(
            name='SubjectKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('project_ref', models.BigIntegerField()),
                ('subject', models.CharField(max_length=64)),
                ('address', models.CharField(blank=True, max_length=20)),
                ('wrapped', models.BinaryField(null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('erased_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': 'person with payloads',
                'verbose_name_plural': 'people with payloads',
                'ordering': ['project_ref', '-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('wrapped__isnull', False)), fields=('project_ref', 'subject'), name='subject_key_live')],
            },
        ),
    ]
