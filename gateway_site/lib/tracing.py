"""OpenTelemetry: off and free of cost until an endpoint is set; then our spans and those of the libraries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()
_PARENT = "traceparent"
_tracer: trace.Tracer | None = None
# Every call enters several spans and an idle stream stays in two, so without tracing they all are this one.
_OFF: AbstractContextManager[None] = nullcontext()


def configure(endpoint: str) -> None:
    """Empty endpoint: nothing is set up. Else OTLP over HTTP, as the standard OTEL_* variables say."""
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "secure-mcp-gateway"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    enable(provider)
    _instrument_libraries()


def enable(provider: trace.TracerProvider) -> None:
    """Our own spans go to this provider."""
    global _tracer
    _tracer = provider.get_tracer("mcpgw")


def disable() -> None:
    global _tracer
    _tracer = None


def _instrument_libraries() -> None:
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.instrumentation.redis import RedisInstrumentor

    for instrumentor in (DjangoInstrumentor, CeleryInstrumentor, PsycopgInstrumentor, RedisInstrumentor):
        instrumentor().instrument()


def span(name: str, **attributes: str | int | bool) -> AbstractContextManager[trace.Span | None]:
    """A child of the current span; None when tracing is off."""
    if _tracer is None:
        return _OFF
    return _tracer.start_as_current_span(name, attributes=attributes, record_exception=False)


def joined(traceparent: str) -> AbstractContextManager[None]:
    """Continues the trace that a `traceparent` names (W3C Trace Context); ignores a malformed one.

    Of the caller's context nothing else is taken in: a `tracestate` is free text that nobody has looked at, and would
    go on to servers and collectors.
    """
    return _OFF if _tracer is None else _attached(traceparent)


@contextmanager
def _attached(traceparent: str) -> Iterator[None]:
    token = otel_context.attach(_propagator.extract({_PARENT: traceparent}))
    try:
        yield
    finally:
        otel_context.detach(token)


def current_parent() -> str:
    """The current span as a `traceparent`, or "" outside of a trace."""
    carrier: dict[str, str] = {}
    if _tracer is not None:
        _propagator.inject(carrier)
    return carrier.get(_PARENT, "")


def current_trace_id() -> str:
    """32 hex digits, or "" outside of a trace."""
    if _tracer is None:
        return ""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""
