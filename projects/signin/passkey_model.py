"""What is stored of a passkey. The library of ceremonies asks for the model of users as it is imported: so do we."""

from __future__ import annotations

from django.db import models

from gateway_site.lib.imports import used_later

# Most processes never hold a ceremony, and what verifies one takes 5 MB.
with used_later("webauthn.helpers", "webauthn.helpers.structs"):
    from django_otp_webauthn.models import AbstractWebAuthnCredential


class Passkey(AbstractWebAuthnCredential):
    """A WebAuthn credential. It belongs to one host name (`rp_id`) and works at no other."""

    # 32 bits without a sign (WebAuthn level 3, authenticator data), which the library's field would not hold.
    sign_count = models.BigIntegerField(default=0, editable=False)
    rp_id = models.CharField(max_length=253, editable=False)

    class Meta:
        # The digest is unique, and so has an index without the library's second one.
        ordering = ["id"]

    @classmethod
    def get_by_credential_id(cls, credential_id: bytes) -> Passkey:  # type: ignore[override]  # it names its own model
        """With its person, and held until the transaction ends, so that no count is used twice. Raises DoesNotExist."""
        rows = cls.objects.select_for_update(of=("self",)).select_related("user")
        digest = cls.get_credential_id_sha256(credential_id)
        found: Passkey = rows.get(credential_id_sha256=digest, confirmed=True)
        return found
