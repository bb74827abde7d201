"""`$ai_*` events: ids as text, errors as text, what a generation cost. No I/O.

Prices are US dollars a token. They come from the event itself (`$ai_input_token_price`), or from a table of list prices
that an operator may replace; what a model costs that is in neither is not guessed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import msgspec

from libs.kit.contracts.ai_blobs import reference_in
from libs.kit.contracts.ai_events import LARGE, NAMES
from services.cdp.raw_json import Properties, encode, number_of, object_of, text_of

COSTED = frozenset({"$ai_generation", "$ai_embedding"})
_IDS = ("$ai_trace_id", "$ai_parent_id", "$ai_span_id", "$ai_generation_id", "$ai_session_id")
_TOKENS = (
    "$ai_input_tokens",
    "$ai_output_tokens",
    "$ai_total_tokens",
    "$ai_cache_read_input_tokens",
    "$ai_cache_creation_input_tokens",
    "$ai_reasoning_tokens",
)
_CUSTOM = {
    "input": "$ai_input_token_price",
    "output": "$ai_output_token_price",
    "cache_read": "$ai_cache_read_token_price",
    "cache_write": "$ai_cache_write_token_price",
    "request": "$ai_request_price",
    "web_search": "$ai_web_search_price",
}
_PARAMETERS = {"temperature": "$ai_temperature", "stream": "$ai_stream", "max_tokens": "$ai_max_tokens"}
_MAX_ERROR = 1_000
_DATED = re.compile(r"[-@]\d{4}-?\d{2}-?\d{2}$|[-:](latest|preview|beta|free)$")


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars a token; a request and a search, whole. cache_read, cache_write: None where they cost what input does."""

    input: float
    output: float = 0.0
    cache_read: float | None = None
    cache_write: float | None = None
    request: float = 0.0
    web_search: float = 0.0


@dataclass(frozen=True, slots=True)
class Prices:
    """By model, as `provider/model`."""

    by_model: Mapping[str, Price]

    def of(self, model: str, provider: str | None) -> tuple[str, str, Price] | None:
        """Provider, model and price; None when the table has no such model. A date or a word at its end does not
        make it another one."""
        name = model.lower().rpartition("/")[2]
        for candidate in (name, _DATED.sub("", name)):
            for key, price in self.by_model.items():
                owner, _, known = key.partition("/")
                if known == candidate and (not provider or provider.lower() == owner):
                    return owner, known, price
        return self.of(model, None) if provider else None


@lru_cache(4)
def prices(path: Path | None) -> Prices:
    """Of the operator's file, or the ones that we know of. Raises ValueError or OSError for an unusable file.

    The file is JSON: `{"provider/model": {"input": 2.5e-06, "output": 1e-05, ...}}`."""
    text = path.read_bytes() if path else resources.files(__package__).joinpath("ai_prices.json").read_bytes()
    table = msgspec.json.decode(text, type=dict[str, Price])
    return Prices(table)


def with_ai(event: str, properties: Properties, table: Prices) -> list[str]:
    """Change the properties of an AI event; returns warnings, PostHog's types."""
    if event not in NAMES:
        return []
    for name in _IDS:
        _as_text(properties, name)
    if (raw := properties.get("$ai_is_error")) is not None and bytes(raw).strip() in (b"true", b'"true"'):
        _normalise_error(properties)
    if event not in COSTED:
        return []
    warnings = [_checked_tokens(properties, name) for name in _TOKENS]
    _cost(properties, table)
    _parameters(properties)
    return [warning for warning in warnings if warning]


def lightened(properties: Properties) -> Properties:
    """Without the large ones, as some projects want them in `events`. A reference to a blob stays: it is small, and
    what deletes the event finds the blob by it."""
    light = properties.copy()
    light.drop([name for name in LARGE if name in light and not _is_elsewhere(light[name])])
    return light


def _is_elsewhere(raw: msgspec.Raw) -> bool:
    text = bytes(raw)
    return text.startswith(b'"s3://') and reference_in(text_of(raw)) is not None


def _as_text(properties: Properties, name: str) -> None:
    raw = properties.get(name)
    if raw is None:
        return
    text = bytes(raw).strip()
    if text[:1] in (b"{", b"["):
        del properties[name]
    elif text[:1] != b'"' and text != b"null":
        properties[name] = encode(text.decode())


