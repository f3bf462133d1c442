"""The runner: stdio and HTTP+SSE servers, offered as streamable HTTP on a unix socket."""
