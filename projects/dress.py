"""How form fields look: every widget gets the classes of the admin's theme, whoever declared its field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime, AutocompleteMixin
from django.forms.widgets import Input
from unfold import widgets as theme

# The first that fits; of what fits none, such as what is hidden, nothing is changed.
_CLASSES: tuple[tuple[type[forms.Widget], Sequence[str]], ...] = (
    (forms.CheckboxInput, theme.SWITCH_CLASSES),
    (forms.CheckboxSelectMultiple, theme.CHECKBOX_CLASSES),
    (forms.RadioSelect, theme.RADIO_CLASSES),
    (forms.Select, theme.SELECT_CLASSES),
    (forms.Textarea, theme.TEXTAREA_CLASSES),
    (Input, theme.INPUT_CLASSES),
)


class Dressed:
    """A mixin of forms, named before the form's own class."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if type(field.widget) is AdminSplitDateTime:
                field.widget = theme.UnfoldAdminSplitDateTimeWidget()
            dress(field.widget)


def dress(widget: forms.Widget) -> None:
    """Leaves alone what has classes already: the theme's own widgets, and those that say how they look."""
    if widget.is_hidden or "class" in widget.attrs or isinstance(widget, AutocompleteMixin):
        return
    classes = next((names for kind, names in _CLASSES if isinstance(widget, kind)), None)
    if classes is None:
        return
    widget.attrs["class"] = " ".join(classes)
    if isinstance(widget, (forms.CheckboxSelectMultiple, forms.RadioSelect)):
        widget.template_name = "unfold/widgets/radio.html"
        widget.option_template_name = "unfold/widgets/radio_option.html"
    elif isinstance(widget, forms.Select) and not isinstance(widget, forms.SelectMultiple):
        widget.template_name = "unfold/widgets/select.html"
