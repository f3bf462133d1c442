from django.db import migrations, models


def _hand_over(apps, schema_editor):
    """Authenticators know people by these numbers: a passkey of before says it at each sign-in."""
    there = apps.get_model('django_otp_webauthn', 'WebAuthnUserHandle').objects
    for row in apps.get_model('projects', 'UserHandle').objects.iterator():
        there.create(user_id=row.user_id, handle_hex=bytes(row.handle).hex())


def _take_back(apps, schema_editor):
    here = apps.get_model('projects', 'UserHandle').objects
    there = apps.get_model('django_otp_webauthn', 'WebAuthnUserHandle').objects
    for row in there.iterator():
        here.create(user_id=row.user_id, handle=bytes.fromhex(row.handle_hex))
    there.all().delete()


class Migration(migrations.Migration):

    dependencies = [
        ('projects', '0009_member_is_its_name'),
        ('django_otp_webauthn', '0004_webauthnuserhandle'),
    ]

    operations = [
        migrations.RenameField(
            model_name='passkey',
            old_name='credential_digest',
            new_name='credential_id_sha256',
        ),
        migrations.AlterField(
            model_name='passkey',
            name='credential_id_sha256',
            field=models.CharField(editable=False, max_length=64, unique=True, verbose_name='hashed credential id'),
        ),
        migrations.AddField(
            model_name='passkey',
            name='aaguid',
            field=models.CharField(default='', editable=False, max_length=36, verbose_name='AAGUID'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='passkey',
            name='backup_eligible',
            field=models.BooleanField(default=False, editable=False, verbose_name='backup eligible'),
        ),
        migrations.AddField(
            model_name='passkey',
            name='backup_state',
            field=models.BooleanField(default=False, editable=False, verbose_name='backup state'),
        ),
        migrations.AddField(
            model_name='passkey',
            name='credential_type',
            field=models.CharField(choices=[('public-key', 'Public Key')], default='public-key', editable=False, max_length=32, verbose_name='credential type'),
        ),
        migrations.AddField(
            model_name='passkey',
            name='discoverable',
            field=models.BooleanField(default=None, editable=False, null=True, verbose_name='discoverable'),
        ),
        migrations.AlterField(
            model_name='passkey',
            name='credential_id',
            field=models.BinaryField(max_length=1023, verbose_name='credential id data'),
        ),
        migrations.AlterField(
            model_name='passkey',
            name='public_key',
            field=models.BinaryField(max_length=1023, verbose_name='COSE public key data'),
        ),
        migrations.AlterField(
            model_name='passkey',
            name='transports',
            field=models.JSONField(default=list, editable=False, verbose_name='transports'),
        ),
        migrations.RunPython(_hand_over, _take_back),
        migrations.DeleteModel(
            name='UserHandle',
        ),
    ]
