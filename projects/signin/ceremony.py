"""The ceremonies of WebAuthn level 3 as django-otp-webauthn holds them, and what is different in ours.

Imported when one is held (OTP_WEBAUTHN_HELPER_CLASS): most web workers never need it, and it takes memory.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django_otp_webauthn.helpers import WebAuthnHelper
from django_otp_webauthn.models import WebAuthnUserHandle
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.structs import UserVerificationRequirement

from projects.models import Passkey
from projects.signin import passkeys
from projects.signin.sessions import summary_of


class Ceremony(WebAuthnHelper):
    """Held at the host name of the request's page, for a person whom the authenticator has verified."""

    def get_allowed_origins(self) -> list[str]:
        return passkeys.origins_of(self.request)

    # --- registration -------------------------------------------------------------------------------------

    def get_generate_registration_options_kwargs(self, *, user: AbstractBaseUser) -> dict[str, Any]:
        options = super().get_generate_registration_options_kwargs(user=user)
        # Held by a person who was verified, and found without a name (OTP_WEBAUTHN_ALLOW_PASSWORDLESS_LOGIN): both
        # factors in one.
        options["authenticator_selection"].user_verification = UserVerificationRequirement.REQUIRED
        options["exclude_credentials"] = passkeys.of_host(self.request, user).as_credential_descriptors()
        return options

    def create_credential(self, *args: Any, **kwargs: Any) -> Passkey:
        passkey: Passkey = super().create_credential(*args, **kwargs)
        passkey.name = f"Passkey, {summary_of(self.request.headers.get('User-Agent', ''))}"
        passkey.rp_id = self.get_relying_party_domain()
        # Hints of the browser's, for it to have again; each of the few that there are once.
        passkey.transports = list(dict.fromkeys(passkey.transports))
        return passkey

    def create_attestation(self, *args: Any, **kwargs: Any) -> Any:
        """Nobody is asked what made the key, and what is said of it all the same is not kept."""

    # --- proof --------------------------------------------------------------------------------------------

    def get_generate_authentication_options_kwargs(
        self, *, user: AbstractBaseUser | None = None, require_user_verification: bool
    ) -> dict[str, Any]:
        options = super().get_generate_authentication_options_kwargs(
            user=user, require_user_verification=require_user_verification
        )
        if user is not None:
            options["allow_credentials"] = passkeys.of_host(self.request, user).as_credential_descriptors()
        return options

    def authenticate_complete(self, user: AbstractBaseUser | None, state: dict[str, Any], data: Any) -> Passkey:
        """In a transaction, which an error undoes: by the library's own account the passkey is used by now."""
        passkey: Passkey = super().authenticate_complete(user, state, data)
        if passkey.rp_id != self.get_relying_party_domain() or not passkey.user.is_active:
            raise ValidationError("It is of another host name, or of somebody who is switched off.")
        handle = parse_authentication_credential_json(data).response.user_handle
        if (user is None or handle) and handle != WebAuthnUserHandle.get_handle_for_user(passkey.user):
            raise ValidationError("It says that it is of somebody else.")
        return passkey
