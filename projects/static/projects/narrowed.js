"use strict";
// In a form, what belongs to projects can be chosen of the form's own project only.
{
  const { jQuery } = django;
  const projectOf = (field) => field.dataset.project || document.getElementById("id_project")?.value || "";

  jQuery.ajaxPrefilter((options) => {
    const asked = new URLSearchParams(typeof options.data === "string" ? options.data : "");
    const name = asked.get("field_name");
    const field = name && document.querySelector(`[data-narrowed][data-field-name="${CSS.escape(name)}"]`);
    const project = field ? projectOf(field) : "";
    if (project) options.data += `&project=${encodeURIComponent(project)}`;
  });

  jQuery(() => jQuery("#id_project").on("change", () => {
    // What was chosen is another project's.
    for (const field of document.querySelectorAll("[data-narrowed]")) jQuery(field).val(null).trigger("change");
  }));
}
