"""All servers of a project behind one address: names, lists, sessions, and the way of a call to one of them."""