def _normalise_error(properties: Properties) -> None:
    """One text for what is one error: numbers and ids in it are left out."""
    raw = properties.get("$ai_error")
    if raw is None:
        return
    value = msgspec.json.decode(raw)
    if isinstance(value, dict):
        inner = value.get("error")
        value = value.get("message") or (inner.get("message") if isinstance(inner, dict) else inner) or value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = re.sub(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "<ID>", text)
    text = re.sub(r"\b(req|call|chatcmpl|msg|resp|run)[_-][A-Za-z0-9]{8,}", "<ID>", text)
    text = re.sub(r"\d{4}-\d{2}-\d{2}T\S+", "<TIMESTAMP>", text)
    text = re.sub(r"\d+(\.\d+)?", "<N>", text)
    properties["$ai_error_normalized"] = encode(re.sub(r"\s+", " ", text).strip()[:_MAX_ERROR])


def _checked_tokens(properties: Properties, name: str) -> str | None:
    raw = properties.get(name)
    if raw is None or bytes(raw).strip() == b"null" or number_of(raw) is not None:
        return None
    properties[name] = encode(None)
    return "invalid_ai_token_property"


def _cost(properties: Properties, table: Prices) -> None:
    given = [number_of(properties.get(f"$ai_{side}_cost_usd")) for side in ("input", "output")]
    if all(given):
        _total(properties)
        return
    found = _custom(properties)
    source = "custom"
    if found is None:
        model = text_of(properties.get("$ai_model"))
        found = table.of(model, text_of(properties.get("$ai_provider"))) if model else None
        source = "list"
    if found is None:
        return
    provider, model, price = found
    costs = {
        "$ai_input_cost_usd": _input_cost(properties, provider, price),
        "$ai_output_cost_usd": _amount(properties, "$ai_output_tokens") * price.output,
        "$ai_request_cost_usd": price.request,
        "$ai_web_search_cost_usd": _amount(properties, "$ai_web_search_count") * price.web_search,
    }
    for name, cost in costs.items():
        if number_of(properties.get(name)) is None:
            properties[name] = encode(_tidy(cost))
    _total(properties)
    properties["$ai_model_cost_used"] = encode(model)
    properties["$ai_cost_model_source"] = encode(source)
    properties["$ai_cost_model_provider"] = encode(provider)


def _custom(properties: Properties) -> tuple[str, str, Price] | None:
    said = {kind: number_of(properties.get(name)) for kind, name in _CUSTOM.items()}
    if said["input"] is None or said["output"] is None:
        return None
    return "custom", "custom", Price(**{kind: number for kind, number in said.items() if number is not None})


def _input_cost(properties: Properties, provider: str, price: Price) -> float:
    """Anthropic counts tokens of its cache beside the others, everybody else among them."""
    whole = _amount(properties, "$ai_input_tokens")
    read = _amount(properties, "$ai_cache_read_input_tokens")
    written = _amount(properties, "$ai_cache_creation_input_tokens")
    plain = whole if provider == "anthropic" else max(0.0, whole - read)
    read_price = price.input if price.cache_read is None else price.cache_read
    write_price = price.input if price.cache_write is None else price.cache_write
    if provider != "anthropic":
        written = 0.0 if price.cache_write is None else written
    return plain * price.input + read * read_price + written * write_price


def _amount(properties: Properties, name: str) -> float:
    return max(0.0, number_of(properties.get(name)) or 0.0)


def _total(properties: Properties) -> None:
    if number_of(properties.get("$ai_total_cost_usd")) is None:
        parts = ("input", "output", "request", "web_search")
        whole = sum(number_of(properties.get(f"$ai_{part}_cost_usd")) or 0.0 for part in parts)
        properties["$ai_total_cost_usd"] = encode(_tidy(whole))


def _tidy(cost: float) -> float:
    """Without the noise of binary fractions."""
    return round(cost, 12)


def _parameters(properties: Properties) -> None:
    said = object_of(properties.get("$ai_model_parameters"))
    if said is None:
        return
    for name, target in _PARAMETERS.items():
        raw = said.get(name)
        if raw is None and name == "max_tokens":
            raw = said.get("max_completion_tokens")
        if raw is not None:
            properties[target] = raw
