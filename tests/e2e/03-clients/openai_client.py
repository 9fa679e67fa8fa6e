"""PyPI openai against BASE_URL: one line for each thing tried, "ok NAME" or "FAILED NAME: why"."""
import os
import sys

import openai

client = openai.OpenAI(base_url=os.environ["BASE_URL"] + "/v1", api_key="sk-test", max_retries=2)
MESSAGES = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


def chat():
    answer = client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=4)
    assert answer.choices[0].message.content and answer.usage.completion_tokens == 4


def chat_stream():
    events = list(client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=4, stream=True))
    assert "".join(e.choices[0].delta.content or "" for e in events if e.choices)
    assert all(e.usage is None for e in events)


def chat_stream_usage():
    options = {"include_usage": True}
    events = list(client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=4, stream=True, stream_options=options))
    assert events[-1].usage.completion_tokens == 4 and not events[-1].choices


def completions():
    assert client.completions.create(model="tiny", prompt="once", max_tokens=4).choices[0].text


def completions_stream():
    assert "".join(e.choices[0].text for e in client.completions.create(model="tiny", prompt="once", max_tokens=4, stream=True) if e.choices)


def embeddings():
    answer = client.embeddings.create(model="tiny", input=["one", "two"], encoding_format="float")
    assert len(answer.data) == 2 and answer.data[0].embedding


def responses():
    assert client.responses.create(model="tiny", input="hello", max_output_tokens=4).output_text


def responses_stream():
    types = [e.type for e in client.responses.create(model="tiny", input="hello", max_output_tokens=4, stream=True)]
    assert types[0] == "response.created" and types[-1] == "response.completed", types


def models():
    assert "tiny" in [m.id for m in client.models.list()]


def tools():
    answer = client.chat.completions.create(model="tools", messages=MESSAGES, tools=TOOLS)
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "weather" and call.function.arguments == '{"city":"Reykjavík"}'


def tools_stream():
    arguments = ""
    for event in client.chat.completions.create(model="tools", messages=MESSAGES, tools=TOOLS, stream=True):
        for call in event.choices[0].delta.tool_calls or []:
            arguments += call.function.arguments or ""
    assert arguments == '{"city":"Reykjavík"}', arguments


def unknown_model():
    try:
        client.chat.completions.create(model="nobody", messages=MESSAGES)
    except openai.NotFoundError as error:
        assert error.code == "model_not_found", error.code
    else:
        raise AssertionError("no error")


def bad_request():
    try:
        client.chat.completions.create(model="", messages=MESSAGES)
    except (openai.BadRequestError, openai.NotFoundError) as error:
        assert error.message and error.request_id
    else:
        raise AssertionError("no error")


def own_retries_on_429():
    answer = client.chat.completions.create(model="busy", messages=MESSAGES)
    assert answer.choices[0].message.content == "at last"


TRIED = [chat, chat_stream, chat_stream_usage, completions, completions_stream, embeddings, responses, responses_stream, models, tools,
         tools_stream, unknown_model, bad_request, own_retries_on_429]  # fmt: skip
for try_ in TRIED:
    try:
        try_()
        print("ok", try_.__name__)
    except Exception as error:  # the test that started us reports it
        print(f"FAILED {try_.__name__}: {type(error).__name__}: {error}".replace("\n", " "))
sys.exit(0)
