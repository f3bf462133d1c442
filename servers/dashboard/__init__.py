"""The first page: what happens in the chosen project, what needs somebody, and what to do next."""
