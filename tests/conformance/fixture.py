"""The MCP server that the public conformance suite is run against: every name the suite asks for, both eras.

It runs over streamable HTTP (`--port`) or over stdio (`--stdio`), and imports nothing of this project, so
that it can be started by path from any directory.
"""

from __future__ import annotations

import argparse
import socket
import warnings
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

import anyio
import mcp_types as types
import uvicorn
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

Context: TypeAlias = ServerRequestContext[dict[str, Any]]
ToolOutcome: TypeAlias = types.CallToolResult | types.InputRequiredResult
ToolHandler: TypeAlias = Callable[[Context, types.CallToolRequestParams], Awaitable[ToolOutcome]]
PromptOutcome: TypeAlias = types.GetPromptResult | types.InputRequiredResult
PromptHandler: TypeAlias = Callable[[types.GetPromptRequestParams], PromptOutcome]
Schema: TypeAlias = dict[str, Any]

NAME = "conformance-fixture"
# One red pixel, and a sound without samples.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
PAUSE = 0.05
# Long enough for the client to notice the closed stream and to ask for the rest.
RECONNECTION_PAUSE = 0.2
# Over stdio no stream can be closed by the server. The suite gives up a silent one after 10 s itself and then comes
# back for the answer, which must still be there.
ABANDONED_PAUSE = 12.0
RETRY_MS = 500
# Fixed, so that state minted by one process of this server is accepted by another one.
STATE_KEY = b"conformance fixture, nothing secret in here"

bus = InMemorySubscriptionBus()


# --- small builders ---


def text(value: str) -> types.TextContent:
    return types.TextContent(text=value)


def image() -> types.ImageContent:
    return types.ImageContent(data=PNG, mime_type="image/png")


def embedded(uri: str, mime_type: str, body: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(
        resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=body)
    )


def said(value: str) -> types.CallToolResult:
    return types.CallToolResult(content=[text(value)])


def with_properties(required: Iterable[str] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


NO_ARGUMENTS: Schema = {"type": "object", "properties": {}}


def elicit(message: str, **properties: Schema) -> types.ElicitRequest:
    """A form that asks for all of the given properties."""
    return types.ElicitRequest(
        params=types.ElicitRequestFormParams(
            message=message, requested_schema=with_properties(required=properties, **properties)
        )
    )


def sample(prompt: str, max_tokens: int = 100) -> types.CreateMessageRequest:
    return types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(
            messages=[types.SamplingMessage(role="user", content=text(prompt))], max_tokens=max_tokens
        )
    )


def ask(state: str | None = None, /, **requests: types.InputRequest) -> types.InputRequiredResult:
    return types.InputRequiredResult(input_requests=requests, request_state=state)


def accepted(params: types.InputResponseRequestParams, key: str) -> dict[str, Any] | None:
    """What the person filled in under `key`, or None when there is no accepted answer."""
    answer = (params.input_responses or {}).get(key)
    if isinstance(answer, types.ElicitResult) and answer.action == "accept":
        return dict(answer.content or {})
    return None


def sampled(params: types.InputResponseRequestParams, key: str) -> str | None:
    answer = (params.input_responses or {}).get(key)
    if isinstance(answer, types.CreateMessageResult | types.CreateMessageResultWithTools):
        return words_of(answer)
    return None


def words_of(answer: types.CreateMessageResult | types.CreateMessageResultWithTools) -> str:
    parts = answer.content if isinstance(answer.content, list) else [answer.content]
    return " ".join(part.text for part in parts if isinstance(part, types.TextContent))


# --- tools ---

TOOLS: dict[str, tuple[types.Tool, ToolHandler]] = {}


def tool(description: str, schema: Schema = NO_ARGUMENTS) -> Callable[[ToolHandler], ToolHandler]:
    """Register the decorated function under its own name."""

    def register(handler: ToolHandler) -> ToolHandler:
        name = handler.__name__
        definition = types.Tool(name=name, description=description, input_schema=schema)
        TOOLS[name] = (definition, handler)
        return handler

    return register


