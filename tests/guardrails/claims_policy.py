"""What the tests of policies, presets, their pages and their measurement prove."""

from __future__ import annotations

CLAIMS: list[tuple[str, str, str]] = [
    (
        "guardrails.policy-validation",
        "A guardrail that could not run as it is written is refused with the field's name, and nothing is stored.",
        "guardrails/README.md",
    ),
    (
        "guardrails.policy-versions",
        "Every change of a policy makes a version that is never changed, and any version can be made current again.",
        "guardrails/README.md",
    ),
    (
        "guardrails.policy-default",
        "A project has one default policy, and the preset balanced as long as it chose none.",
        "guardrails/README.md",
    ),
    (
        "guardrails.policy-attached",
        "Each server is judged by the policies that it names, and by its project's default where it names none.",
        "guardrails/README.md",
    ),
    (
        "guardrails.floor",
        "The operator's floor holds for every project in every mode, and no policy or exception loosens it.",
        "guardrails/README.md",
    ),
    (
        "guardrails.policy-secrets",
        "A guardrail's secrets are stored encrypted, bound to their row, and are in no version, event or page.",
        "guardrails/README.md",
    ),
    (
        "guardrails.exceptions",
        "A false positive is exempt for one value or place, in its scope, until its day, and its text is not kept.",
        "guardrails/README.md",
    ),
    (
        "guardrails.policy-reload",
        "A change of a policy, the floor or a false positive makes the workers of its projects load it.",
        "guardrails/README.md",
    ),
    (
        "guardrails.policy-recorded",
        "Every act on policies, the floor and false positives is on record with who did it.",
        "guardrails/README.md",
    ),
    (
        "guardrails.presets",
        "The presets can be made as they stand, and strict lets nothing through that balanced stops.",
        "guardrails/README.md",
    ),
    (
        "guardrails.policy-pages",
        "An operator makes, changes and rolls back policies in the pages, and wrong input is a form error.",
        "guardrails/README.md",
    ),
    (
        "guardrails.policy-forms",
        "Each parameter of each detector has a field of its kind with its help and limits; what is wrong is said "
        "beside it, what is shown is what is stored, and a project is told of the floor that it cannot loosen.",
        "guardrails/README.md",
    ),
    (
        "guardrails.policy-bench",
        "A text can be tried on any policy, and is shown as text, recorded nowhere and sent nowhere.",
        "guardrails/README.md",
    ),
    (
        "guardrails.policy-declared",
        "Policies and what servers say of them can be declared in YAML, with dry run, idempotence and pruning.",
        "README.md",
    ),
    (
        "guardrails.evaluate",
        "The measures of labelled data are those that can be computed by hand.",
        "guardrails/README.md",
    ),
    (
        "guardrails.evaluate-input",
        "Data that cannot be read ends the measurement with exit code 2 and the place of the fault.",
        "guardrails/README.md",
    ),
]
