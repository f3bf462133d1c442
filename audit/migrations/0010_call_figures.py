import datetime

from django.db import migrations, models
from django.utils import timezone


def count_the_last_days(apps, schema_editor):
    """Indexing goes back as far as figures are kept; what it finds again of words and marks is there already."""
    before = timezone.now() - datetime.timedelta(days=9)
    older = apps.get_model("audit", "Checkpoint").objects.filter(at__lt=before)
    first = older.order_by("-id").values_list("id", flat=True).first() or 0
    apps.get_model("audit", "IndexState").objects.filter(checkpoint_id__gt=first).update(checkpoint_id=first)


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0009_browsing'),
    ]

    operations = [
        migrations.CreateModel(
            name='CallFigure',
            fields=[
                ('pk', models.CompositePrimaryKey('project_ref', 'span', 'level', 'at', 'server', 'subject', blank=True, editable=False, primary_key=True, serialize=False)),
                ('project_ref', models.BigIntegerField()),
                ('span', models.CharField(choices=[('m', 'Minute'), ('h', 'Hour'), ('d', 'Day')], max_length=1)),
                ('level', models.CharField(choices=[('a', 'All'), ('s', 'Server'), ('t', 'Tool'), ('d', 'Took'), ('e', 'Server Took')], max_length=1)),
                ('at', models.DateTimeField()),
                ('server', models.CharField(max_length=63)),
                ('subject', models.CharField(max_length=512)),
                ('calls', models.BigIntegerField()),
                ('refused', models.BigIntegerField()),
                ('blocked_in', models.BigIntegerField()),
                ('blocked_out', models.BigIntegerField()),
                ('errors', models.BigIntegerField()),
            ],
            options={
                'indexes': [models.Index(fields=['span', 'level', 'at'], name='figure_age')],
            },
        ),
        migrations.RunPython(count_the_last_days, migrations.RunPython.noop),
    ]
