"""PyPI anthropic against BASE_URL: one line for each thing tried, "ok NAME" or "FAILED NAME: why"."""
import os
import sys

import anthropic

client = anthropic.Anthropic(base_url=os.environ["BASE_URL"], api_key="sk-test", max_retries=2)
MESSAGES = [{"role": "user", "content": "hello"}]


def message():
    answer = client.messages.create(model="tiny", max_tokens=4, messages=MESSAGES)
    assert answer.content[0].text and answer.usage.output_tokens == 4


def message_stream():
    with client.messages.stream(model="tiny", max_tokens=4, messages=MESSAGES) as stream:
        assert "".join(stream.text_stream)
        assert stream.get_final_message().stop_reason in ("max_tokens", "end_turn")


def system_prompt():
    assert client.messages.create(model="tiny", max_tokens=2, system="Be brief.", messages=MESSAGES).content


def unknown_model():
    try:
        client.messages.create(model="nobody", max_tokens=2, messages=MESSAGES)
    except anthropic.NotFoundError as error:
        assert error.body["type"] == "error", error.body
    else:
        raise AssertionError("no error")


for try_ in [message, message_stream, system_prompt, unknown_model]:
    try:
        try_()
        print("ok", try_.__name__)
    except Exception as error:  # the test that started us reports it
        print(f"FAILED {try_.__name__}: {type(error).__name__}: {error}".replace("\n", " "))
sys.exit(0)
