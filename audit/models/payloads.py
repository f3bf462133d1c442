"""What calls sent and got, and the keys of people under which it is stored."""

from __future__ import annotations

from django.db import models


class SubjectKey(models.Model):
    """A person's key in a project, under which their payloads are stored. Erasing the person destroys it."""

    project_ref = models.BigIntegerField()
    # The user's id, and a keyed digest of the address, by which they are found when the user is gone.
    subject = models.CharField(max_length=64)
    address = models.CharField(max_length=20, blank=True)
    # Sealed by the key ring; NULL once it is destroyed.
    wrapped = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["project_ref", "-id"]
        verbose_name = "person with payloads"
        verbose_name_plural = "people with payloads"
        constraints = [
            models.UniqueConstraint(
                fields=["project_ref", "subject"], condition=models.Q(wrapped__isnull=False), name="subject_key_live"
            )
        ]

    def __str__(self) -> str:
        return f"{self.project_ref}/{self.subject}"


class Payload(models.Model):
    """What a call sent or got, encrypted. Its event has the digest of nonce and ciphertext, which erasure empties."""

    id = models.UUIDField(primary_key=True)
    project_ref = models.BigIntegerField()
    # SubjectKey's number.
    subject_key = models.BigIntegerField(db_index=True)
    event_id = models.UUIDField()
    at = models.DateTimeField()
    level = models.CharField(max_length=8)
    # Bytes of what is encrypted.
    size = models.IntegerField()
    nonce = models.BinaryField()
    ciphertext = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["project_ref"], name="payload_project")]

    def __str__(self) -> str:
        return f"{self.project_ref}/{self.id}"