# First in the list: the suite calls the first tool without arguments to see which headers are accepted.
@tool("Answers with one line of text.")
async def test_simple_text(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    return said("This is a simple text response for testing.")


@tool("Answers with a picture of one red pixel.")
async def test_image_content(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    return types.CallToolResult(content=[image()])


@tool("Answers with an empty sound.")
async def test_audio_content(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    return types.CallToolResult(content=[types.AudioContent(data=WAV, mime_type="audio/wav")])


@tool("Answers with a resource.")
async def test_embedded_resource(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    content = embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
    return types.CallToolResult(content=[content])


@tool("Answers with text, a picture and a resource.")
async def test_multiple_content_types(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    resource = embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
    return types.CallToolResult(content=[text("Multiple content types test:"), image(), resource])


async def log(ctx: Context, message: str) -> None:
    await ctx.session.send_log_message("info", message, related_request_id=ctx.request_id)


@tool("Logs three lines while it works.")
async def test_tool_with_logging(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    await log(ctx, "Tool execution started")
    for line in ("Tool processing data", "Tool execution completed"):
        await anyio.sleep(PAUSE)
        await log(ctx, line)
    return said("Logged three lines.")


@tool("Logs one line, where the caller asked for logging.")
async def test_logging_tool(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    await log(ctx, "Only for those who set a log level")
    return said("Logged one line.")


@tool("Always fails.")
async def test_error_handling(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    failure = text("This tool intentionally returns an error for testing")
    return types.CallToolResult(is_error=True, content=[failure])


@tool("Reports progress three times.")
async def test_tool_with_progress(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    await ctx.session.report_progress(0, 100)
    for done in (50, 100):
        await anyio.sleep(PAUSE)
        await ctx.session.report_progress(done, 100)
    return said("Reported progress.")


@tool("Asks the client's model.", with_properties(["prompt"], prompt={"type": "string"}))
async def test_sampling(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    prompt = str((params.arguments or {}).get("prompt", ""))
    answer = await ctx.session.create_message(
        [types.SamplingMessage(role="user", content=text(prompt))],
        max_tokens=100,
        related_request_id=ctx.request_id,
    )
    return said(f"LLM response: {words_of(answer)}")


async def elicited(ctx: Context, message: str, schema: Schema) -> types.ElicitResult:
    return await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)


@tool("Asks the person.", with_properties(["message"], message={"type": "string"}))
async def test_elicitation(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    form = with_properties(
        ["username", "email"],
        username={"type": "string", "description": "User's response"},
        email={"type": "string", "description": "User's email address"},
    )
    answer = await elicited(ctx, str((params.arguments or {}).get("message", "")), form)
    return said(f"User response: action={answer.action}, content={answer.content}")


@tool("Asks the person, with a default in every field.")
async def test_elicitation_sep1034_defaults(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    form = with_properties(
        name={"type": "string", "default": "John Doe"},
        age={"type": "integer", "default": 30},
        score={"type": "number", "default": 95.5},
        status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        verified={"type": "boolean", "default": True},
    )
    answer = await elicited(ctx, "Please check these values", form)
    return said(f"Elicitation completed: action={answer.action}, content={answer.content}")


def titled(prefix: str, *titles: str) -> list[dict[str, str]]:
    return [{"const": f"{prefix}{number}", "title": title} for number, title in enumerate(titles, start=1)]


@tool("Asks the person to choose, in every form of choice.")
async def test_elicitation_sep1330_enums(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    options = ["option1", "option2", "option3"]
    form = with_properties(
        untitledSingle={"type": "string", "enum": options},
        titledSingle={
            "type": "string",
            "oneOf": titled("value", "First Option", "Second Option", "Third Option"),
        },
        legacyEnum={
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        untitledMulti={"type": "array", "items": {"type": "string", "enum": options}},
        titledMulti={
            "type": "array",
            "items": {"anyOf": titled("value", "First Choice", "Second Choice", "Third Choice")},
        },
    )
    answer = await elicited(ctx, "Please choose", form)
    return said(f"Elicitation completed: action={answer.action}, content={answer.content}")


@tool("Closes the stream of its own call and answers once the client has come back.")
async def test_reconnection(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    if ctx.close_sse_stream is None:
        await anyio.sleep(ABANDONED_PAUSE)
    else:
        await ctx.close_sse_stream()
        await anyio.sleep(RECONNECTION_PAUSE)
    return said("Answered after the stream was closed.")


@tool("Needs a client that can sample.")
async def test_missing_capability(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    declared = ctx.session.client_capabilities
    if declared is None or declared.sampling is None:
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "Missing required client capability",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return said("The client can sample.")


@tool("Reports progress, then asks for input.")
async def test_streaming_elicitation(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    await ctx.session.report_progress(1, 2)
    if accepted(params, "user_name") is None:
        return ask(user_name=elicit("What is your name?", name={"type": "string"}))
    return said("Thank you.")


@tool("Announces that the list of tools has changed.")
async def test_trigger_tool_change(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    await bus.publish(ToolsListChanged())
    return said("Announced.")


@tool("Announces that the list of prompts has changed.")
async def test_trigger_prompt_change(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    await bus.publish(PromptsListChanged())
    return said("Announced.")


@tool(
    "Takes a region that clients also put into a header.",
    with_properties(
        ["region"],
        region={"type": "string", "x-mcp-header": "Region"},
        note={"type": "string"},
    ),
)
async def test_mirrored_header(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    return said(f"Region: {(params.arguments or {}).get('region')}")


@tool(
    "Tool with JSON Schema 2020-12 features",
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
)
async def json_schema_2020_12_tool(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    return said(f"Called with {sorted(params.arguments or {})}")


# The two below stand for the tasks extension, which the library does not have: they work without a task.
@tool("Greets.", with_properties(["name"], name={"type": "string"}))
async def greet(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    return said(f"Hello, {(params.arguments or {}).get('name')}!")


@tool("Computes at once.", with_properties(seconds={"type": "number"}, label={"type": "string"}))
async def slow_compute(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    return said(f"Computed {(params.arguments or {}).get('label')}.")


# --- tools that ask by answering `input_required` (2026-07-28) ---


def ask_name() -> types.ElicitRequest:
    return elicit("What is your name?", name={"type": "string"})


def ask_confirmation() -> types.ElicitRequest:
    return elicit("Please confirm", ok={"type": "boolean"})


@tool("Asks for a name.")
async def test_input_required_result_elicitation(
    ctx: Context, params: types.CallToolRequestParams
) -> ToolOutcome:
    answer = accepted(params, "user_name")
    return ask(user_name=ask_name()) if answer is None else said(f"Hello, {answer.get('name')}!")


@tool("Asks the client's model for a capital.")
async def test_input_required_result_sampling(
    ctx: Context, params: types.CallToolRequestParams
) -> ToolOutcome:
    answer = sampled(params, "capital_question")
    if answer is None:
        return ask(capital_question=sample("What is the capital of France?"))
    return said(f"The model says: {answer}")


@tool("Asks for the client's roots.")
async def test_input_required_result_list_roots(
    ctx: Context, params: types.CallToolRequestParams
) -> ToolOutcome:
    answer = (params.input_responses or {}).get("client_roots")
    if not isinstance(answer, types.ListRootsResult):
        return ask(client_roots=types.ListRootsRequest())
    return said("Roots: " + ", ".join(str(root.uri) for root in answer.roots))


@tool("Asks for a confirmation and expects its state back.")
async def test_input_required_result_request_state(
    ctx: Context, params: types.CallToolRequestParams
) -> ToolOutcome:
    if accepted(params, "confirm") is None:
        return ask("confirming", confirm=ask_confirmation())
    if params.request_state != "confirming":
        raise MCPError(types.INVALID_PARAMS, "The request state is missing")
    return said("state-ok")


@tool("Asks for a name, a greeting and the roots at once.")
async def test_input_required_result_multiple_inputs(
    ctx: Context, params: types.CallToolRequestParams
) -> ToolOutcome:
    wanted = {"user_name", "greeting", "client_roots"}
    if wanted <= set(params.input_responses or {}):
        return said("Got everything.")
    return ask(
        "collecting",
        user_name=ask_name(),
        greeting=sample("Generate a greeting", max_tokens=50),
        client_roots=types.ListRootsRequest(),
    )


@tool("Asks twice, one thing after the other.")
async def test_input_required_result_multi_round(
    ctx: Context, params: types.CallToolRequestParams
) -> ToolOutcome:
    if params.request_state is None or (params.request_state == "round-1" and not accepted(params, "step1")):
        return ask("round-1", step1=elicit("Step 1: What is your name?", name={"type": "string"}))
    color = accepted(params, "step2")
    if color is None:
        question = elicit("Step 2: What is your favorite color?", color={"type": "string"})
        return ask("round-2", step2=question)
    return said(f"Your favorite color is {color.get('color')}.")


@tool("Asks for a confirmation and refuses a state that was tampered with.")
async def test_input_required_result_tampered_state(
    ctx: Context, params: types.CallToolRequestParams
) -> ToolOutcome:
    if accepted(params, "confirm") is None or params.request_state is None:
        return ask("guarded", confirm=ask_confirmation())
    return said("Confirmed.")


@tool("Asks only what the client can answer.")
async def test_input_required_result_capabilities(
    ctx: Context, params: types.CallToolRequestParams
) -> ToolOutcome:
    if params.input_responses:
        return said("Got an answer.")
    declared = ctx.session.client_capabilities or types.ClientCapabilities()
    questions: dict[str, types.InputRequest] = {}
    if declared.elicitation is not None:
        questions["user_name"] = ask_name()
    if declared.sampling is not None:
        questions["greeting"] = sample("Generate a greeting")
    return ask(None, **questions) if questions else said("This client cannot be asked.")


# --- prompts ---

PROMPTS: dict[str, tuple[types.Prompt, PromptHandler]] = {}


def prompt(description: str, **arguments: str) -> Callable[[PromptHandler], PromptHandler]:
    """Register the decorated function under its own name; every argument is required."""

    def register(handler: PromptHandler) -> PromptHandler:
        name = handler.__name__
        wanted = [
            types.PromptArgument(name=argument, description=about, required=True)
            for argument, about in arguments.items()
        ]
        PROMPTS[name] = (types.Prompt(name=name, description=description, arguments=wanted), handler)
        return handler

    return register


def messages(*contents: types.ContentBlock) -> types.GetPromptResult:
    return types.GetPromptResult(
        messages=[types.PromptMessage(role="user", content=content) for content in contents]
    )


@prompt("One message.")
def test_simple_prompt(params: types.GetPromptRequestParams) -> PromptOutcome:
    return messages(text("This is a simple prompt for testing."))


@prompt("One message with two arguments.", arg1="First test argument", arg2="Second test argument")
def test_prompt_with_arguments(params: types.GetPromptRequestParams) -> PromptOutcome:
    given = params.arguments or {}
    return messages(text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"))


@prompt("A resource and a message.", resourceUri="URI of the resource to embed")
def test_prompt_with_embedded_resource(params: types.GetPromptRequestParams) -> PromptOutcome:
    uri = (params.arguments or {}).get("resourceUri", "test://example-resource")
    resource = embedded(uri, "text/plain", "Embedded resource content for testing.")
    return messages(resource, text("Please process the embedded resource above."))


@prompt("A picture and a message.")
def test_prompt_with_image(params: types.GetPromptRequestParams) -> PromptOutcome:
    return messages(image(), text("Please analyze the image above."))


@prompt("Asks for a context first.")
def test_input_required_result_prompt(params: types.GetPromptRequestParams) -> PromptOutcome:
    answer = accepted(params, "user_context")
    if answer is None:
        return ask(user_context=elicit("What context should the prompt use?", context={"type": "string"}))
    return messages(text(f"Use this context: {answer.get('context')}"))


# --- resources ---

TEMPLATE_BEFORE, TEMPLATE_AFTER = "test://template/", "/data"

RESOURCES: dict[str, tuple[types.Resource, types.TextResourceContents | types.BlobResourceContents]] = {
    "test://static-text": (
        types.Resource(
            uri="test://static-text", name="static-text", description="A fixed text", mime_type="text/plain"
        ),
        types.TextResourceContents(
            uri="test://static-text",
            mime_type="text/plain",
            text="This is the content of the static text resource.",
        ),
    ),
    "test://static-binary": (
        types.Resource(
            uri="test://static-binary", name="static-binary", description="A picture", mime_type="image/png"
        ),
        types.BlobResourceContents(uri="test://static-binary", mime_type="image/png", blob=PNG),
    ),
    "test://watched-resource": (
        types.Resource(
            uri="test://watched-resource",
            name="watched-resource",
            description="A resource to subscribe to",
            mime_type="text/plain",
        ),
        types.TextResourceContents(
            uri="test://watched-resource", mime_type="text/plain", text="Nothing has happened yet."
        ),
    ),
}
TEMPLATE = types.ResourceTemplate(
    uri_template=f"{TEMPLATE_BEFORE}{{id}}{TEMPLATE_AFTER}",
    name="template",
    description="Data by id",
    mime_type="application/json",
)


def templated(uri: str) -> types.TextResourceContents | None:
    if not (uri.startswith(TEMPLATE_BEFORE) and uri.endswith(TEMPLATE_AFTER)):
        return None
    number = uri.removeprefix(TEMPLATE_BEFORE).removesuffix(TEMPLATE_AFTER)
    body = f'{{"id":"{number}","templateTest":true,"data":"Data for ID: {number}"}}'
    return types.TextResourceContents(uri=uri, mime_type="application/json", text=body)


# --- the server ---


async def list_tools(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[definition for definition, _ in TOOLS.values()])


async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> ToolOutcome:
    if params.name not in TOOLS:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
    return await TOOLS[params.name][1](ctx, params)


async def list_prompts(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    return types.ListPromptsResult(prompts=[definition for definition, _ in PROMPTS.values()])


async def get_prompt(ctx: Context, params: types.GetPromptRequestParams) -> PromptOutcome:
    if params.name not in PROMPTS:
        raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
    return PROMPTS[params.name][1](params)


async def list_resources(
    ctx: Context, params: types.PaginatedRequestParams | None
) -> types.ListResourcesResult:
    return types.ListResourcesResult(resources=[definition for definition, _ in RESOURCES.values()])


async def list_templates(
    ctx: Context, params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    return types.ListResourceTemplatesResult(resource_templates=[TEMPLATE])


async def read_resource(ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    content = RESOURCES[uri][1] if uri in RESOURCES else templated(uri)
    if content is None:
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
    return types.ReadResourceResult(contents=[content])


async def subscribe(ctx: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
    return types.EmptyResult()


async def unsubscribe(ctx: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
    return types.EmptyResult()


async def set_level(ctx: Context, params: types.SetLevelRequestParams) -> types.EmptyResult:
    return types.EmptyResult()


async def complete(ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    values = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
    return types.CompleteResult(completion=types.Completion(values=values, total=len(values), has_more=False))


CACHEABLE: tuple[CacheableMethod, ...] = (
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
)


def build_server() -> Server[dict[str, Any]]:
    # Public, so that a gateway which shows each caller its own list has to say otherwise.
    hint = CacheHint(ttl_ms=60_000, scope="public")
    server: Server[dict[str, Any]] = Server(
        NAME,
        version="1.0.0",
        instructions="A server for conformance tests.",
        cache_hints=dict.fromkeys(CACHEABLE, hint),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_subscribe_resource=subscribe,
        on_unsubscribe_resource=unsubscribe,
        on_subscriptions_listen=ListenHandler(bus),
        on_completion=complete,
    )
    # The constructor's own argument for this handler warns about a deprecated feature, which the suite tests.
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, set_level)
    security = RequestStateSecurity(keys=[STATE_KEY])
    server.middleware.append(RequestStateBoundary(security, default_audience=NAME))
    return server


class Events(EventStore):
    """Every event sent, so that a client which lost a stream can have the rest of it."""

    def __init__(self) -> None:
        self._log: list[tuple[str, types.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        self._log.append((stream_id, message))
        return str(len(self._log))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        if not last_event_id.isdecimal() or not 1 <= int(last_event_id) <= len(self._log):
            return None
        seen = int(last_event_id)
        stream_id, _ = self._log[seen - 1]
        for number, (stream, message) in enumerate(self._log[seen:], start=seen + 1):
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id


class AnnouncingServer(uvicorn.Server):
    """Prints the address once the server accepts connections, so that whoever started it need not guess."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or []:
            host, port = each.getsockname()[:2]
            print(f"ready http://{host}:{port}/mcp", flush=True)


def serve_http(host: str, port: int) -> None:
    app = build_server().streamable_http_app(event_store=Events(), retry_interval=RETRY_MS, host=host)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    # h11 strips the white space around header values as HTTP requires, which uvicorn's other parser does not.
    config = uvicorn.Config(app, http="h11", log_level="warning", timeout_graceful_shutdown=1)
    AnnouncingServer(config).run(sockets=[listener])


async def serve_stdio() -> None:
    server = build_server()
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int, help="serve streamable HTTP on this port (0: any free one)")
    where.add_argument("--stdio", action="store_true", help="serve over standard input and output")
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    # Sampling and logging are deprecated, and still what the suite tests.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    if options.stdio:
        anyio.run(serve_stdio)
    else:
        serve_http(options.host, options.port)


if __name__ == "__main__":
    main()
