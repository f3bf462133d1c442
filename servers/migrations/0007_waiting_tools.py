from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('servers', '0006_approved_ahead'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='tool',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['project', 'server'], name='tool_waiting'),
        ),
    ]
